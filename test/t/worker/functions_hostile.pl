# Functions that mean ill, and what becomes of those who register them: others are
# not harmed, and nobody gains a right that he had not.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Taskq;
use TaskqTest;
use Test::More;

my $node = activity_node('main', 'taskq.function_workers = 4', 'taskq.function_memory = 128MB', 'max_worker_processes = 16');

sql($node, <<'SQL');
CREATE ROLE app LOGIN;
CREATE ROLE good LOGIN;
CREATE ROLE nologin;
CREATE ROLE boss LOGIN SUPERUSER;
CREATE SCHEMA s;
GRANT ALL ON SCHEMA s TO app, good;
SELECT taskq.grant_access(role, 'developer'), taskq.grant_access(role, 'worker'), taskq.grant_access(role, 'producer') FROM unnest('{app,good}'::regrole[]) role;
CREATE TABLE s.effects (what text);
GRANT ALL ON s.effects TO PUBLIC;
SQL

# A function of a role, registered for an activity type and a queue of its name.
sub define
{
	my ($role, $name, $body, $more) = @_;

	sql($node, "SET ROLE $role;
		CREATE OR REPLACE FUNCTION s.$name(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS \$f\$ $body \$f\$;
		SELECT taskq.register_function('$name', 's.$name(jsonb)', '$name'" . ($more // '') . ')');
	return;
}

sub schedule_function
{
	my ($name, $attempts) = @_;

	$attempts //= 1;
	return sql($node, "SELECT run_id FROM taskq.schedule('$name', '$name', start_to_close_timeout => '5 min',
		retry_policy => taskq.retry_policy(initial_interval => '10 ms', maximum_attempts => $attempts))");
}

sub ended
{
	my ($run) = @_;

	return sql($node, "CALL taskq.wait_for_close($run, '60 s') \\g /dev/null
		SELECT status, coalesce(failure ->> 'type', result #>> '{}') FROM taskq.activities WHERE run_id = $run");
}

# Somebody else's function, which goes on whatever happens.
define('good', 'fine', q(BEGIN INSERT INTO s.effects VALUES ('fine'); RETURN 'true'; END));

sub others_run
{
	my ($name) = @_;

	is(ended(schedule_function('fine')), 'completed|true', "$name: others run");
	return;
}

sub bad
{
	my ($role, $name, $body, $wanted, $more) = @_;

	define($role, $name, $body, $more);
	is(ended(schedule_function($name)), $wanted, $name);
	others_run($name);
	return;
}

# Loops for ever, and does not let itself be cancelled.
define('app', 'stubborn', q(BEGIN LOOP BEGIN PERFORM pg_sleep(1000); EXCEPTION WHEN query_canceled THEN NULL; END; END LOOP; END));
my $run = schedule_function('stubborn');
wait_for_activity($node, $run, "run_state = 'started'");
others_run('stubborn');
my $stubborn = sql($node, q(SELECT pid FROM pg_stat_activity WHERE backend_type = 'taskq function worker' AND usename = 'app'));
sql($node, "SELECT taskq.request_cancel(run_id => $run)");

# Meanwhile, by others of the same role.
bad('app', 'greedy', q(DECLARE a text = repeat('x', 1000000); b text[]; BEGIN FOR i IN 1 .. 1000 LOOP b[i] = a || i; END LOOP; RETURN 1; END), 'failed|53200');
bad('app', 'fatal', q(BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(10); RETURN 1; END), 'failed|57P01');
bad('boss', 'drops', q(BEGIN DROP EXTENSION taskq CASCADE; RETURN 1; END), 'failed|55000');
is(sql($node, q(SELECT count(*) FROM pg_extension WHERE extname = 'taskq')), '1', 'the extension is there');
bad('app', 'becomes', q(BEGIN EXECUTE 'SET ROLE boss'; RETURN 1; END), 'failed|42501');
bad('app', 'authorizes', q(BEGIN EXECUTE 'SET SESSION AUTHORIZATION boss'; RETURN 1; END), 'failed|42501');
bad('app', 'resets', q(BEGIN RESET ROLE; RESET SESSION AUTHORIZATION; RETURN to_jsonb(session_user || current_user); END), 'completed|appapp');
bad('app', 'reads', q(BEGIN PERFORM count(*) FROM taskq.open; RETURN 1; END), 'failed|42501');
bad('app', 'sets', q(BEGIN SET taskq.clock_offset = 1000; RETURN 1; END), 'failed|42501');
bad('app', 'isolates', q(BEGIN SET default_transaction_isolation = 'serializable'; SET default_transaction_read_only = on; SET transaction_read_only = on; SET search_path = s; RETURN 1; END), 'completed|1');

# What is left for the commit can be ended like the function itself.
sql($node, 'SET ROLE app; CREATE TABLE s.deferred (i int); CREATE FUNCTION s.sleeps() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(1000); RETURN NULL; END $$;
	CREATE CONSTRAINT TRIGGER t AFTER INSERT ON s.deferred DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION s.sleeps()');
for my $case (
	[ 'defers', q(BEGIN INSERT INTO s.deferred VALUES (1); RETURN 1; END), 'a trigger that was deferred' ],
	[ 'holds', q(BEGIN EXECUTE 'DECLARE c CURSOR WITH HOLD FOR SELECT pg_sleep(1000)'; RETURN 1; END), 'a cursor that is held' ])
{
	my ($name, $body, $what) = @$case;

	define('app', $name, $body);
	my $late = schedule_function($name);
	ok($node->poll_query_until('postgres', "SELECT wait_event = 'PgSleep' FROM pg_stat_activity WHERE query LIKE '%s.$name(%' AND pid <> pg_backend_pid()"), "$what: it works");
	sql($node, "SET statement_timeout = '60 s'; SELECT taskq.request_cancel(run_id => $late)");
	is(ended($late), 'canceled|', '... and is canceled');
	is(sql($node, 'SELECT count(*) FROM s.deferred'), '0', '... with all that it did');
}

ok(wait_for_activity($node, $run, "status = 'canceled'"), 'the stubborn one has lost its process, and is canceled');
is(sql($node, "SELECT count(*) FROM pg_stat_activity WHERE pid = $stubborn"), '0', '... which is gone');

# What has ended its own attempt gains nothing by that: what it did is undone, the end too, and that is its failure.
sub failed_lines
{
	my ($name) = @_;

	return scalar(() = slurp_file($node->logfile) =~ /taskq function failed: activity type "$name", run \d+, attempt \d+, SQLSTATE TQ001/g);
}

sql($node, q(SELECT taskq.grant_access('app', 'operator')));
my %ends = (
	completes => q(taskq.complete((taskq.current_task()).task_token, '2')),
	completes_by_id => q(taskq.complete_by_id(activity_id => 'own', result => '2')),
	fails => q(taskq.fail((taskq.current_task()).task_token, 'no')),
	fails_for_good => q(taskq.fail((taskq.current_task()).task_token, 'no', non_retryable => true)),
	releases => q(taskq.release((taskq.current_task()).task_token)),
	terminates => q(taskq.terminate('own')),
	terminates_many => q(taskq.terminate_many(ARRAY[(taskq.current_task()).run_id])),
	deletes => q(taskq.delete('own')));
for my $name (sort keys %ends)
{
	define('app', $name, "BEGIN PERFORM $ends{$name}; INSERT INTO s.effects VALUES ('$name'); RETURN 1; END");
	$run = sql($node, "SELECT run_id FROM taskq.schedule('$name', '$name', activity_id => 'own', start_to_close_timeout => '5 min',
		retry_policy => taskq.retry_policy('10 ms', maximum_attempts => 2))");
	is(ended($run), 'failed|TQ001', "$name: a function that ends its own attempt has failed");
	is(activity($node, $run, "attempt, failure ->> 'message'"), '2|the function has ended its own attempt', '... is tried again, and told why');
	is(failed_lines($name), 2, '... with a line in the log for each attempt');
	is(sql($node, "SELECT count(*) FROM s.effects WHERE what = '$name'"), '0', '... and has done nothing');
	sql($node, "SELECT taskq.delete(run_id => $run)");
}

# What asks for an end, or a new beginning, of its own does not matter: it completes.
my %asks = (pauses => q(taskq.pause('own')), resets_itself => q(taskq.reset('own')), cancels => q(taskq.request_cancel('own')));
for my $name (sort keys %asks)
{
	define('app', $name, "BEGIN PERFORM $asks{$name}; RETURN 1; END");
	$run = sql($node, "SELECT run_id FROM taskq.schedule('$name', '$name', activity_id => 'own', start_to_close_timeout => '5 min')");
	is(ended($run), 'completed|1', "$name: what it asks of its own attempt comes too late");
}

# Its workflow's end is its own.
sql($node, q(SELECT taskq.grant_access('app', 'worker')));
my %closes = (
	terminates_workflow => q(taskq.terminate_workflow(input #>> '{}')),
	deletes_workflow => q(taskq.delete_workflow(input #>> '{}')),
	completes_workflow => q(taskq.complete_workflow_task(p.task_token, jsonb_build_array(taskq.command_complete('1'))) FROM taskq.poll_workflow_task('own workflows') p),
	fails_workflow => q(taskq.complete_workflow_task(p.task_token, jsonb_build_array(taskq.command_fail('no'))) FROM taskq.poll_workflow_task('own workflows') p));
for my $name (sort keys %closes)
{
	define('app', $name, "BEGIN PERFORM $closes{$name}; IF NOT FOUND THEN RAISE 'nothing done'; END IF; INSERT INTO s.effects VALUES ('$name'); RETURN 1; END");
	$run = sql($node, "SELECT run_id FROM taskq.start_workflow('own workflows', 'W', workflow_id => '$name')");
	sql($node, "SELECT p.run_id, c.failed_cause FROM taskq.poll_workflow_task('own workflows') p, taskq.complete_workflow_task(p.task_token, jsonb_build_array(
		taskq.command_schedule_activity('$name', to_jsonb('$name'::text), activity_id => 'a', task_queue => '$name', start_to_close_timeout => '5 min',
			retry_policy => taskq.retry_policy('10 ms', maximum_attempts => 2))), force_new_task => true) c");
	ok($node->poll_query_until('postgres', "SELECT count(*) = 1 FROM taskq.workflow_events WHERE run_id = $run AND event_type = 'activity_task_failed'"), "$name: a function that closes its own workflow has failed");
	is(sql($node, "SELECT attributes #>> '{failure,message}' FROM taskq.workflow_events WHERE run_id = $run AND event_type = 'activity_task_failed'"), 'the function has ended its own attempt', '... and is told why');
	is(sql($node, "SELECT status FROM taskq.workflows WHERE run_id = $run"), 'running', '... its workflow goes on');
	is(failed_lines($name), 2, '... each attempt is in the log');
	is(sql($node, "SELECT count(*) FROM s.effects WHERE what = '$name'"), '0', '... and has done nothing');
	sql($node, "SELECT taskq.terminate_workflow(run_id => $run)");
}

# If others have ended it meanwhile, there is nothing to tell: it is they who count.
define('app', 'loses', q(BEGIN BEGIN PERFORM pg_sleep(1000); EXCEPTION WHEN query_canceled THEN NULL; END; RETURN 1; END));
$run = schedule_function('loses');
wait_for_activity($node, $run, "run_state = 'started'");
sql($node, "SELECT taskq.terminate(run_id => $run)");
is(ended(schedule_function('fine')), 'completed|true', 'others have ended it: others run');
is(ended($run), 'terminated|', '... it is as they have ended it');
ok($node->poll_query_until('postgres', q(SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'taskq function worker' AND usename = 'app' AND state = 'idle')), '... its process is free');
is(failed_lines('loses'), 0, '... and the log says nothing');

# Replaced, given away, out of reach: judged anew for each run.
define('app', 'changes', q(BEGIN RETURN to_jsonb(session_user); END));
is(ended(schedule_function('changes')), 'completed|app', 'as registered');
sql($node, q(SET ROLE app; CREATE OR REPLACE FUNCTION s.changes(input jsonb) RETURNS jsonb LANGUAGE sql AS 'SELECT to_jsonb(session_user || 2)'));
is(ended(schedule_function('changes')), 'completed|app2', 'replaced: the new one runs, as the same role');
sql($node, 'ALTER FUNCTION s.changes(jsonb) OWNER TO good');
is(ended(schedule_function('changes')), 'failed|42501', 'given away: the new owner could not be that role');
is(sql($node, q(SELECT problem FROM taskq.functions WHERE activity_type = 'changes')), 'the owner of the function may not SET ROLE to the role', '... as the view says');
sql($node, 'GRANT app TO good');
is(ended(schedule_function('changes')), 'completed|app2', '... unless he can');
sql($node, 'REVOKE app FROM good; ALTER FUNCTION s.changes(jsonb) OWNER TO boss');
is(ended(schedule_function('changes')), 'completed|app2', '... or is a superuser');
sql($node, 'ALTER FUNCTION s.changes(jsonb) OWNER TO app; REVOKE EXECUTE ON FUNCTION s.changes(jsonb) FROM PUBLIC, app');
is(ended(schedule_function('changes')), 'failed|42501', 'without EXECUTE');
sql($node, 'DROP FUNCTION s.changes(jsonb)');
is(ended(schedule_function('changes')), 'failed|42883', 'dropped');
is(sql($node, q(SELECT problem FROM taskq.functions WHERE activity_type = 'changes')), 'the function does not exist', '... as the view says');
sql($node, q(SET ROLE app; CREATE PROCEDURE s.changes(jsonb) LANGUAGE sql AS 'SELECT 1'));
is(sql($node, q(SELECT problem FROM taskq.functions WHERE activity_type = 'changes')), 'the function cannot be an activity', 'a procedure: the view says so, too');
sql($node, q(SET ROLE app; DROP PROCEDURE s.changes(jsonb); CREATE FUNCTION s.changes(jsonb) RETURNS text LANGUAGE sql AS $$ SELECT 'x' $$));
is(sql($node, q(SELECT problem FROM taskq.functions WHERE activity_type = 'changes')), 'the function cannot be an activity', '... and another result');

# Who may register what, as whom.
sql($node, 'SET ROLE app; CREATE FUNCTION s.plain(jsonb) RETURNS jsonb LANGUAGE sql AS $$ SELECT $1 $$;
	CREATE FUNCTION s.wrong(int) RETURNS jsonb LANGUAGE sql AS $$ SELECT to_jsonb($1) $$;
	CREATE FUNCTION s.set_of(jsonb) RETURNS SETOF jsonb LANGUAGE sql AS $$ SELECT $1 $$;
	CREATE FUNCTION s.numbers() RETURNS int LANGUAGE sql AS $$ SELECT 1 $$;
	CREATE PROCEDURE s.procedure(jsonb) LANGUAGE sql AS $$ SELECT 1 $$;
	CREATE AGGREGATE s.aggregate(jsonb) (sfunc = jsonb_concat, stype = jsonb)');
for my $case (
	[ 'app', q('p', 's.plain(jsonb)', 'p'), 'ok', 'the owner' ],
	[ 'good', q('p2', 's.plain(jsonb)', 'p2'), '42501', 'somebody else' ],
	[ 'good', q('p', 's.fine(jsonb)', 'p', 'app'), '42501', 'as somebody else' ],
	[ 'boss', q('p2', 's.plain(jsonb)', 'p2'), '42501', 'a superuser, as himself' ],
	[ 'boss', q('p2', 's.plain(jsonb)', 'p2', 'app'), 'ok', 'a superuser, as the owner' ],
	[ 'good', q('p', 's.fine(jsonb)', 'p'), '42501', 'in the place of a function of somebody else' ],
	[ 'app', q('p', 's.plain(jsonb)', 'p', 'nologin'), '22023', 'a role that may not log in' ],
	[ 'app', q('p', 's.plain(jsonb)', 'p', 'app', 0), '22023', 'concurrency 0' ],
	[ 'app', q('p', 's.plain(jsonb)', 'p', 'app', 1001), '22023', 'concurrency 1001' ],
	[ 'app', q('p', 's.plain(jsonb)', 'p', 'app', NULL), '22004', 'concurrency NULL' ],
	[ 'app', q(NULL, 's.plain(jsonb)', 'p'), '22004', 'type NULL' ],
	[ 'app', q('', 's.plain(jsonb)', 'p'), '22023', 'no type' ],
	[ 'app', q('p', NULL, 'p'), '22004', 'function NULL' ],
	[ 'app', q('p', 's.plain(jsonb)', NULL), '22004', 'queue NULL' ],
	[ 'app', q('p', 's.wrong(int)', 'p'), '42P13', 'another argument' ],
	[ 'app', q('p', 's.set_of(jsonb)', 'p'), '42P13', 'a set' ],
	[ 'app', q('p', 's.numbers()', 'p'), '42P13', 'another result' ],
	[ 'app', q('p', 's.procedure(jsonb)', 'p'), '42809', 'a procedure' ],
	[ 'app', q('p', 's.aggregate(jsonb)', 'p'), '42809', 'an aggregate' ],
	[ 'boss', q('other', 's.drops(jsonb)', 'p'), '55000', 'another role in the same queue' ])
{
	is(sqlstate($node, "SET ROLE $case->[0]; SELECT taskq.register_function($case->[1])"), $case->[2], "register: $case->[3]");
}
is(sqlstate($node, q(SET ROLE good; SELECT taskq.unregister_function('p', 'p'))), '42501', 'unregister: somebody else');
is(sqlstate($node, q(SET ROLE app; SELECT taskq.unregister_function('p', 'p'))), 'ok', 'unregister: the owner');

# A role as which nobody can connect: its tasks wait, and others run.
sql($node, 'CREATE ROLE late LOGIN; GRANT USAGE, CREATE ON SCHEMA s TO late; SELECT taskq.grant_access($$late$$, $$developer$$)');
define('late', 'waits', q(BEGIN RETURN 1; END));
sql($node, 'REVOKE CONNECT ON DATABASE postgres FROM PUBLIC; GRANT CONNECT ON DATABASE postgres TO app, good');
$run = schedule_function('waits');
$node->wait_for_log(qr/permission denied for database "postgres"/);
others_run('no CONNECT');
is(activity($node, $run, 'status, attempt'), 'running|1', '... and its task waits');
is(sql($node, q(SELECT problem FROM taskq.functions WHERE activity_type = 'waits')), 'the role may not CONNECT to the database', '... as the view says');
sql($node, 'GRANT CONNECT ON DATABASE postgres TO late');
is(ended($run), 'completed|1', '... until it can');

is(sql($node, q(SELECT status FROM taskq.health WHERE check_name = 'background_worker')), 'ok', 'the worker is well');
unlike(slurp_file($node->logfile), qr/terminated by signal|PANIC/, 'no process has crashed');
done_testing();
