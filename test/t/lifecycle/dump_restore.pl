# pg_dump and pg_restore, in whatever format, while workers work, keep open and
# closed activities and workflows: a token from the old database completes in the new one,
# timers fire there, run ids go on, who had access has it.  So does pg_dumpall.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Taskq;
use TaskqTest;
use Test::More;

my $node = activity_node('main', "taskq.heartbeat_flush = '100ms'", 'max_worker_processes = 20');
my $once = 'retry_policy => taskq.retry_policy(maximum_attempts => 1)';
my $dump = $node->basedir . '/dump';
my $rows = 'SELECT * FROM taskq.activities ORDER BY run_id';

sub in_copy
{
	my ($database, $statement) = @_;

	return $node->safe_psql($database, $statement);
}

sql($node, q(CREATE ROLE grantee; SELECT taskq.grant_access('grantee', 'worker')));

my $scheduled = schedule($node, 'scheduled', "activity_id => 'a'");
my ($held, $token) = start($node, 'held',
	"input => '{\"n\": [1, \"x\"]}', header => '{\"h\": null}', summary => 'sum', search_attributes => '{\"k\": 1}', retry_policy => taskq.retry_policy(initial_interval => '5 s', non_retryable_error_types => ARRAY['a', 'b']), priority => 1, fairness_key => 'f', fairness_weight => 2.5");
