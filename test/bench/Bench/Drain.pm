# Drain of a backlog, one task at a time: does it slow down on its way?
#
# The backlog is scheduled by 100 per call, then connections poll and complete
# until nothing is left, or until the time is up for contestants that would take
# too long.  Rates are by tenths of what was drained, while all connections were
# still at it.
package Bench::Drain;

use strict;
use warnings;

use Exporter 'import';
use List::Util qw(max min);

our @EXPORT_OK = qw(drain drain_seconds %DRAIN);

our %DRAIN = (
	name => 'drain',
	title => 'Drain of a backlog, one at a time',
	clients => 4,
	sync => 'off',
	backlog => 1_000_000,
	target => 0.9,
	entries => [
		{ key => 'taskq', name => 'taskq' },
		{ key => 'taskq_0', name => 'taskq, retention 0' },
		{ key => 'r2', name => 'R2', seconds => 30 },
		{
			key => 'r2_no_vacuum',
			name => 'R2, vacuum does not come',
			seconds => 30
		}
	]);

# About how long an entry takes.
sub drain_seconds
{
	my ($entry) = @_;

	return ($entry->{seconds} // $DRAIN{backlog} / 20_000) +
	  $DRAIN{backlog} / 80_000 + 5;
}

# Read a transaction log: when the transactions ended, in order, and when the
# first connection had no more to do.
sub read_log
{
	my ($run) = @_;
	my (@ends, %last);

	for my $path (@{ $run->{logs} })
	{
		open my $log, '<', $path or die "$path: $!\n";
		while (<$log>)
		{
			my ($client, undef, undef, undef, $seconds, $us) = split ' ';
			my $end = $seconds + $us / 1e6;

			push @ends, $end;
			$last{$client} = $end
			  if !defined $last{$client} || $last{$client} < $end;
		}
		close $log;
		unlink $path;
	}
	return ([ sort { $a <=> $b } @ends ], min(values %last));
}

# Tasks per second in each tenth, and in each second.
sub rates
{
	my ($run) = @_;
	my ($ends, $until) = read_log($run);
	my $start = $ends->[0];
	my @during = grep { $_ <= $until } @$ends;
	my $tenth = int(@during / 10);
	my (@tenths, @curve);

	for my $i (0 .. 9)
	{
		push @tenths, $tenth /
		  max(1e-6, $during[ ($i + 1) * $tenth - 1 ] - $during[ $i * $tenth ]);
	}
	$curve[ int($_ - $start) ]++ for @during;
	pop @curve;
	return (\@tenths, [ map { $_ // 0 } @curve ]);
}

sub drain
{
	my ($bench, $entry) = @_;
	my $name = $entry->{contestant} // $entry->{key};
	my $contestant = Bench::contestant($name);
	my %option = (
		database => $contestant->{database},
		clients => $DRAIN{clients},
		sync => $DRAIN{sync});

	$bench->reset($name);
	$bench->pgbench(
		%option,
		script => Bench::script($name, 'schedule_100'),
		transactions => $DRAIN{backlog} / $DRAIN{clients} / 100);
	$bench->sql('CHECKPOINT', 'postgres');
	my $backlog = $bench->open_tasks($name);
	my $run = $bench->pgbench(
		%option,
		script => Bench::script($name, 'work_1'),
		log => 'drain',
		$entry->{seconds}
		? (seconds => $entry->{seconds})
		: (transactions => $backlog / $DRAIN{clients}),
		tail => 1);
	my $tasks = $backlog - $bench->open_tasks($name);
	my ($tenths, $curve) = rates($run);

	return {
		tasks => $tasks,
		empty_polls => $run->{tx} - $tasks,
		per_second => $tasks / $run->{seconds},
		cpu_us => 1e6 * $run->{cpu} / $tasks,
		own_cpu_us => 1e6 * $run->{own_cpu} / $tasks,
		wal => $run->{wal} / $tasks,
		tenths => $tenths,
		slope => $tenths->[9] / $tenths->[0],
		curve => $curve
	};
}

1;
