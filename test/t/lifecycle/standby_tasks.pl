# A standby: activities can be read, every call that writes is refused with
# 25006. Promoted, it is a server like any other: a worker starts, timers of
# before and after fire, tokens from the old primary are valid.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Taskq;
use TaskqTest;
use Test::More;

my $primary = PostgreSQL::Test::Cluster->new('primary');
$primary->init(allows_streaming => 1);
$primary->append_conf('postgresql.conf',
	"shared_preload_libraries = 'taskq'\ntaskq.heartbeat_flush = '100ms'");
$primary->start;
sql($primary, 'CREATE EXTENSION taskq');
$primary->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'backup', has_streaming => 1);
$standby->start;

my $once = 'retry_policy => taskq.retry_policy(maximum_attempts => 1)';
my $open = schedule($primary, 'open', "activity_id => 'a'");
my ($held, $token) = start($primary, 'held', "input => '{\"n\": 1}'");
my ($closed, $closed_token) = start($primary, 'closed', "activity_id => 'c'");
sql($primary, "SELECT taskq.heartbeat('$token', '7')");
sql($primary, "SELECT taskq.complete('$closed_token', '{\"sum\": 3}')");
my $rows = 'SELECT * FROM taskq.activities ORDER BY run_id';

sub workflow
{
	my ($id) = @_;

	return split /\|/, sql($primary, "SELECT FROM taskq.start_workflow('$id', 'w', workflow_id => '$id', task_timeout => '2 min');
		SELECT run_id, task_token FROM taskq.poll_workflow_task('$id')") =~ s/^\n//r;
}
my ($run, $task) = workflow('stepped');
my ($waiting, $first_task) = workflow('waiting');
my ($ended, $last_task) = workflow('ended');
sql($primary,
	"SELECT failed_cause FROM taskq.complete_workflow_task('$first_task', jsonb_build_array(taskq.command_start_timer('far', '1 h'),
		taskq.command_start_timer('near', '4 s'), taskq.command_schedule_activity('act', start_to_close_timeout => '1 h', activity_id => 'act', task_queue => 'acts')));
	 SELECT failed_cause FROM taskq.complete_workflow_task('$last_task', jsonb_build_array(taskq.command_complete('3')))");

wait_for_flush($primary);
$primary->wait_for_catchup($standby);
is(sql($standby, $rows), sql($primary, $rows),
	'the view shows on the standby what it shows on the primary');
is( sql($standby, "SELECT status, result FROM taskq.outcome($closed)"),
	'completed|{"sum": 3}', 'outcome() of a closed activity');
is( sql($standby, "SELECT status, result FROM taskq.outcome($open)"),
	'running|', 'outcome() of an open one');
is( sql($standby, "SELECT run_id, run_state FROM taskq.describe('a')"),
	"$open|scheduled", 'describe() by id');
is( sql($standby, "SELECT status FROM taskq.describe('c')"),
	'completed', 'describe() of a closed activity');
is(sqlstate($standby, "SELECT taskq.describe('x')"),
	'TQ001', 'describe() of none');

for my $reading ('SELECT * FROM taskq.workflows ORDER BY run_id', 'SELECT * FROM taskq.workflow_events ORDER BY run_id, event_id', 'SELECT * FROM taskq.workflow_timers ORDER BY timer_id',
	"SELECT * FROM taskq.workflow_history($waiting)", "SELECT * FROM taskq.workflow_outcome(workflow_id => 'ended')", "SELECT taskq.workflow_run('waiting'), taskq.pending_activity('waiting', 'act')",
	"SELECT taskq.describe_workflow('waiting')", "SELECT taskq.replay($waiting), taskq.replay($ended), taskq.replay($run)")
{
	my ($there, $here);

	# a timer may fire in between, once
	do
	{
		$there = sql($primary, $reading);
		$primary->wait_for_catchup($standby);
		$here = sql($standby, $reading);
	} while ($there ne sql($primary, $reading));
	isnt($there, '', 'there is something to read');
	is($here, $there, "on a standby: $reading");
}
is(sqlstate($standby, "CALL taskq.wait_for_workflow('ended')"), '25006', 'nobody waits for a workflow there');

