# The judge of runs in the crash tests (TaskqRunJudge.pm) accepts what is right, and sees
# each single thing that is wrong: one line of the logs, or of what is read in the
# end, is changed at a time.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Utils;
use TaskqHistory;
use TaskqRunJudge;
use Test::More;

# Facts of three clients; times are in milliseconds here. Run 1 is signaled, has an
# activity and a timer, fails a task once and completes; 2 is terminated, 3 deleted, 4
# may have been started, 5 is canceled.
my @right = split /\n/, <<'EOH';
s 1000 1 invoked start kind=plain id=s-1 mark=s-1-first
s 1010 1 ok start row=1
s 1020 2 invoked start kind=plain id=s-2
s 1030 2 ok start row=2
s 1040 3 invoked start kind=plain id=s-3
s 1050 3 ok start row=3
s 1060 4 invoked start kind=plain id=s-4
s 1070 4 unknown start state=
s 1080 5 invoked start kind=plain id=s-5
s 1090 5 ok start row=5
s 1100 6 invoked signal run=1 mark=s-6 durable=1
s 1110 6 ok signal row=
s 1120 7 invoked signal run=1 mark=s-7 durable=0
s 1130 7 unknown signal state=
s 1140 8 invoked taken_back run=1 mark=s-8
s 1150 8 ok taken_back row=
s 1160 9 invoked terminate run=2 mark=s-9
s 1170 9 ok terminate row=
s 1180 10 invoked delete run=3 mark=s-10
s 1190 10 ok delete row=
s 1200 11 invoked request_cancel run=5 mark=s-11
s 1210 11 ok request_cancel row=
s 4000 12 invoked outcome run=1
s 4010 12 ok outcome row=completed,d-5
s 4020 13 invoked outcome run=2
s 4030 13 ok outcome row=terminated,
d 1300 1 invoked poll_workflow
d 1310 1 ok poll_workflow row=1,1,t1,3,0,0,0
d 1320 2 invoked complete_workflow run=1 attempt=1 token=t1 started=3 mark=d-2 closes=
d 1330 2 ok complete_workflow row=,f
d 1500 3 invoked poll_workflow
d 1510 3 ok poll_workflow row=1,1,t2,10,1,2,0
d 1520 4 invoked fail_workflow run=1 attempt=1 token=t2 started=10
d 1530 4 ok fail_workflow row=
d 1535 6 invoked poll_workflow
d 1540 6 ok poll_workflow row=1,2,t3,15,1,0,0 row=5,1,t5,4,0,0,1
d 1550 5 invoked complete_workflow run=1 attempt=2 token=t3 started=15 mark=d-5 closes=complete
d 1560 5 ok complete_workflow row=,t
d 1570 7 invoked complete_workflow run=1 attempt=1 token=t2 started=10 mark=d-7 closes=
d 1580 7 failed complete_workflow state=TQ001
d 1590 8 invoked complete_workflow run=5 attempt=1 token=t5 started=4 mark=d-8 closes=cancel
d 1600 8 ok complete_workflow row=,t
a 1400 1 invoked poll_activity
a 1410 1 ok poll_activity row=1,1,u1,9,0,0,0
a 1420 2 invoked complete_activity run=1 attempt=1 token=u1 mark=a-2
a 1430 2 ok complete_activity row=
EOH

