# An attempt at a workflow task that runs for longer than taskq.arm_after has its time-out
# in the row of its run.  Whatever is done to the run meanwhile leaves it there.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use TaskqTest;
use Test::More;

my $node = activity_node('main', "taskq.arm_after = '50 ms'");
my @done = (
	q{SELECT 'nothing'},
	q{SELECT taskq.reset_sticky('%s')},
	q{SELECT taskq.signal_workflow('%s', 's')},
	q{BEGIN; SELECT taskq.signal_workflow('%s', 's'); COMMIT},
	q{SELECT taskq.request_cancel_workflow('%s')},
	q{SELECT taskq.worker_gone('%s')},
	q{SELECT taskq.complete(task_token) FROM taskq.poll('%s')},
	q{SELECT taskq.pause(run_id => run_id) FROM taskq.activities WHERE task_queue = '%s'},
	q{SELECT run_id FROM taskq.start_workflow('q', 'T', workflow_id => '%s', id_conflict_policy => 'use_existing', request_id => 'r')},
	q{SELECT count(*) FROM taskq.describe_workflow('%s')});

# Of two runs with an attempt in progress: one has an activity and a timer, too, the other has not.
# One thing is done at a time, since much of what happens makes the worker look at all runs.
for my $i (0 .. $#done)
{
	my @runs = map { "$_$i" } 'with', 'without';

	sql($node, qq{
		SELECT count(*) FROM unnest('{@{[ join ',', @runs ]}}'::text[]) w, taskq.start_workflow('q', 'T', workflow_id => w, task_timeout => '2 s');
		SELECT count(c) FROM taskq.poll_workflow_task('q', max_tasks => 2) p, taskq.complete_workflow_task(p.task_token,
			CASE WHEN p.workflow_id LIKE 'without%' THEN '[]' ELSE jsonb_build_array(
				taskq.command_schedule_activity('t', task_queue => p.workflow_id, start_to_close_timeout => '1 h'),
				taskq.command_start_timer('timer', '1 h')) END, force_new_task => true) c;
		SELECT count(*) FROM taskq.poll_workflow_task('q', max_tasks => 2)});
	$node->poll_query_until('postgres', "SELECT count(*) = 2 FROM taskq.open WHERE scope = -1 AND alarm < now() + '1 min'")
	  or die 'time-outs do not come into the rows';
	sql($node, sprintf $done[$i], $_) for @runs;
	ok($node->poll_query_until('postgres', "SELECT (pending_task).state = 'scheduled' FROM taskq.workflows WHERE workflow_id = '$_'"),
		"$_: the task times out after $done[$i]")
	  for @runs;
	sql($node, "SELECT taskq.terminate_workflow('$_')") for @runs;
}

done_testing();
