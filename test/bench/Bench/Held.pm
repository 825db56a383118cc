# A snapshot that somebody holds: a transaction is left open for minutes while
# the load goes on, so that nothing that dies can be removed; then it ends.
#
# Producers offer a fixed number of tasks per second; for each that was
# committed, a consumer polls one and completes it (load.c).  taskq and R2 get
# the same, one after the other, R2 for a shorter time: it shows early.
package Bench::Held;

use strict;
use warnings;

use Bench qw(median say_now sum);
use Bench::Clients;
use Bench::Scenario qw(create_taskq mb number relation_sizes table verdict
  verdicts PAYLOAD);

use constant NAME => 'held';
use constant TITLE => 'A snapshot is held';
use constant MINUTES => 15;

my %SQL = (
	taskq => {
		schedule => "SELECT run_id FROM taskq.schedule('q', 'email.send', '"
		  . PAYLOAD
		  . "', start_to_close_timeout => '30 s')",
		poll => "SELECT task_token FROM taskq.poll('q', 'w')",
		complete => 'SELECT taskq.complete($1)'
	},
	r2 => {
		schedule => "INSERT INTO r2 (queue, payload) VALUES ('q', '"
		  . PAYLOAD . "')",
		poll => "UPDATE r2 SET status = 'started', attempt = attempt + 1,"
		  . ' started_at = now(), lease_until = now() + interval \'30 s\', worker = \'w1\''
		  . ' WHERE id = ANY (ARRAY(SELECT id FROM r2'
		  . " WHERE queue = 'q' AND status = 'ready' AND run_at <= now()"
		  . ' ORDER BY run_at, id LIMIT 1 FOR UPDATE SKIP LOCKED))'
		  . ' RETURNING id, attempt, payload',
		complete => 'DELETE FROM r2 WHERE id = $1 AND attempt = 1 RETURNING id'
	});

sub settings
{
	return {};
}

# Seconds of each part: before, held, after.
sub parts
{
	my ($contestant, $short) = @_;

	return { before => 10, held => 20, after => 10 } if $short;
	return { before => 30, held => 180, after => 30 } if $contestant eq 'r2';
	return { before => 60, held => 300, after => 300 };
}

sub set_up
{
	my ($bench, $contestant) = @_;

	return create_taskq($bench, 'held_taskq') if $contestant eq 'taskq';
	my $session = $bench->session('held_r2');
	$session->query(Bench::read_file("$Bench::DIR/r2/setup.sql"));
	return $session;
}

# One contestant; a row per second, and sizes every few.
sub measure
{
	my ($bench, $contestant, $rate, $short) = @_;
	my $parts = parts($contestant, $short);
	my $hold_at = $parts->{before};
	my $release_at = $hold_at + $parts->{held};
	my $end_at = $release_at + $parts->{after};
	my $monitor = set_up($bench, $contestant);
	my $holder = $bench->session("held_$contestant");
	my $load = Bench::Clients->start(
		$bench, 'load',
		database => "held_$contestant",
		sync => 'off',
		arguments => {
			%{ $SQL{$contestant} },
			rate => $rate,
			producers => 2,
			consumers => 4,
			seconds => $end_at
		});
	my (@seconds, @sizes);
	my $schema = $contestant eq 'taskq' ? 'taskq' : 'public';

	while (my $line = $load->line)
	{
		my $second = $line->{second};

		push @seconds,
		  [ map { $_ + 0 }
			  @$line{qw(second schedule_n complete_n poll_p50 poll_p99 behind)} ];
		if ($second == $hold_at)
		{
			$holder->query('BEGIN ISOLATION LEVEL REPEATABLE READ');
			$holder->query('SELECT count(*) FROM pg_class');
		}
		$holder->query('COMMIT') if $second == $release_at;
		push @sizes, [ $second + 0, relation_sizes($monitor, $schema) ]
		  if $second % 5 == 0;
		say_now(sprintf '  %-6s %4d s: %5d completed, poll p50 %6d us, p99 %6d us, %7d behind',
			$contestant, @$line{qw(second complete_n poll_p50 poll_p99 behind)})
		  if $second % ($short ? 5 : 30) == 0;
	}
	$_->quit for $monitor, $holder;
	return {
		seconds => \@seconds,
		sizes => \@sizes,
		hold_at => $hold_at,
		release_at => $release_at,
		end_at => $end_at
	};
}

sub run
{
	my ($bench, $short) = @_;
	my $rate = $short ? 1000 : 3000;
	my %result = (rate => $rate);

	for my $contestant (qw(taskq r2))
	{
		$result{$contestant} = measure($bench, $contestant, $rate, $short);
	}
	return \%result;
}

# The median of a column over the seconds from (excluded) to (included).
sub between
{
	my ($run, $column, $from, $to) = @_;

	return median(map { $_->[$column] }
		  grep { $_->[0] > $from && $_->[0] <= $to } @{ $run->{seconds} });
}

# What counts as the beginning and the end of a part: a tenth of the time held.
sub window
{
	my ($run) = @_;

	return int(($run->{release_at} - $run->{hold_at}) / 10);
}

