# What becomes of functions whose process, database, extension or server goes; and
# how few processes are shared.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Taskq;
use TaskqTest;
use Test::More;

my $node = activity_node('main', 'taskq.function_workers = 2', 'max_worker_processes = 12', 'restart_after_crash = on',
	"autovacuum = off", 'max_prepared_transactions = 2');
my $workers = q(SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'taskq function worker');

sub define
{
	my ($database, $role, $name, $body, $more) = @_;

	$node->safe_psql($database, "SET ROLE $role;
		CREATE OR REPLACE FUNCTION s.$name(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS \$f\$ $body \$f\$;
		SELECT taskq.register_function('$name', 's.$name(jsonb)', '$name'" . ($more // '') . ')');
	return;
}

# A process was killed: wait until the server has started again, without it.
sub restarted
{
	my ($pid) = @_;

	$node->poll_query_until('postgres', "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $pid)") or die 'no restart';
	return;
}

my $schema = <<'SQL';
CREATE SCHEMA s;
GRANT ALL ON SCHEMA s TO a, b;
SELECT taskq.grant_access(role, 'developer'), taskq.grant_access(role, 'producer') FROM unnest('{a,b}'::regrole[]) role;
CREATE TABLE s.effects (k int);
GRANT ALL ON s.effects TO PUBLIC;
SQL
sql($node, 'CREATE ROLE a LOGIN; CREATE ROLE b LOGIN');
sql($node, $schema);

# Processes are killed and servers crash while tasks run: each effect is there once.
# The second half waits until that is over, so that there is always a process to kill.
my $tasks = 400;
sql($node, 'CREATE TABLE s.over (); GRANT SELECT ON s.over TO PUBLIC');
define('postgres', 'a', 'counts', qq(BEGIN
		INSERT INTO s.effects VALUES (input::int);
		PERFORM pg_sleep(0.03);
		WHILE input::int > $tasks / 2 AND NOT EXISTS (SELECT FROM s.over) LOOP PERFORM pg_sleep(0.03); END LOOP;
		RETURN input;
	END), ", concurrency => 2");
sql($node, "SELECT count(*) FROM taskq.schedule_many('counts', 'counts', ARRAY(SELECT to_jsonb(i) FROM generate_series(1, $tasks) i),
	start_to_close_timeout => '1 h', retry_policy => taskq.retry_policy(initial_interval => '1 ms', backoff_coefficient => 1))");
my $done = q(SELECT count(*) FROM s.effects);
my @how = qw(KILL TERM immediate TERM KILL);

for my $round (1 .. @how)
{
	my $how = $how[ $round - 1 ];
	my $enough = $round * $tasks / 20;

	$node->poll_query_until('postgres', "SELECT count(*) >= $enough FROM s.effects") or die "round $round";
	if ($how eq 'immediate')
	{
		$node->stop('immediate');
		$node->start;
		next;
	}
	my $active = q(SELECT pid FROM pg_stat_activity WHERE backend_type = 'taskq function worker' AND state = 'active' LIMIT 1);

	$node->poll_query_until('postgres', "SELECT count(*) = 1 FROM ($active) a") or die 'no process';
	my $pid = sql($node, $active) || next;
	kill $how, $pid;
	next if $how eq 'TERM';
	restarted($pid);
}
sql($node, 'INSERT INTO s.over DEFAULT VALUES');
ok($node->poll_query_until('postgres', "SELECT count(*) = $tasks FROM taskq.activities WHERE task_queue = 'counts' AND status = 'completed'"), 'killed now and then: all are completed');
is(sql($node, 'SELECT count(*), count(DISTINCT k) FROM s.effects'), "$tasks|$tasks", '... with one effect each');
is(sql($node, q(SELECT DISTINCT last_failure ->> 'type' FROM taskq.activities WHERE task_queue = 'counts' AND attempt > 1)), '57P01', '... and those that were hit have an attempt that failed');
cmp_ok(sql($node, q(SELECT count(*) FROM taskq.activities WHERE task_queue = 'counts' AND attempt > 1)), '>=', 3, '... at once, long before they time out');

# A function that kills the server is counted.
define('postgres', 'a', 'kills', q(BEGIN PERFORM pg_sleep(1000); RETURN 1; END));
my $run = sql($node, q(SELECT run_id FROM taskq.schedule('kills', 'kills', start_to_close_timeout => '1 h', retry_policy => taskq.retry_policy(maximum_attempts => 2, initial_interval => '1 ms'))));
for my $attempt (1, 2)
{
	my $active = qq(SELECT pid FROM pg_stat_activity WHERE backend_type = 'taskq function worker' AND query LIKE '%s.kills%' AND state = 'active');

	$node->poll_query_until('postgres', "SELECT count(*) = 1 FROM ($active) a") or die "attempt $attempt";
	my $pid = sql($node, $active);
	kill 'KILL', $pid;
	restarted($pid);
}
ok(wait_for_activity($node, $run, "status = 'failed'"), 'killed twice with two attempts allowed: failed');
wait_served($node, 'postgres') or die 'no worker';

# Two roles share one process, task by task.
sql($node, 'ALTER SYSTEM SET taskq.function_workers = 1');
sql($node, 'SELECT pg_reload_conf()');
define('postgres', 'a', 'long_a', q(BEGIN PERFORM pg_sleep(0.01); RETURN 1; END));
define('postgres', 'b', 'long_b', q(BEGIN PERFORM pg_sleep(0.01); RETURN 1; END));
sql($node, q(SELECT count(*) FROM taskq.schedule_many('long_a', 'long_a', array_fill('1'::jsonb, '{2000}'), start_to_close_timeout => '1 h')));
$node->poll_query_until('postgres', q(SELECT count(*) > 0 FROM taskq.activities WHERE task_queue = 'long_a' AND status = 'completed'));
$run = sql($node, q(SELECT run_id FROM taskq.schedule('long_b', 'long_b', start_to_close_timeout => '1 h')));
ok(wait_for_activity($node, $run, "status = 'completed'"), 'another role has its turn');
cmp_ok(sql($node, q(SELECT count(*) FROM taskq.activities WHERE task_queue = 'long_a' AND status = 'running')), '>', 0, '... before the first one has finished');
sql($node, q(SELECT count(*) FROM taskq.terminate_many(ARRAY(SELECT run_id FROM taskq.activities WHERE status = 'running'))));

# Concurrency: no more at a time than a function allows.
sql($node, 'ALTER SYSTEM SET taskq.function_workers = 3');
sql($node, 'SELECT pg_reload_conf()');
define('postgres', 'a', 'alone', q(BEGIN IF NOT pg_try_advisory_xact_lock(42) THEN RAISE EXCEPTION 'not alone' USING ERRCODE = 'TQ020'; END IF; PERFORM pg_sleep(0.02); RETURN 1; END));
sql($node, q(SELECT count(*) FROM taskq.schedule_many('alone', 'alone', array_fill('1'::jsonb, '{30}'), start_to_close_timeout => '1 h')));
sql($node, q(SELECT count(*) FROM taskq.schedule_many('counts', 'counts', array_fill('1'::jsonb, '{30}'), start_to_close_timeout => '1 h')));
ok($node->poll_query_until('postgres', q(SELECT count(*) = 30 FROM taskq.activities WHERE task_queue = 'alone' AND status IN ('completed', 'failed'))), 'concurrency 1: all are done');
is(sql($node, q(SELECT count(*) FROM taskq.activities WHERE task_queue = 'alone' AND status = 'failed')), '0', '... one at a time');

# 0 = none.
sql($node, 'ALTER SYSTEM SET taskq.function_workers = 0');
sql($node, 'ALTER SYSTEM SET taskq.function_idle_timeout = 1');
sql($node, 'SELECT pg_reload_conf()');
$node->poll_query_until('postgres', $workers, '0');
$run = sql($node, q(SELECT run_id FROM taskq.schedule('counts', 'counts', '1', start_to_close_timeout => '1 h')));
is(sql($node, $workers), '0', 'function_workers = 0: none is started');
sql($node, 'ALTER SYSTEM SET taskq.function_workers = 2; ');
sql($node, 'ALTER SYSTEM RESET taskq.function_idle_timeout');
sql($node, 'SELECT pg_reload_conf()');
ok(wait_for_activity($node, $run, "status = 'completed'"), '... until it is changed');

# A database can be dropped, copied and renamed, whatever runs in it.
for my $case ('idle', 'busy')
{
	sql($node, 'CREATE DATABASE gone');
	$node->safe_psql('gone', 'CREATE EXTENSION taskq');
	$node->safe_psql('gone', $schema);
	define('gone', 'a', 'works', $case eq 'idle' ? 'BEGIN RETURN 1; END' : 'BEGIN PERFORM pg_sleep(1000); RETURN 1; END');
	$node->safe_psql('gone', q(SELECT run_id FROM taskq.schedule('works', 'works', start_to_close_timeout => '1 h')));
	$node->poll_query_until('postgres', q(SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'taskq function worker' AND datname = 'gone')) or die;
	if ($case eq 'busy')
	{
		$node->poll_query_until('gone', q(SELECT run_state = 'started' FROM taskq.activities)) or die;
	}
	is(sqlstate($node, 'CREATE DATABASE copied TEMPLATE gone'), 'ok', "$case: copied");
	is(sqlstate($node, 'ALTER DATABASE gone RENAME TO renamed'), 'ok', "$case: renamed");
	is(sqlstate($node, 'DROP DATABASE renamed'), 'ok', "$case: dropped");
	is(sqlstate($node, 'DROP DATABASE copied'), 'ok', "$case: the copy, too");
}

# DROP EXTENSION waits for nobody who is idle, and for no function.
sql($node, 'CREATE DATABASE extension');
$node->safe_psql('extension', 'CREATE EXTENSION taskq');
$node->safe_psql('extension', $schema);
define('extension', 'a', 'sleeps', 'BEGIN INSERT INTO s.effects VALUES (1); PERFORM pg_sleep(3); RETURN 1; END');
$node->safe_psql('extension', q(SELECT run_id FROM taskq.schedule('sleeps', 'sleeps', start_to_close_timeout => '1 h')));
$node->poll_query_until('extension', q(SELECT run_state = 'started' FROM taskq.activities)) or die;
$node->safe_psql('extension', 'DROP EXTENSION taskq');
ok($node->poll_query_until('postgres', q(SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'taskq function worker' AND datname = 'extension')), 'DROP EXTENSION: the process leaves');
is($node->safe_psql('extension', 'SELECT count(*) FROM s.effects'), '0', '... and its function has done nothing');

# A dump takes registrations along.
my $dump = $node->backup_dir . '/dump.sql';
$node->command_ok([ 'pg_dump', '-f', $dump, $node->connstr('postgres') ], 'pg_dump');
sql($node, 'CREATE DATABASE restored');
$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', $dump, $node->connstr('restored') ], 'restored');
is($node->safe_psql('restored', q(SELECT function, run_as FROM taskq.functions WHERE activity_type = 'counts')), 's.counts(pg_catalog.jsonb)|a', 'the registration is there');
$run = $node->safe_psql('restored', q(SELECT run_id FROM taskq.schedule('counts', 'counts', '7', start_to_close_timeout => '1 h')));
ok($node->poll_query_until('restored', "SELECT status = 'completed' FROM taskq.activities WHERE run_id = $run"), '... and works');

# No room for one more process: one line in the log, and a warning.
$node->append_conf('postgresql.conf', 'max_worker_processes = 3');
$node->safe_psql('postgres', 'DROP DATABASE restored');
$node->safe_psql('postgres', 'DROP DATABASE extension');
my $offset = -s $node->logfile;
$node->restart;
wait_served($node, 'postgres') or die 'no worker';
sql($node, q(SELECT run_id FROM taskq.schedule('counts', 'counts', '1', start_to_close_timeout => '1 h')));
$node->wait_for_log(qr/could not start a taskq function worker/, $offset);
is(sql($node, q(SELECT status, hint LIKE '%max_worker_processes%' FROM taskq.health WHERE check_name = 'function_workers')), 'warning|t', 'health: what is missing');
sql($node, q(SELECT run_id FROM taskq.schedule('counts', 'counts', '1', start_to_close_timeout => '1 h')));
is(count_matches(slurp_file($node->logfile, $offset), qr/could not start a taskq function worker/), 1, '... said once');

done_testing();
