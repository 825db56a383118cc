# Reads a history: what clients (test/history/client.c) were told by a server
# that was killed, promoted or starved meanwhile.
#
# A fact is a call: {client, n, call, t0, t1, how, fields, rows}. t0 is when it
# was about to be sent, t1 when its answer was there, so what it did, it did in
# between. "how" is ok, failed (it did nothing) or unknown (either).
package TaskqHistory;

use strict;
use warnings;

use Exporter 'import';
use PostgreSQL::Test::Utils;

our @EXPORT = qw(read_history);

# All facts in the logs of a directory. What was acknowledged after the first
# and begun before the second of two instants is unknown if these are given:
# a standby that was promoted may not have heard of it.
sub read_history
{
	my ($dir, $after, $before) = @_;
	my @facts;

	foreach my $file (sort glob("$dir/*.log"))
	{
		my ($client) = $file =~ m{([^/]+)\.log$};

		push @facts, read_log($client, $file);
	}
	foreach my $fact (@facts)
	{
		$fact->{how} = 'unknown'
		  if defined $after && $fact->{t1} > $after && $fact->{t0} < $before;
	}
	return [ sort { $a->{t0} <=> $b->{t0} } @facts ];
}

sub read_log
{
	my ($client, $file) = @_;
	my (@facts, %open);

	foreach my $line (split /\n/, slurp_file($file))
	{
		my ($time, $n, $how, $call, @pairs) = split /\t/, $line;
		my @values = map { [ split /=/, $_, 2 ] } @pairs;

		if ($how eq 'invoked')
		{
			my $fact = {
				client => $client,
				n => $n,
				call => $call,
				t0 => $time,
				t1 => 9**15,
				how => 'unknown',
				rows => [],
				map { $_->[0] => $_->[1] } @values
			};

			$fact->{ids} = [ map { $_->[1] } grep { $_->[0] eq 'id' } @values ];
			$fact->{items} = [ map { [ split /,/, $_->[1] ] }
				  grep { $_->[0] eq 'item' } @values ];
			push @facts, $open{$n} = $fact;
		}
		else
		{
			my $fact = delete $open{$n};

			@$fact{qw(t1 how)} = ($time, $how);
			$fact->{state} = $values[0]->[1] if $how ne 'ok';
			$fact->{rows} = [ map { [ split /,/, $_->[1], -1 ] } @values ]
			  if $how eq 'ok';
		}
	}
	return @facts;
}

# ---- what is said of each run --------------------------------------------

# The history by run: who scheduled it, its hand-outs, reports, beats,
# operations and reads; and by id and token.
sub new
{
	my ($class, $facts) = @_;
	my $self =
	  bless { facts => $facts, runs => {}, ids => {}, tokens => {} }, $class;
	my %handler = (
		schedule => \&note_schedule,
		poll => \&note_polled,
		complete_and_poll => sub { note_batch(@_); note_polled(@_) },
		complete_many => \&note_batch,
		complete => \&note_report,
		fail => \&note_report,
		report_canceled => \&note_report,
		release => \&note_report,
		heartbeat => noting('beats'),
		outcome => noting('reads'),
		wait_for_close => noting('reads'),
		wait => sub { },
		given_back => sub { },
		map { $_ => noting('operations') }
		  qw(request_cancel terminate delete reset pause unpause update_options)
	);

	$handler{ $_->{call} }->($self, $_) foreach @$facts;

	# What is handed out again was given back after its first answer.
	$_->{handed_out} = [ sort { $a->{t1} <=> $b->{t1} } @{ $_->{handed_out} } ]
	  foreach values %{ $self->{runs} };
	return $self;
}

sub run
{
	my ($self, $run) = @_;

	return $self->{runs}->{$run} //= {
		run => $run,
		handed_out => [],
		reports => [],
		beats => [],
		operations => [],
		reads => []
	};
}

sub noting
{
	my ($what) = @_;

	return sub {
		my ($self, $fact) = @_;

		push @{ $self->run($fact->{run})->{$what} }, $fact;
	};
}

# An id is first tried at the earliest of its calls, and may have been
# scheduled then.
sub note_schedule
{
	my ($self, $fact) = @_;

	foreach my $id (@{ $fact->{ids} })
	{
		$self->{ids}->{$id} //= { kind => $fact->{kind}, t0 => $fact->{t0} };
	}
	return if $fact->{how} ne 'ok';
	$self->run($_->[0])->{scheduled} = { id => $_->[1], t1 => $fact->{t1} }
	  foreach @{ $fact->{rows} };
	return;
}

sub note_polled
{
	my ($self, $fact) = @_;

	return if $fact->{how} ne 'ok';
	foreach my $row (@{ $fact->{rows} })
	{
		my ($run, $attempt, $token, $details) = @$row;
		my $task = {
			run => $run,
			attempt => $attempt,
			token => $token,
			details => $details,
			fact => $fact,
			t0 => $fact->{t0},
			t1 => $fact->{t1}
		};

		push @{ $self->run($run)->{handed_out} }, $task;
		push @{ $self->{tokens}->{$token} }, $task;
	}
	return;
}

sub note_report
{
	my ($self, $fact) = @_;

	push @{ $self->run($fact->{run})->{reports} },
	  { %$fact, fact => $fact, answer => $fact->{rows}->[0] };
	return;
}

# complete_and_poll does not say which of its tokens were stale.
sub note_batch
{
	my ($self, $fact) = @_;
	my %done = map { $_->[0] => $_->[1] } @{ $fact->{rows} };

	foreach my $item (@{ $fact->{items} })
	{
		my ($run, $attempt, $token, $result) = @$item;
		my $how = $fact->{how};

		$how =
			$fact->{call} eq 'complete_and_poll' ? 'unknown'
		  : ($done{$token} // '') eq 't' ? 'ok'
		  : 'failed'
		  if $how eq 'ok';
		push @{ $self->run($run)->{reports} },
		  {
			call => 'complete',
			fact => $fact,
			how => $how,
			t0 => $fact->{t0},
			t1 => $fact->{t1},
			state => $fact->{state} // 'TQ001',
			run => $run,
			attempt => $attempt,
			token => $token,
			result => $result
		  };
	}
	return;
}

1;
