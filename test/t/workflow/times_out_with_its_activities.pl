# A run whose time is over and activities of it whose time was over before may be seen to by
# one transaction of the worker, such as after a restart. Then the run is told of the activities
# before it is closed, and nothing is left in its inbox.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Taskq;
use TaskqTest;
use Test::More;

my $node = activity_node('main');
my $activity = q{taskq.command_schedule_activity('A', start_to_close_timeout => '1 h', retry_policy => taskq.retry_policy(maximum_attempts => 1))};

sql($node, "SELECT FROM generate_series(1, 20) i, taskq.start_workflow('w' || i, 'W', workflow_id => 'w' || i, run_timeout => '1 day')");
sql($node, "SELECT FROM generate_series(1, 20) i, taskq.poll_workflow_task('w' || i) t, taskq.complete_workflow_task(t.task_token, jsonb_build_array($activity, $activity))");
is(sql($node, "SELECT count(*) FROM generate_series(1, 20) i, taskq.poll('w' || i, max_tasks => 2)"), '40', 'activities that somebody works on');

$node->stop;
$node->append_conf('postgresql.conf', "taskq.clock_offset = '2d'");
$node->start;
ok($node->poll_query_until('postgres', "SELECT count(*) = 20 FROM taskq.workflows WHERE status = 'timed_out'"), 'all is over, and their runs');
is(sql($node, "SELECT DISTINCT events FROM (SELECT string_agg(event_type, ' ' ORDER BY event_id) AS events FROM taskq.workflow_events WHERE event_id > 6 GROUP BY run_id) r"),
	'activity_task_started activity_task_started activity_task_timed_out activity_task_timed_out workflow_task_scheduled workflow_execution_timed_out', 'they were told');
is(sql($node, 'SELECT count(*) FROM taskq.run_inbox'), '0', 'nothing is left');
is(sql($node, 'SELECT bool_and(taskq.replay(run_id)) FROM taskq.workflows'), 't', 'the runs are what their histories say');

done_testing();