my $execution = '"workflowExecution": {"workflowId": "waiting"}';
my @writing = (
	"start_workflow('q', 'w')",
	q(start_workflow_request('{"workflowId": "x", "workflowType": {"name": "w"}, "taskQueue": {"name": "q"}}')),
	"signal_with_start_workflow('q', 'w', signal_name => 's')",
	"signal_workflow('waiting', 's')",
	qq(signal_workflow_request('{$execution, "signalName": "s"}')),
	"request_cancel_workflow('waiting')",
	"request_cancel_workflow_request('{$execution}')",
	"terminate_workflow('waiting')",
	"terminate_workflow_request('{$execution}')",
	"delete_workflow('ended')",
	"poll_workflow_task('waiting')",
	"complete_workflow_task('$task', '[]')",
	qq(complete_workflow_tasks(ARRAY['{"task_token": "$task", "commands": []}'::jsonb])),
	"fail_workflow_task('$task', 'WORKFLOW_TASK_FAILED_CAUSE_UNSPECIFIED')",
	"release_workflow_task('$task')",
	"worker_gone('sticky')",
	"reset_sticky('waiting')",
	"schedule('q', 't', start_to_close_timeout => '1 h')",
	"schedule_many('q', 't', ARRAY['1']::jsonb[], start_to_close_timeout => '1 h')",
	"poll('open')",
	"complete('$token')",
	"fail('$token')",
	"report_canceled('$token')",
	"heartbeat('$token')",
	"complete_by_id('a')",
	"fail_by_id('a')",
	"fail_with_by_id('a')",
	"report_canceled_by_id('a')",
	"heartbeat_by_id('a')",
	"complete_many(ARRAY['$token']::uuid[])",
	"fail_many(ARRAY['$token']::uuid[])",
	"heartbeat_many(ARRAY['$token']::uuid[])",
	"complete_and_poll(ARRAY['$token']::uuid[], NULL, 'open')",
	"request_cancel('a')",
	"terminate('a')",
	"pause('a')",
	"unpause('a')",
	"reset('a')",
	"update_options('a', options => '{\"priority\": 1}')",
	"delete('a')",
	"retry($closed)",
	"channel('q')",
	"worker_channel('w')");
is(sqlstate($standby, "SELECT taskq.$_"), '25006', "on a standby: $_")
  for @writing;
is(sqlstate($primary, "BEGIN READ ONLY; SELECT taskq.$_"),
	'25006', "READ ONLY on the primary: $_")
  for grep { !/channel/ } @writing;
is( sqlstate($primary,
		"BEGIN READ ONLY; SELECT taskq.describe('a'), taskq.outcome($open); SELECT FROM taskq.activities"
	),
	'ok',
	'READ ONLY: reading');

# timers that are due after the promotion, before, and long before
start($primary, "timer $_", "start_to_close_timeout => '$_', $once")
  for '100 ms', '3 s';
schedule($primary, 'timer unpolled', "schedule_to_start_timeout => '3 s'");
start($primary, 'timer silent', "heartbeat_timeout => '3 s', $once");
$primary->wait_for_catchup($standby);
$primary->stop('immediate');
$standby->promote;
ok(wait_served($standby, 'postgres'), 'promoted, the standby has a worker');
ok( $standby->poll_query_until(
		'postgres',
		"SELECT count(*) = 4 FROM taskq.activities
		  WHERE task_queue LIKE 'timer%' AND status = 'timed_out'"),
	'timers fire');
is( sql($standby,
		"SELECT count(*) FROM taskq.activities WHERE task_queue LIKE 'timer%'
			AND close_time < coalesce(last_started_time, schedule_time)
			  + least(start_to_close_timeout, schedule_to_start_timeout, heartbeat_timeout)"
	),
	0,
	'none of them early');
my ($new) = start($standby, 'new', "start_to_close_timeout => '300 ms', $once");
ok($new > $held, 'run ids go on');
ok(wait_for_activity($standby, $new, "status = 'timed_out'"),
	'new timers fire');
is(sqlstate($standby, "SELECT taskq.complete('$token', '1')"),
	'ok', 'a token from the old primary is valid');
ok( $standby->poll_query_until('postgres', "SELECT count(*) = 1 FROM taskq.workflow_events WHERE run_id = $waiting AND event_type = 'timer_fired'"),
	'a timer of a workflow fires');
is( sql($standby, "SELECT failed_cause, closed FROM taskq.complete_workflow_task('$task', jsonb_build_array(taskq.command_complete('1')))"),
	'|t', 'the token of a workflow task is valid');
is( sql($standby, "SELECT taskq.complete(task_token) FROM taskq.poll('acts'); SELECT run_id FROM taskq.poll_workflow_task('waiting')"),
	"\n$waiting", 'workflows go on');
is(sql($standby, 'SELECT bool_and(taskq.replay(run_id)) FROM taskq.workflows'), 't', 'and are what their histories say');
is(sql($standby, "SELECT run_id FROM taskq.poll('open')"),
	$open, 'what was scheduled there is handed out');

done_testing();