my ($closed, $closed_token) = start($node, 'closed', "activity_id => 'c', request_id => 'r'");
my ($failed, $failed_token) = start($node, 'failed');
my $paused = schedule($node, 'paused', "start_delay => '1 h', schedule_to_close_timeout => '2 h'");
sql($node,
	"SELECT taskq.heartbeat('$token', '{\"at\": 7}');
	 SELECT taskq.complete('$closed_token', '{\"sum\": 3}');
	 SELECT taskq.fail('$failed_token', 'no', 'x', '[1]', next_retry_delay => '1 h');
	 SELECT taskq.pause(run_id => $paused, reason => 'because')");

# with timers that are due when it has been restored
my @timers = (
	schedule($node, 'unpolled', "schedule_to_start_timeout => '1 s'"),
	(start($node, 'running', "start_to_close_timeout => '1 s', $once"))[0],
	(start($node, 'silent', "heartbeat_timeout => '1 s', $once"))[0]);
my $uuid = sql($node, "SELECT taskq.run_uuid($held)");

# Workflows: one with a started task and a signal that waits for its end, one that waits for
# an activity and a timer, one with a task nobody has taken, a closed one.
sub workflow
{
	my ($id) = @_;

	return split /\|/, sql($node, "SELECT FROM taskq.start_workflow('$id', 'w', '{\"in\": 1}', workflow_id => '$id', memo => '{\"m\": 1}', task_timeout => '2 min');
		SELECT run_id, task_token FROM taskq.poll_workflow_task('$id')") =~ s/^\n//r;
}
my ($stepped, $task) = workflow('stepped');
my ($waiting, $first_task) = workflow('waiting');
my ($ended, $last_task) = workflow('ended');
sql($node,
	"BEGIN; SELECT taskq.signal_workflow('stepped', 'mail', '1', request_id => 'r'); COMMIT;
	 SELECT failed_cause FROM taskq.complete_workflow_task('$first_task', jsonb_build_array(taskq.command_start_timer('due', '1 s'),
		taskq.command_start_timer('far', '1 h'), taskq.command_schedule_activity('act', '5', start_to_close_timeout => '1 h', activity_id => 'a', task_queue => 'acts')));
	 SELECT failed_cause FROM taskq.complete_workflow_task('$last_task', jsonb_build_array(taskq.command_complete('3')));
	 SELECT FROM taskq.start_workflow('untaken', 'w', workflow_id => 'untaken')");
my $workflows = "SELECT run_id, workflow_id, workflow_type, task_queue, status, start_time, close_time, memo, result, pending_activities, pending_task FROM taskq.workflows
	WHERE workflow_id <> 'waiting' ORDER BY run_id";
my $events = "SELECT * FROM taskq.workflow_events WHERE run_id <> $waiting OR event_id <= 7 ORDER BY run_id, event_id";
my $workflow_uuid = sql($node, "SELECT taskq.run_uuid($stepped)");
my ($workflows_before, $events_before) = (sql($node, $workflows), sql($node, $events));
like($events_before, qr/timer_started/, 'there are histories');
my $before = sql($node, $rows);
wait_for_flush($node);

# Somebody works all the time.
my $load = PostgreSQL::Test::Utils::tempdir() . '/load.sql';
append_to_file($load, <<'SQL');
SELECT taskq.schedule('load', 't', start_to_close_timeout => '1 h');
SELECT taskq.complete(task_token) FROM taskq.poll('load');
SQL
my $working = IPC::Run::start(
	[ 'pgbench', '-n', '-c', '2', '-T', '600', '-R', '200', '-f', $load, '-d', $node->connstr('postgres') ],
	'>', \my $ignored, '2>', \my $errors);
$node->poll_query_until('postgres', "SELECT count(*) > 0 FROM taskq.activities WHERE task_queue = 'load'");

# How it gets from one database to another.
my %ways = (
	custom => [ [qw(pg_dump -Fc -f)], [qw(pg_restore --exit-on-error -d)] ],
	parallel => [ [qw(pg_dump -Fd -j 2 -f)], [qw(pg_restore --exit-on-error -j 2 -d)] ],
	plain => [ [qw(pg_dump -Fp -f)], [qw(psql -Xq -o /dev/null -v ON_ERROR_STOP=1 -d)], '-f' ],
	data_only => [ [qw(pg_dump -Fc --data-only -f)], [qw(pg_restore --exit-on-error --data-only -d)] ]);

for my $way (sort keys %ways)
{
	$node->command_ok([ @{ $ways{$way}[0] }, "$dump.$way", $node->connstr('postgres') ], "$way: dumped");
}
$working->signal('TERM');		# INT may be ignored
$working->finish;
unlike($errors, qr/error|abort/, 'who works meanwhile does not notice');

my @served = ('postgres');
for my $database (sort keys %ways)
{
	my (undef, $restore, @from) = @{ $ways{$database} };

	$node->safe_psql('postgres', "CREATE DATABASE $database TEMPLATE template0");
	$node->safe_psql($database, 'CREATE EXTENSION taskq') if $database eq 'data_only';
	$node->command_ok([ @$restore, $node->connstr($database), @from, "$dump.$database" ], "$database: restored");
	push @served, $database;
	ok(wait_served($node, @served), "$database: it has a worker");
	is( in_copy($database, "SELECT has_function_privilege('grantee', 'taskq.heartbeat(uuid, jsonb, text)', 'EXECUTE')"),
		't', "$database: access is as it was") if $database ne 'data_only';
	is( in_copy($database, "SELECT * FROM taskq.activities WHERE run_id <= $paused ORDER BY run_id"),
		join("\n", grep { (split /\|/)[0] <= $paused } split /\n/, $before),
		"$database: what is open and closed is the same");
	ok( $node->poll_query_until(
			$database,
			"SELECT count(*) = 3 FROM taskq.activities WHERE status = 'timed_out'"),
		"$database: timers fire, whatever the worker knew when the rows came");

	is(in_copy($database, $workflows), $workflows_before, "$database: workflows are the same");
	is(in_copy($database, $events), $events_before, "$database: so are their histories");
	is(in_copy($database, "SELECT taskq.run_uuid($stepped)"), $workflow_uuid, "$database: and the uuids of runs");
	ok( $node->poll_query_until($database, "SELECT count(*) = 1 FROM taskq.workflow_events WHERE run_id = $waiting AND event_type = 'timer_fired'"),
		"$database: a workflow's timer fires");
	is( in_copy($database, "SELECT count(*) FROM taskq.workflow_timers WHERE timer_id = 'far'"), 1, "$database: another waits");
	in_copy($database, "SELECT taskq.complete(task_token, '6') FROM taskq.poll('acts') WHERE input = '5'");
	is( in_copy($database, "SELECT run_id, (SELECT string_agg(e->>'eventType', ' ') FROM json_array_elements(history) e WHERE (e->>'eventId')::int > 7) FROM taskq.poll_workflow_task('waiting')"),
		"$waiting|EVENT_TYPE_TIMER_FIRED EVENT_TYPE_WORKFLOW_TASK_SCHEDULED EVENT_TYPE_ACTIVITY_TASK_STARTED EVENT_TYPE_ACTIVITY_TASK_COMPLETED EVENT_TYPE_WORKFLOW_TASK_STARTED",
		"$database: its activity is done, and its worker told");
	is( in_copy($database, "SELECT taskq.signal_workflow('stepped', 'mail', '1', request_id => 'r'), failed_cause, closed FROM taskq.complete_workflow_task('$task', '[]')"),
		'||f', "$database: the token of a workflow task is valid");
	is( in_copy($database, "SELECT count(*) FROM taskq.workflow_events WHERE run_id = $stepped AND event_type = 'workflow_execution_signaled'"),
		1, "$database: mail of before arrives, once");
	is(in_copy($database, "SELECT run_id FROM taskq.poll_workflow_task('untaken')") > $ended, 1, "$database: workflow tasks are handed out");
	is( in_copy($database, "SELECT bool_and(taskq.replay(run_id)) FROM taskq.workflows"),
		't', "$database: all runs are what their histories say");
	is( in_copy($database, "SELECT status, result FROM taskq.workflow_outcome(workflow_id => 'ended')"),
		'completed|3', "$database: a closed one has its result");
	ok( in_copy($database, "SELECT run_id FROM taskq.start_workflow('new', 'w', workflow_id => 'ended')") > $ended,
		"$database: new ones can be started");

	in_copy($database, "SELECT taskq.complete('$token', '1')");
	is( in_copy($database, "SELECT status, result, heartbeat_details FROM taskq.describe(run_id => $held)"),
		'completed|1|{"at": 7}',
		"$database: a token from the old database is valid");
	is( in_copy($database, "SELECT taskq.run_of('$uuid')"),
		$held, "$database: so is the uuid of a run");
	is( in_copy($database, "SELECT run_id FROM taskq.poll('scheduled')"),
		$scheduled, "$database: tasks are handed out");
	is( in_copy($database,
			"SELECT run_id, created FROM taskq.schedule('q', 't', activity_id => 'c', request_id => 'r', start_to_close_timeout => '1 h')"
		),
		"$closed|f",
		"$database: request ids are known");
	ok( in_copy($database,
			"SELECT run_id FROM taskq.schedule('q', 't', activity_id => 'c', start_to_close_timeout => '1 h')"
		) > $timers[-1],
		"$database: run ids go on");
	in_copy($database, "SELECT taskq.unpause(run_id => $paused, skip_backoff => true)");
	is( in_copy($database, "SELECT run_id FROM taskq.poll('paused')"),
		$paused, "$database: paused ones can go on");
}
is(sqlstate($node, "SELECT taskq.complete('$token', '1')"),
	'ok', 'the old database has its own');

# the extension without activities, and a schema without data
$node->safe_psql('postgres', 'CREATE DATABASE empty TEMPLATE template0');
$node->safe_psql('empty', 'CREATE EXTENSION taskq');
$node->command_ok(
	[ 'pg_dump', '-Fc', '-f', $dump, $node->connstr('empty') ],
	'pg_dump of an empty installation');
$node->safe_psql('postgres', 'CREATE DATABASE empty_copy TEMPLATE template0; CREATE DATABASE schema_copy TEMPLATE template0');
$node->command_ok(
	[ 'pg_restore', '--exit-on-error', '-d', $node->connstr('empty_copy'), $dump ],
	'its pg_restore');
is( $node->safe_psql(
		'empty_copy',
		"SELECT run_id FROM taskq.schedule('q', 't', start_to_close_timeout => '1 h')"
	),
	1,
	'it starts with run id 1');

$node->command_ok([ 'pg_dump', '--schema-only', '-f', "$dump.schema", $node->connstr('postgres') ], 'pg_dump of the schema');
$node->command_ok([ qw(psql -Xq -o /dev/null -v ON_ERROR_STOP=1 -d), $node->connstr('schema_copy'), '-f', "$dump.schema" ], 'is restored');
is( $node->safe_psql('schema_copy', "SELECT run_id FROM taskq.schedule('q', 't', start_to_close_timeout => '1 h')"),
	1, 'without any activity');

# all databases at once, into another server
$node->command_ok([ qw(pg_dumpall --no-role-passwords -f), "$dump.all", '-d', $node->connstr('postgres') ], 'pg_dumpall');
my $other = taskq_node('other', 'max_worker_processes = 20');
$other->command_ok([ qw(psql -Xq -o /dev/null -d), $other->connstr('postgres'), '-f', "$dump.all" ], 'is restored');
ok(wait_served($other, @served, qw(empty empty_copy schema_copy)), 'each database has a worker there');
is( $other->safe_psql('postgres', 'SELECT count(*) FROM taskq.activities'),
	sql($node, 'SELECT count(*) FROM taskq.activities'), 'what is open and closed is there');
is( $other->safe_psql('postgres', 'SELECT count(*), sum(history_length), bool_and(taskq.replay(run_id)) FROM taskq.workflows'),
	sql($node, 'SELECT count(*), sum(history_length), true FROM taskq.workflows'), 'and workflows');
is($other->safe_psql('postgres', "SET ROLE grantee; SELECT run_id FROM taskq.poll('scheduled')"), $scheduled, 'who had access has it');

done_testing();