sub columns
{
	my ($run) = @_;
	my $n = window($run);

	return (
		[ 'before', $run->{hold_at} - $n, $run->{hold_at} ],
		[ 'just held', $run->{hold_at}, $run->{hold_at} + $n ],
		[ 'held to the end', $run->{release_at} - $n, $run->{release_at} ],
		[ 'released', $run->{end_at} - $n, $run->{end_at} ]);
}

# Sizes at a second; what keeps results is apart, since it has to grow.
sub sizes_at
{
	my ($run, $second) = @_;
	my ($found) =
	  grep { $_->[0] >= $second } @{ $run->{sizes} }, $run->{sizes}[-1];
	my %sizes = %{ $found->[1] };
	my @kept = grep { /^closed_/ } keys %sizes;

	return {
		queue => sum(0, map { /^closed_/ ? () : $sizes{$_} } keys %sizes),
		kept => sum(0, @sizes{@kept}),
		all => \%sizes
	};
}

sub sizes_table
{
	my ($result) = @_;
	my @rows;

	for my $contestant (qw(taskq r2))
	{
		my $run = $result->{$contestant};
		my @at = map { sizes_at($run, $run->{$_}) } qw(hold_at release_at end_at);

		push @rows, [ $contestant, map { mb($_->{queue}) } @at ];
		push @rows, [ "$contestant, results kept", map { mb($_->{kept}) } @at ]
		  if $at[2]{kept};
	}
	return table([ 'MB', 'when held', 'at release', 'at the end' ], @rows);
}

# Relations that are larger at the end than at release; results may be.
sub grown
{
	my ($run) = @_;
	my $at = sizes_at($run, $run->{release_at})->{all};
	my $end = sizes_at($run, $run->{end_at})->{all};

	return grep { !/^closed_/ && $end->{$_} > $at->{$_} } sort keys %$end;
}

sub report
{
	my ($result) = @_;
	my $run = $result->{taskq};
	my ($before, $first, $last) = columns($run);
	my @names = map { $_->[0] } columns($run);
	my @rows;

	for my $contestant (qw(taskq r2))
	{
		my $of = $result->{$contestant};

		for (
			[ 2, 'completed per second', 1 ],
			[ 3, 'poll, p50, ms', 1000 ],
			[ 4, 'poll, p99, ms', 1000 ])
		{
			my ($column, $name, $divisor) = @$_;

			push @rows,
			  [
				"$contestant: $name",
				map {
					my $value = between($of, $column, @$_[ 1, 2 ]) / $divisor;
					$divisor == 1 ? number($value) : sprintf '%.3f', $value
				} columns($of)
			  ];
		}
	}
	my @grown = grown($run);

	return
	  number($result->{rate})
	  . " tasks per second are offered, a transaction at REPEATABLE READ stays open for "
	  . ($run->{release_at} - $run->{hold_at})
	  . " s. Medians of the seconds of each part; synchronous_commit is off.\n\n"
	  . table([ '', @names ], @rows) . "\n"
	  . sizes_table($result) . "\n"
	  . verdicts(
		verdict('throughput at the end of the hold, of that before',
			between($run, 2, @$last[ 1, 2 ]) / between($run, 2, @$before[ 1, 2 ]),
			'least', 0.90),
		verdict('poll p99 at the end of the hold, of that before',
			between($run, 4, @$last[ 1, 2 ]) / between($run, 4, @$before[ 1, 2 ]),
			'most', 1.5),
		verdict('relations that are larger at the end than at release'
			  . (@grown ? " (@grown)" : ''),
			scalar @grown, 'most', 0, '%d'));
}

# Curves: seconds against completed tasks, and against the poll's p99.
sub plots
{
	my ($result) = @_;
	my @names = ([ taskq => 'taskq' ], [ r2 => 'R2' ]);
	my $run = $result->{taskq};
	my @marks = ([ $run->{hold_at}, 'held' ], [ $run->{release_at}, 'released' ]);
	my $curves = sub {
		my ($value) = @_;

		return map {
			my ($key, $name) = @$_;
			{
				name => $name,
				points => [ map { [ $_->[0], $value->($_) ] }
					  @{ $result->{$key}{seconds} } ]
			}
		} @names;
	};

	return (
		{
			file => 'held_throughput',
			title => 'Tasks completed per second while a snapshot is held',
			x => 'seconds',
			y => 'tasks per second',
			marks => \@marks,
			curves => [ $curves->(sub { $_[0][2] }) ]
		},
		{
			file => 'held_poll',
			title => 'Poll, 99th percentile, while a snapshot is held',
			x => 'seconds',
			y => 'ms',
			log_y => 1,
			marks => \@marks,
			curves => [ $curves->(sub { $_[0][4] / 1000 }) ]
		},
		{
			file => 'held_size',
			title => 'Size of the queue (without results) while a snapshot is held',
			x => 'seconds',
			y => 'MB',
			marks => \@marks,
			curves => [
				map {
					my ($key, $name) = @$_;
					{
						name => $name,
						points => [
							map {
								[ $_, sizes_at($result->{$key}, $_)->{queue} / 1024 / 1024 ]
							} map { $_->[0] } @{ $result->{$key}{sizes} }
						]
					}
				} @names
			]
		});
}

1;