# An event of a run: its type, mark, and the event that it ends.
sub event
{
	my ($run, $n, $type, $mark, $ref) = @_;

	return [ $run, $n, $type, $mark // '', $ref // '', 'f', '' ];
}

my $final = {
	runs => [ [ 1, 's-1', 'completed', '' ], [ 2, 's-2', 'terminated', '' ], [ 5, 's-5', 'canceled', '' ] ],
	sent => [ ['s-6'] ],
	events => [
		event(1, 1, 'workflow_execution_started'),
		event(1, 2, 'workflow_task_scheduled'),
		event(1, 3, 'workflow_task_started'),
		event(1, 4, 'workflow_task_completed', '', 3),
		event(1, 5, 'marker_recorded', 'd-2'),
		event(1, 6, 'activity_task_scheduled'),
		event(1, 7, 'workflow_execution_signaled', 's-1-first'),
		event(1, 8, 'workflow_execution_signaled', 's-6'),
		event(1, 9, 'timer_started'),
		event(1, 10, 'workflow_task_started'),
		event(1, 11, 'workflow_task_failed', '', 10),
		event(1, 12, 'activity_task_completed', 'a-2', 6),
		event(1, 13, 'timer_fired', '', 9),
		event(1, 14, 'workflow_task_scheduled'),
		event(1, 15, 'workflow_task_started'),
		event(1, 16, 'workflow_task_completed', '', 15),
		event(1, 17, 'marker_recorded', 'd-5'),
		event(1, 18, 'workflow_execution_completed'),
		event(2, 1, 'workflow_execution_started'),
		event(2, 2, 'workflow_execution_terminated', 's-9'),
		event(5, 1, 'workflow_execution_started'),
		event(5, 2, 'workflow_execution_cancel_requested', 's-11'),
		event(5, 3, 'workflow_task_scheduled'),
		event(5, 4, 'workflow_task_started'),
		event(5, 5, 'workflow_task_completed', '', 4),
		event(5, 6, 'marker_recorded', 'd-8'),
		event(5, 7, 'workflow_execution_canceled') ]
};

my $dir = PostgreSQL::Test::Utils::tempdir();

sub verdict
{
	my ($lines, $end) = @_;
	my %log;

	foreach my $line (@$lines)
	{
		my ($client, $ms, @rest) = split / /, $line;

		$log{$client} .= join("\t", 1000 * $ms, @rest) . "\n";
	}
	unlink glob("$dir/*.log");
	append_to_file("$dir/$_.log", $log{$_}) foreach keys %log;
	return join("\n", judge_runs(read_history($dir), $end));
}

# One line is another.
sub changed
{
	my ($from, $to) = @_;

	die "no line \"$from\"" if !grep { $_ eq $from } @right;
	return [ map { $_ eq $from ? $to : $_ } @right ];
}

# A field of a run is another, or the run is gone.
sub run_is
{
	my ($run, $field, $value) = @_;
	my @rows = map { [@$_] } @{ $final->{runs} };

	return { %$final, runs => [ grep { $_->[0] != $run } @rows ], events => [ grep { $_->[0] != $run } @{ $final->{events} } ] }
	  if !defined $field;
	$_->[$field] = $value foreach grep { $_->[0] == $run } @rows;
	return { %$final, runs => \@rows };
}

# A field of an event is another; or, with no value, the event is gone and others close up.
sub event_is
{
	my ($run, $id, $field, $value) = @_;
	my @rows = map { [@$_] } @{ $final->{events} };

	if (!defined $field)
	{
		@rows = grep { $_->[0] != $run || $_->[1] != $id } @rows;
		$_->[1]-- foreach grep { $_->[0] == $run && $_->[1] > $id } @rows;
		$_->[4]-- foreach grep { $_->[0] == $run && $_->[4] ne '' && $_->[4] > $id } @rows;
	}
	else
	{
		$_->[$field] = $value foreach grep { $_->[0] == $run && $_->[1] == $id } @rows;
	}
	return { %$final, events => \@rows };
}

# Another event at the end of a run, or before that.
sub event_too
{
	my ($run, @event) = @_;
	my @own = grep { $_->[0] == $run } @{ $final->{events} };
	my @close = @{ pop @own };

	return { %$final,
		events => [ (grep { $_->[0] != $run } @{ $final->{events} }), @own, event($run, $close[1], @event), [ $run, $close[1] + 1, @close[ 2 .. 6 ] ] ] };
}

is(verdict(\@right, $final), '', 'what is right');
is(verdict(\@right, event_too(1, 'workflow_execution_signaled', 's-7')), '', 'what is unknown may be there');

foreach my $case (
	[ 'a run is lost', \@right, run_is(2), qr/run 2 .*is lost/ ],
	[ 'a run is open', \@right, run_is(5, 2, 'running'), qr/run 5 .*does not move/ ],
	[ 'a run of nobody', \@right, run_is(5, 1, 'x-1'), qr/nobody started "x-1"/ ],
	[ 'replay says no', \@right, run_is(5, 3, 'timers: 1'), qr/replay: timers: 1/ ],
	[ 'a workflow twice', \@right, run_is(5, 1, 's-2'), qr/"s-2" was started twice/ ],
	[ 'another workflow', \@right, run_is(5, 1, 's-4'), qr/is another workflow/ ],
	[ 'a signal is lost', \@right, event_is(1, 8), qr/s-6 is lost/ ],
	[ 'the first signal is lost', \@right, event_is(1, 7), qr/s-1-first is lost/ ],
	[ 'a signal twice', \@right, event_too(1, 'workflow_execution_signaled', 's-6'), qr/s-6 is there 2 times/ ],
	[ 'a signal that was taken back', \@right, event_too(1, 'workflow_execution_signaled', 's-8'), qr/s-8 is there 1 times/ ],
	[ 'a signal of another run', \@right, event_too(5, 'workflow_execution_signaled', 's-7'), qr/s-7 came to run 5/ ],
	[ 'a signal without its row', \@right, { %$final, sent => [] }, qr/s-6 and its row are not together/ ],
	[ 'a signal of nobody', \@right, event_too(1, 'workflow_execution_signaled', 'x-1'), qr/nobody gave it x-1/ ],
	[ 'a result is lost', \@right, event_is(1, 12), qr/a-2 is lost/ ],
	[ 'a step is lost', \@right, event_is(1, 5), qr/d-2 is lost/ ],
	[ 'a completed task is lost', \@right, event_is(1, 4, 2, 'workflow_task_timed_out'), qr/completed task is lost/ ],
	[ 'a failed task is lost', \@right, event_is(1, 11, 2, 'workflow_task_timed_out'), qr/failed task is lost/ ],
	[ 'a gap', \@right, event_is(1, 9, 1, 10), qr/event 10 where 9 is next/ ],
	[ 'a task has two ends', \@right, event_too(1, 'workflow_task_timed_out', '', 15), qr/event 15 \(task\) has two ends/ ],
	[ 'an activity has two ends', \@right, event_too(1, 'activity_task_timed_out', '', 6), qr/event 6 \(activity\) has two ends/ ],
	[ 'a timer fires twice', \@right, event_too(1, 'timer_fired', '', 9), qr/event 9 \(timer\) has two ends/ ],
	[ 'a timer of nobody', \@right, event_too(1, 'timer_fired', '', 90), qr/ends what nobody has begun/ ],
	[ 'a timer is early', \@right, event_is(1, 13, 5, 't'), qr/timer_fired \(event 13\) was early/ ],
	[ 'no start', \@right, event_is(5, 1), qr/begins with workflow_execution_cancel_requested/ ],
	[ 'no close', \@right, event_is(1, 18), qr/is completed, and ends with marker_recorded/ ],
	[ 'it goes on after the close', \@right, event_too(1, 'workflow_execution_completed'), qr/goes on after workflow_execution_completed/ ],
	[ 'no history', \@right, { %$final, events => [ grep { $_->[0] != 2 } @{ $final->{events} } ] }, qr/run 2 .*has no history/ ],
	[ 'another end', \@right, run_is(1, 2, 'failed'), qr/was closed, and is failed/ ],
	[ 'it was not terminated', \@right, run_is(2, 2, 'completed'), qr/run 2 .*is completed, terminate/ ],
	[ 'a cancel request is lost', \@right, event_is(5, 2), qr/a cancel request is lost/ ],
	[ 'back after deletion', \@right, run_is(2, 0, 3), qr/is back after its deletion/ ],
	[
		'handed out twice',
		changed('d 1540 6 ok poll_workflow row=1,2,t3,15,1,0,0 row=5,1,t5,4,0,0,1', 'd 1540 6 ok poll_workflow row=1,1,t3,10,1,0,0 row=5,1,t5,4,0,0,1'),
		$final, qr/task 10, attempt 1, was handed out twice/
	],
	[
		'a token twice',
		changed('d 1540 6 ok poll_workflow row=1,2,t3,15,1,0,0 row=5,1,t5,4,0,0,1', 'd 1540 6 ok poll_workflow row=1,2,t3,15,1,0,0 row=5,1,t3,4,0,0,1'),
		$final, qr/a token was given twice/
	],
	[
		'an old token', changed('d 1580 7 failed complete_workflow state=TQ001', 'd 1580 7 ok complete_workflow row=,f'),
		$final, qr/an old token was accepted/
	],
	[
		'a token accepted twice', changed('d 1580 7 failed complete_workflow state=TQ001', 'd 1580 7 ok complete_workflow row=,f'),
		$final, qr/a token was accepted twice/
	],
	[
		'a good token refused', changed('d 1600 8 ok complete_workflow row=,t', 'd 1600 8 failed complete_workflow state=TQ001'),
		$final, qr/a token was refused early/
	],
	[
		'a refused step is there', changed('d 1330 2 ok complete_workflow row=,f', 'd 1330 2 ok complete_workflow row=BAD,f'),
		$final, qr/d-2 is there 1 times/
	],
	[
		'an end changes', changed('s 4010 12 ok outcome row=completed,d-5', 's 4010 12 ok outcome row=failed,'),
		$final, qr/was seen failed, and is completed/
	],
	[
		'open after its end', changed('s 4030 13 ok outcome row=terminated,', 's 4030 13 ok outcome row=running,'),
		$final, qr/was seen open after it was closed/
	],
	[
		'not to be found', changed('s 4030 13 ok outcome row=terminated,', 's 4030 13 failed outcome state=TQ001'),
		$final, qr/could not be found/
	])
{
	my ($name, $lines, $end, $problem) = @$case;

	like(verdict($lines, $end), $problem, $name);
}

done_testing();
