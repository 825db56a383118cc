# The model of workflows gives the histories that Temporal's server gave: what
# was done to the server, as its recorded histories tell, done to the model
# gives them again, event by event.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use File::Basename;
use TaskqRecording;
use TaskqWorkflowModel;
use Test::More;

# What the model knows nothing of: children and other workflows, updates, cron
# and resets, a start that hands out its task.
my $beyond = qr/^(?:cancel_external|child|cron|signal_external|update|reset
  |eager_start)/x;

my @files = grep { basename($_) !~ $beyond }
  glob("$FindBin::RealBin/../../temporal/raw/*.json");

foreach my $file (@files)
{
	my $name = basename($file, '.json');
	my @events = TaskqRecording::events_of($file);
	my $run = eval { TaskqRecording::play(@events) };
	my $wrong = $@;

	if ($run)
	{
		$run->{events} =
		  [ map { TaskqRecording::plain($_) } @{ $run->{events} } ];
		$wrong = TaskqWorkflowModel::differs($run,
			[ map { TaskqRecording::plain($_) } @events ]);
	}
	is($wrong || '', '', $name);
}
# The commands that were sent to get the histories raw_badcmd.*: those are
# answered as recorded, too, to the text of the failure.
my $activity = [
	'SCHEDULE_ACTIVITY_TASK',
	{
		activityId => 'a',
		activityType => { name => 'A' },
		taskQueue => { name => 'q1' },
		startToCloseTimeout => '10s'
	}
];
my $done = [ 'COMPLETE_WORKFLOW_EXECUTION', {} ];
my %bad = (
	'dup-activity-id' => [ $activity, $activity ],
	'no-timeout' => [
		[
			$activity->[0], { %{ $activity->[1] }, startToCloseTimeout => '0s' }
		]
	],
	'cancel-unknown-activity' =>
	  [ [ 'REQUEST_CANCEL_ACTIVITY_TASK', { scheduledEventId => '77' } ] ],
	'cancel-unknown-timer' => [ [ 'CANCEL_TIMER', { timerId => 'zz' } ] ],
	'dup-timer' => [ timer('t', '1s'), timer('t', '1s') ],
	'timer-negative' => [ timer('t', '-1s') ],
	'timer-no-id' => [ timer('', '1s') ],
	'after-complete' => [ $done, timer('t', '1s') ],
	'two-completes' => [ $done, $done ],
	'fail-without-failure' => [ [ 'FAIL_WORKFLOW_EXECUTION', {} ] ],
	'no-attributes' => [ [ 'START_TIMER', undef ] ],
	'unknown-type' => [ [ 'X', {} ] ],
	'good-then-bad' => [
		timer('ok', '30s'), $activity, [ 'CANCEL_TIMER', { timerId => 'zz' } ]
	]);

foreach my $name (sort keys %bad)
{
	my @events = TaskqRecording::events_of(
		"$FindBin::RealBin/../../temporal/raw/raw_badcmd.$name.json");
	my $world = { now => [ 0, 0 ], alive => sub { 1 } };
	my $run = TaskqRecording::play(@events[ 0 .. 2 ]);
	my ($outcome) = TaskqWorkflowModel::complete_task($run, $world,
		{ token => 1, identity => 'raw', commands => $bad{$name} });
	my ($answer, $state) = @$outcome;
	my $is_refused = $events[3]->{attributes}->{cause} =~ /FORCE_CLOSE/;

	is($answer->{state} ? 'refused' : $answer->{value}->{failed_cause} // '',
		$is_refused
		? 'refused'
		: $events[3]->{attributes}->{cause} =~ s/.*CAUSE_//r,
		"$name: the answer");
	next if $is_refused;
	is( TaskqWorkflowModel::differs(
			{
				events =>
				  [ map { TaskqRecording::plain($_) } @{ $state->{events} } ]
			},
			[ map { TaskqRecording::plain($_) } @events[ 0 .. 3 ] ]) // '',
		'',
		"$name: the history");
}

sub timer
{
	my ($id, $duration) = @_;

	return [ 'START_TIMER',
		{ timerId => $id, startToFireTimeout => $duration } ];
}

cmp_ok(scalar(@files), '>', 40, 'there are recordings');
done_testing();
