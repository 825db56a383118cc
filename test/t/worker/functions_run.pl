# Functions that run as activities: as whom, in what session, what becomes of what
# they do, and how they are stopped.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Taskq;
use TaskqTest;
use Test::More;

my $node = activity_node('main', "log_min_messages = 'log'");

sql($node, <<'SQL');
CREATE ROLE app LOGIN;
CREATE ROLE other;
GRANT other TO app;
CREATE SCHEMA app AUTHORIZATION app;
SELECT taskq.grant_access('app', 'developer'), taskq.grant_access('app', 'producer');
SET ROLE app;
CREATE TABLE app.effects (what text, session name, who name DEFAULT current_user);
CREATE FUNCTION app.note(what text) RETURNS void LANGUAGE sql AS 'INSERT INTO app.effects VALUES (what, session_user)';
SQL

# A function of app, registered for an activity type of its name.
sub define
{
	my ($name, $body, $signature, $returns) = @_;

	$signature //= 'jsonb';
	$returns //= 'jsonb';
	my $argument = $signature eq '' ? '' : 'input jsonb';
	sql($node, "SET ROLE app;
		CREATE OR REPLACE FUNCTION app.$name($argument) RETURNS $returns LANGUAGE plpgsql AS \$f\$ $body \$f\$;
		SELECT taskq.register_function('$name', 'app.$name($signature)', 'functions')");
	return;
}

# The status of a new run once it is closed, and what it has returned or failed with.
sub outcome
{
	my ($type, $input, $options) = @_;

	$options //= 'retry_policy => taskq.retry_policy(maximum_attempts => 1)';
	my $run = sql($node, "SELECT run_id FROM taskq.schedule('functions', '$type', " . (defined $input ? "'$input'" : 'NULL')
		. ", start_to_close_timeout => '1 min', $options)");
	return wait_for($run);
}

sub wait_for
{
	my ($run) = @_;

	return sql($node, "CALL taskq.wait_for_close($run, '60 s') \\g /dev/null
		SELECT status, coalesce(result #>> '{}', failure ->> 'type', failure ->> 'timeout_type', failure ->> 'kind') FROM taskq.activities WHERE run_id = $run");
}

sub schedule_function
{
	my ($type, $options) = @_;

	return sql($node, "SELECT run_id FROM taskq.schedule('functions', '$type', start_to_close_timeout => '1 min',
		retry_policy => taskq.retry_policy(maximum_attempts => 1)" . ($options // '') . ')');
}

# Arguments and results.
define('one', 'BEGIN PERFORM app.note($$one$$); RETURN input; END');
is(outcome('one', '{"a": 1}'), 'completed|{"a": 1}', 'jsonb to jsonb');
is(outcome('one'), 'completed|', 'no input, no result');
define('nothing', 'BEGIN PERFORM app.note($$nothing$$); END', '', 'void');
is(outcome('nothing', '1'), 'completed|', 'no argument, void');
is(sql($node, 'SELECT string_agg(DISTINCT concat_ws($$ $$, session, who), $$,$$) FROM app.effects'), 'app app', 'it is a session of the role');
is(outcome('unknown'), 'failed|42883', 'a type without a function');

# A trigger that is deferred fires as that role too, not as who runs the server.
sql($node, 'SET ROLE app; CREATE TABLE app.deferred (i int);
	CREATE FUNCTION app.fires() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM app.note($a$deferred$a$); RETURN NEW; END $$;
	CREATE CONSTRAINT TRIGGER t AFTER INSERT ON app.deferred INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION app.fires()');
define('defers', 'BEGIN INSERT INTO app.deferred VALUES (1); RETURN 1; END');
is(outcome('defers'), 'completed|1', 'a deferred trigger');
is(sql($node, q(SELECT session, who FROM app.effects WHERE what = 'deferred')), 'app|app', '... fires as the role');

# What is left in the session is gone before the next task.
define('leaves', <<'BODY');
BEGIN
	SET work_mem = '1MB';
	SET ROLE other;
	CREATE TEMP TABLE left_behind (i int);
	PERFORM pg_advisory_lock(4711), set_config('app.x', 'y', false);
	RETURN pg_backend_pid();
END
BODY
sql($node, 'GRANT USAGE ON SCHEMA taskq TO other; GRANT TEMP ON DATABASE postgres TO other');
define('finds', q(BEGIN RETURN to_jsonb(concat_ws(' ', current_user, session_user, to_regclass('pg_temp.left_behind'), nullif(current_setting('app.x', true), ''),
	(SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'), current_setting('work_mem'))); END));
like(outcome('leaves'), qr/^completed\|\d+$/, 'it leaves settings, a role, a table, a lock');
is(outcome('finds'), 'completed|app app 0 4MB', '... which the next one does not find');

# Failures.
define('fails', q(BEGIN PERFORM app.note('failed'); RAISE EXCEPTION 'no %', 'way' USING ERRCODE = 'P0042', DETAIL = 'd', HINT = 'h'; END));
is(outcome('fails'), 'failed|P0042', 'an error is a failure of its SQLSTATE');
is(sql($node, q(SELECT failure ->> 'message', failure -> 'details' ->> 'detail', failure -> 'details' ->> 'hint', failure ->> 'stack_trace' LIKE '%PL/pgSQL function fails%'
	FROM taskq.activities WHERE activity_type = 'fails')), 'no way|d|h|t', '... with all that it says');
is(sql($node, q(SELECT count(*) FROM app.effects WHERE what = 'failed')), '0', '... and what it has done is undone');
my $log = slurp_file($node->logfile);
like($log, qr/LOG: .*taskq function failed: activity type "fails", run \d+, attempt 1, SQLSTATE P0042/, 'one line in the log');
unlike($log, qr/no way/, '... without the message');
define('for_good', q(BEGIN RAISE EXCEPTION 'x' USING ERRCODE = 'TQ020'; END));
is(outcome('for_good', undef, q(retry_policy => NULL)), 'failed|TQ020', 'TQ020: not tried again');
define('commits', 'BEGIN COMMIT; RETURN 1; END');
is(outcome('commits'), 'failed|2D000', 'COMMIT inside');
define('too_large', q(BEGIN RETURN to_jsonb(repeat('x', 3000000)); END));
is(outcome('too_large', undef, q(retry_policy => NULL)), 'failed|TQ020', 'a result that is too large, not tried again');

# Tries that need no attempt of their own, and tries that do.
sql($node, 'SET ROLE app; CREATE SEQUENCE app.tries');
define('again', q(BEGIN IF nextval('app.tries') < 4 THEN RAISE EXCEPTION 'x' USING ERRCODE = '40001'; END IF; PERFORM app.note('again'); RETURN 1; END));
is(outcome('again'), 'completed|1', 'serialization failures: again at once');
is(sql($node, q(SELECT attempt FROM taskq.activities WHERE activity_type = 'again')) . sql($node, q(SELECT count(*) FROM app.effects WHERE what = 'again')), '11', '... in the same attempt, with one effect');
define('never', q(BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '40P01'; END));
is(outcome('never'), 'failed|40P01', '... not for ever');
define('snoozes', q(BEGIN IF (taskq.current_task()).run_id % 2 >= 0 AND nextval('app.tries') < 12 THEN RAISE EXCEPTION 'x' USING ERRCODE = 'TQ021', DETAIL = '10 ms'; END IF; RETURN 2; END));
sql($node, q(SELECT setval('app.tries', 10)));
is(outcome('snoozes'), 'completed|2', 'TQ021: handed back, and later');
is(sql($node, q(SELECT attempt FROM taskq.activities WHERE activity_type = 'snoozes')), '1', '... which counts as no attempt');

# What it runs as, and heartbeats.
define('asks', q(DECLARE t taskq.activity_task = taskq.current_task(); BEGIN RETURN to_jsonb(concat_ws(' ', t.activity_type, t.task_queue, t.input, t.attempt)); END));
is(outcome('asks', '5'), 'completed|asks functions 5 1', 'current_task');
is(sql($node, 'SELECT taskq.current_task() IS NULL'), 't', '... is NULL elsewhere');
is(sqlstate($node, 'SELECT taskq.record_heartbeat()'), '55000', 'record_heartbeat elsewhere');
define('too_much', q(BEGIN PERFORM taskq.record_heartbeat(to_jsonb(repeat('x', 9000))); RETURN 1; END));
is(outcome('too_much'), 'failed|22023', 'details that are too large');
define('beats', q(BEGIN PERFORM taskq.record_heartbeat(to_jsonb(repeat('x', 5000))); PERFORM pg_advisory_xact_lock(1); RAISE EXCEPTION 'x'; END));
my $locker = $node->background_psql('postgres');
$locker->query_safe('SELECT pg_advisory_lock(1)');
my $run = schedule_function('beats', ", heartbeat_timeout => '1 min'");
ok(wait_for_activity($node, $run, 'total_heartbeat_count = 1 AND length(heartbeat_details::text) > 5000'), 'a heartbeat is seen while the transaction is open');
is(sql($node, "SELECT taskq.update_options(run_id => $run, options => '{\"priority\": 2}') ->> 'priority'"), '2', '... and holds nobody up');
$locker->query_safe('SELECT pg_advisory_unlock(1)');
like(wait_for($run), qr/failed/, '... then it fails');
is(activity($node, $run, 'total_heartbeat_count, length(heartbeat_details::text) > 5000'), '1|t', '... and it is not undone');

# Stopping, each in its way, of what would run for ever.
define('loops', q(BEGIN PERFORM app.note('looped'); LOOP PERFORM taskq.record_heartbeat(); END LOOP; END));
define('sleeps', q(BEGIN PERFORM app.note('slept'); PERFORM pg_sleep(1000); RETURN 1; END));

sub stopped
{
	my ($type, $how, $wanted) = @_;
	my $run = schedule_function($type);

	wait_for_activity($node, $run, "run_state = 'started'") or die;
	sql($node, sprintf $how, $run);
	is(wait_for($run), $wanted, "$type: " . ($how =~ /taskq\.(\w+)/)[0]);
	is(outcome('one', '3'), 'completed|3', '... and the next one runs');
	return;
}

for my $type (qw(loops sleeps))
{
	stopped($type, 'SELECT taskq.request_cancel(run_id => %s)', 'canceled|canceled');
	stopped($type, 'SELECT taskq.terminate(run_id => %s)', 'terminated|terminated');
}
# A delay that is none is an error like others; who has met it still hears of a cancel, or it would be ended.
my $pids = q(SELECT string_agg(pid::text, ' ' ORDER BY pid) FROM pg_stat_activity WHERE backend_type = 'taskq function worker');
define('snoozes_badly', q(BEGIN RAISE EXCEPTION 'x' USING ERRCODE = 'TQ021', DETAIL = 'soon'; END));
is(outcome('snoozes_badly'), 'failed|TQ021', 'TQ021 with a DETAIL that is no interval') for 1 .. 4;
my $before = sql($node, $pids);
stopped('sleeps', 'SELECT taskq.request_cancel(run_id => %s)', 'canceled|canceled') for 1 .. 2;
is(sql($node, $pids), $before, '... and the processes are the same');

$run = sql($node, q(SELECT run_id FROM taskq.schedule('functions', 'loops', start_to_close_timeout => '300 ms', retry_policy => taskq.retry_policy(maximum_attempts => 1))));
is(wait_for($run), 'timed_out|start_to_close', 'a time-out');
is(outcome('one', '3'), 'completed|3', '... and the next one runs');
$run = schedule_function('sleeps');
wait_for_activity($node, $run, "run_state = 'started'");
sql($node, "SELECT taskq.pause(run_id => $run)");
ok(wait_for_activity($node, $run, "run_state = 'paused'"), 'pause: the attempt is handed back');
sql($node, "SELECT taskq.delete(run_id => $run)");
$run = schedule_function('sleeps');
wait_for_activity($node, $run, "run_state = 'started'");
my $pid = sql($node, q(SELECT pid FROM pg_stat_activity WHERE backend_type = 'taskq function worker' AND state = 'active'));
sql($node, "SELECT taskq.delete(run_id => $run)");
is(outcome('one', '3'), 'completed|3', 'deleted: the next one runs');
is(sql($node, q(SELECT count(*) FROM app.effects WHERE what IN ('looped', 'slept'))), '0', 'nothing of what was stopped is there');
is(sql($node, q(SELECT string_agg(DISTINCT pid::text, ',') FROM pg_stat_activity WHERE backend_type = 'taskq function worker')), $pid, 'all in the same process');

# An administrator who cancels it fails the attempt.
$run = schedule_function('sleeps');
wait_for_activity($node, $run, "run_state = 'started'");
$node->poll_query_until('postgres', "SELECT pg_cancel_backend($pid)");
is(wait_for($run), 'failed|57014', 'pg_cancel_backend');

# Idle, it holds nothing and is not scheduled at all.
$node->poll_query_until('postgres', "SELECT state = 'idle' AND backend_xmin IS NULL AND wait_event_type = 'Extension' FROM pg_stat_activity WHERE pid = $pid")
  or die 'it is not idle';
my $switches = sub { slurp_file("/proc/$pid/status") =~ /voluntary_ctxt_switches:\s*(\d+)/ ? $1 : die };
SKIP:
{
	skip 'no /proc', 1 unless -e "/proc/$pid/status";
	my $woken;

	# it may still be about to fall asleep
	for (1 .. 5)
	{
		my $before = $switches->();
		sql($node, 'SELECT pg_sleep(3)');
		$woken = $switches->() - $before;
		last if $woken == 0;
	}
	is($woken, 0, 'an idle process does not wake up');
}

# It leaves when it is idle, and another one is started when there is something.
sql($node, q(ALTER SYSTEM SET taskq.function_idle_timeout = '1 s'));
sql($node, 'SELECT pg_reload_conf()');
ok($node->poll_query_until('postgres', q(SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'taskq function worker')), 'it leaves');
is(outcome('one', '4'), 'completed|4', 'and another one comes');

# Registrations take effect at commit.
sql($node, q(SET ROLE app; SELECT taskq.unregister_function('one', 'functions')));
is(outcome('one', '4'), 'failed|42883', 'unregistered');
is(sqlstate($node, q(SET ROLE app; SELECT taskq.unregister_function('one', 'functions'))), '42704', 'not registered');

$locker->quit;
done_testing();
