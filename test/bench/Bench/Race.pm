# Races of the contestants that pgbench can play.
#
# In every round each entry of a workload gets its turn, on tables made anew,
# in an order that moves on from round to round; what counts is the median of
# the rounds' ratios to the first entry, the baseline.  A turn may begin with a
# warm-up that does not count.  What counts is tasks that were closed (or, where
# nothing is closed, scheduled): what was scheduled less what is still open, so
# that a poll that found nothing, or took what it did not complete, is no gain.
# (An entry that is no queue shows the floor: a run of its script is a task.)
# CPU is counted until a second after the end, so that it contains what was left
# to background processes.
package Bench::Race;

use strict;
use warnings;

use Bench 'median';
use Exporter 'import';

our @EXPORT_OK = qw(in_rounds middle ratios turn turn_seconds);

# How long a turn takes beside its own seconds: setting up, starting, looking.
use constant SETUP_SECONDS => 1;
use constant TAIL_SECONDS => 1;

sub turn_seconds
{
	my ($workload) = @_;

	return $workload->{seconds} +
	  $workload->{warmup} +
	  TAIL_SECONDS + SETUP_SECONDS;
}

# One turn of one entry; costs and gains per task.
sub turn
{
	my ($bench, $workload, $entry) = @_;
	my $contestant = Bench::contestant($entry->{contestant});
	my %option = (
		database => $contestant->{database},
		script => Bench::script(
			$entry->{contestant}, $entry->{script} // $workload->{script}),
		clients => $workload->{clients},
		sync => $workload->{sync},
		define => $entry->{define});

	$bench->reset($entry->{contestant});
	$bench->pgbench(%option, seconds => $workload->{warmup})
	  if $workload->{warmup};
	my $closes = $workload->{closes} && $contestant->{open};
	my $before = $closes ? $bench->open_tasks($entry->{contestant}) : 0;
	my $run = $bench->pgbench(
		%option,
		seconds => $workload->{seconds},
		tail => TAIL_SECONDS);
	my $tasks = $run->{tx} * $workload->{tasks};
	$tasks -= $bench->open_tasks($entry->{contestant}) - $before
	  if $closes;

	return {
		tasks => $tasks,
		per_second => $tasks / $run->{seconds},
		cpu_us => 1e6 * $run->{cpu} / $tasks,
		own_cpu_us => 1e6 * $run->{own_cpu} / $tasks,
		wal => $run->{wal} / $tasks,
		latency_ms => $run->{latency_ms} + 0
	};
}

# Give each entry of a workload its turn in each round.  "turn" is called with
# the entry and returns a hash; "after_turn" gets the rounds so far and the
# entry, "after_round" the rounds so far.
sub in_rounds
{
	my ($workload, $rounds, $turn, $after_turn, $after_round) = @_;
	my @entries = @{ $workload->{entries} };
	my @rounds;

	for my $round (1 .. $rounds)
	{
		push @rounds, {};
		for my $i (0 .. $#entries)
		{
			my $entry = $entries[ ($i + $round - 1) % @entries ];

			$rounds[-1]{ $entry->{key} } = $turn->($entry);
			$after_turn->(\@rounds, $entry);
		}
		$after_round->(\@rounds);
	}
	return \@rounds;
}

# How many times better than the baseline an entry is: the median over the
# rounds that have both, and the least and greatest.  Higher is better, so CPU
# is compared the other way round.
sub ratios
{
	my ($rounds, $key, $baseline, $measure) = @_;
	my @both = grep { $_->{$key} && $_->{$baseline} } @$rounds;
	my @ratios = sort { $a <=> $b } map {
		$measure eq 'per_second'
		  ? $_->{$key}{$measure} / $_->{$baseline}{$measure}
		  : $_->{$baseline}{$measure} / $_->{$key}{$measure}
	} @both;

	return (median(@ratios), $ratios[0], $ratios[-1]);
}

# The median of a measure of an entry over the rounds that have it.
sub middle
{
	my ($rounds, $key, $measure) = @_;

	return median(grep { defined } map { $_->{$key}{$measure} } grep { $_->{$key} } @$rounds);
}

1;
