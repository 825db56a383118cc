# What happens around functions: settings of roles and databases, roles that go, more
# queues than there are places to wait in, databases that want the same processes,
# a reset, a standby that is promoted.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Taskq;
use TaskqTest;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('primary');
$node->init(allows_streaming => 1);
$node->append_conf('postgresql.conf', join("\n", "shared_preload_libraries = 'taskq'", 'max_worker_processes = 20',
	'taskq.function_workers = 2', "taskq.function_idle_timeout = '1 s'", ''));
$node->start;
sql($node, 'CREATE EXTENSION taskq');
wait_served($node, 'postgres') or die 'no worker';

my $schema = <<'SQL';
CREATE SCHEMA s;
GRANT ALL ON SCHEMA s TO a, b;
SELECT taskq.grant_access(role, 'developer'), taskq.grant_access(role, 'producer') FROM unnest('{a,b}'::regrole[]) role;
CREATE TABLE s.effects (what text, at timestamptz DEFAULT clock_timestamp());
CREATE TABLE s.flags (flag text);
GRANT ALL ON s.effects, s.flags TO PUBLIC;
SQL
sql($node, 'CREATE ROLE a LOGIN; CREATE ROLE b LOGIN');
sql($node, $schema);

# A function, registered for an activity type and a queue of its name.
sub define
{
	my ($database, $role, $name, $body, $more) = @_;

	$node->safe_psql($database, "SET ROLE $role;
		CREATE OR REPLACE FUNCTION s.$name(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS \$f\$ $body \$f\$;
		SELECT taskq.register_function('$name', 's.$name(jsonb)', '$name'" . ($more // '') . ')');
	return;
}

sub schedule_function
{
	my ($name) = @_;

	return sql($node, "SELECT run_id FROM taskq.schedule('$name', '$name', '1', start_to_close_timeout => '1 h',
		retry_policy => taskq.retry_policy(initial_interval => '1 ms'))");
}

sub result_of
{
	my ($run) = @_;

	return sql($node, "CALL taskq.wait_for_close($run, '30 s') \\g /dev/null
		SELECT concat_ws('|', status, result #>> '{}') FROM taskq.activities WHERE run_id = $run");
}

my $processes = q(SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'taskq function worker');

# ---- settings -----------------------------------------------------------------

define('postgres', 'a', 'shows', q(BEGIN RETURN to_jsonb(current_setting('work_mem') || ' ' || current_setting('my.own', true)); END));
sql($node, q(ALTER DATABASE postgres SET my.own = 'database'; ALTER ROLE a SET work_mem = '3MB'));
is(result_of(schedule_function('shows')), 'completed|3MB database', 'settings of the role and of the database reach a function');
$node->poll_query_until('postgres', $processes, '0') or die 'it stays';
sql($node, q(ALTER ROLE a IN DATABASE postgres SET my.own = 'both'));
is(result_of(schedule_function('shows')), 'completed|3MB both', 'later ones reach the next process');
sql($node, q(ALTER ROLE a RESET ALL; ALTER ROLE a IN DATABASE postgres RESET ALL; ALTER DATABASE postgres RESET ALL));

# ---- a role that goes -----------------------------------------------------------

sql($node, q(CREATE ROLE leaves LOGIN; GRANT USAGE ON SCHEMA s TO leaves; SELECT taskq.grant_access('leaves', 'developer')));
sql($node, q(CREATE FUNCTION s.stays(input jsonb) RETURNS jsonb LANGUAGE sql AS 'SELECT to_jsonb(session_user::text)';
	SELECT taskq.register_function('stays', 's.stays(jsonb)', 'stays', run_as => 'leaves')));
is(result_of(schedule_function('stays')), 'completed|leaves', 'a role');
$node->poll_query_until('postgres', $processes, '0') or die 'it stays';
sql($node, 'DROP OWNED BY leaves; DROP ROLE leaves');
my $run = schedule_function('stays');
is(result_of(schedule_function('shows')) =~ /^completed/, 1, 'it is dropped: others run');
is(sql($node, q(SELECT problem FROM taskq.functions WHERE activity_type = 'stays')), 'the role does not exist', '... the view says so');
is(activity($node, $run, 'status, attempt'), 'running|1', '... its task waits');
sql($node, q(SELECT taskq.register_function('stays', 's.stays(jsonb)', 'stays', run_as => 'b')));
is(result_of($run), 'completed|b', '... until it is registered for another one');

# ---- many queues ------------------------------------------------------------------

my $queues = 70;				# and there are 64 places
sql($node, "SET ROLE a; CREATE FUNCTION s.many(input jsonb) RETURNS jsonb LANGUAGE sql AS 'SELECT input';
	SELECT taskq.register_function('many', 's.many(jsonb)', 'many' || i) FROM generate_series(1, $queues) i");
for my $round ('at first', 'by who waits already')
{
	sql($node, "SELECT count(*) FROM generate_series(1, $queues) i, taskq.schedule('many' || i, 'many', '1', start_to_close_timeout => '1 h')");
	ok($node->poll_query_until('postgres', "SELECT count(*) = 0 FROM taskq.activities WHERE activity_type = 'many' AND status = 'running'"),
		"more queues than places: all are served $round");
}
sql($node, "SELECT taskq.unregister_function('many', 'many' || i) FROM generate_series(1, $queues) i");

# ---- two databases ------------------------------------------------------------------

sql($node, 'ALTER SYSTEM SET taskq.function_workers = 1');
sql($node, 'SELECT pg_reload_conf()');
sql($node, 'CREATE DATABASE other');
$node->safe_psql('other', 'CREATE EXTENSION taskq');
$node->safe_psql('other', $schema);
my %tasks = (postgres => 1500, other => 20);
for my $database (sort { $b cmp $a } keys %tasks)
{
	define($database, 'a', 'turns', q(BEGIN INSERT INTO s.effects (what) VALUES ('turn'); PERFORM pg_sleep(0.01); RETURN 1; END));
	$node->safe_psql($database, "SELECT count(*) FROM taskq.schedule_many('turns', 'turns', array_fill('1'::jsonb, '{$tasks{$database}}'), start_to_close_timeout => '1 h')");
	$node->poll_query_until($database, q(SELECT count(*) > 0 FROM s.effects WHERE what = 'turn')) or die "$database has no turn";
}
is($node->safe_psql('postgres', "SELECT count(*) < $tasks{postgres} FROM s.effects WHERE what = 'turn'"), 't',
	'two databases, one process: the second one has its turn before the first has finished');
for my $database (sort keys %tasks)
{
	ok($node->poll_query_until($database, "SELECT count(*) = $tasks{$database} FROM s.effects WHERE what = 'turn'"), "... $database is done")
	  if $database eq 'other';
}
sql($node, q(SELECT count(*) FROM taskq.terminate_many(ARRAY(SELECT run_id FROM taskq.activities WHERE status = 'running'))));
$node->safe_psql('postgres', 'DROP DATABASE other');

# ---- a reset --------------------------------------------------------------------------

define('postgres', 'a', 'blocks', q(BEGIN INSERT INTO s.effects (what) VALUES ('blocks ' || input::text);
	IF EXISTS (SELECT FROM s.flags WHERE flag = current_setting('cluster_name')) THEN PERFORM pg_sleep(1000); END IF; RETURN input; END));
sql($node, q(INSERT INTO s.flags VALUES ('primary')));
$run = schedule_function('blocks');
ok(wait_for_activity($node, $run, "run_state = 'started'"), 'a function runs');
sql($node, q(DELETE FROM s.flags));
sql($node, "SELECT taskq.reset(run_id => $run)");
is(result_of($run), 'completed|1', 'a reset stops it, and it runs again');
is(activity($node, $run, 'attempt'), 1, '... as the first attempt');
is(sql($node, q(SELECT count(*) FROM s.effects WHERE what = 'blocks 1')), 1, '... with one effect');

# ---- a standby ----------------------------------------------------------------------------

$node->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'backup', has_streaming => 1);
$standby->start;
sql($node, q(TRUNCATE s.effects; INSERT INTO s.flags VALUES ('primary')));
$run = schedule_function('blocks');
ok(wait_for_activity($node, $run, "run_state = 'started'"), 'a function runs on the primary');
$node->wait_for_catchup($standby);
is($standby->safe_psql('postgres', $processes), '0', 'none does on the standby');
$node->stop('immediate');
$standby->promote;
ok($standby->poll_query_until('postgres', "SELECT status = 'completed' FROM taskq.activities WHERE run_id = $run"),
	'promoted: what had run there runs here');
is(activity($standby, $run, "attempt, last_failure ->> 'type'"), '2|57P01', '... as the next attempt, at once');
is($standby->safe_psql('postgres', 'SELECT count(*) FROM s.effects'), 1, '... with one effect');

done_testing();
