# ALTER EXTENSION taskq UPDATE on a live queue, with a next version that is made
# here: rolled back and committed while workers poll and wait, it keeps rows,
# tokens, timers and grants, and nobody's call fails.

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

chomp(my $share = `pg_config --sharedir`);
my $next = "$share/extension/taskq--1.0--1.1.sql";

plan skip_all => "no right to put a version into $share/extension"
  unless -w "$share/extension";

END
{
	my $exit = $?;

	unlink $next if $next;
	$? = $exit;
}

# taskq.open first, as all calls do, so that nobody waits in a circle; then what
# a version may do: new files for a table, another view, new objects.
unlink $next;
append_to_file($next, <<'SQL');
LOCK TABLE taskq.open IN ACCESS EXCLUSIVE MODE;
ALTER TABLE taskq.open SET (fillfactor = 60);
CLUSTER taskq.heartbeat_state USING heartbeat_state_pkey;
CREATE INDEX closed_long_close_time ON taskq.closed_long (close_time);
CREATE OR REPLACE VIEW taskq.pollers AS
SELECT task_queue, identity, last_access_time, rate_per_second, waiting, kind, true AS is_new FROM taskq.poller_states();
CREATE TABLE taskq.made_by_update (a int) USING heap;
CREATE FUNCTION taskq.new_call() RETURNS int LANGUAGE sql RETURN 42;
REVOKE ALL ON FUNCTION taskq.new_call() FROM PUBLIC;
SQL

my $node = activity_node('main', "taskq.heartbeat_flush = '100ms'");

# ---- what is there before ----------------------------------------------------

sql($node, 'CREATE ROLE app');
sql($node, "SELECT taskq.grant_access('app', '$_')") for qw(producer worker monitor);
sql($node, q(SELECT taskq.configure_queue('configured', '{"paused": true}')));
my ($held, $token) = start($node, 'held', "input => '1', activity_id => 'h'");
my ($also, $also_token) = start($node, 'held', "input => '2'");
sql($node, "SELECT taskq.heartbeat('$token', '{\"at\": 7}')");
schedule($node, 'paused', '', 'SELECT taskq.pause(run_id => :run_id, reason => $$because$$)');
schedule($node, 'configured');
my ($closed, $closed_token) = start($node, 'closed');
sql($node, "SELECT taskq.complete('$closed_token', '3')");
wait_for_flush($node);

sub state
{
	return sql($node,
		"SELECT run_id, task_queue, status, run_state, attempt, input, result, heartbeat_details, cancel_reason, schedule_time
		   FROM taskq.activities WHERE task_queue NOT IN ('live', 'timers', 'waited') ORDER BY run_id;
		 SELECT task_queue, config FROM taskq.task_queues WHERE config IS NOT NULL;
		 SELECT p.oid::regprocedure, p.proacl FROM pg_proc p WHERE pronamespace = 'taskq'::regnamespace AND proname <> 'new_call' ORDER BY 1;
		 SELECT c.oid::regclass, c.relacl FROM pg_class c WHERE relnamespace = 'taskq'::regnamespace AND relkind IN ('r', 'v', 'S') AND relname <> 'made_by_update' ORDER BY 1");
}
my $before = state();

# ---- workers that go on all the time -----------------------------------------

my $load = $node->basedir . '/load.sql';
append_to_file($load, <<'SQL');
SELECT taskq.schedule('live', 't', '1', start_to_close_timeout => '1h');
SELECT taskq.complete(t.task_token, '2') FROM taskq.poll('live', 'w') t;
SQL
my ($out, $err) = ('', '');
my $bench = IPC::Run::start(
	[ 'pgbench', '-n', '-c', '4', '-T', '600', '-f', $load, '-h', $node->host, '-p', $node->port, 'postgres' ],
	'>', \$out, '2>', \$err);

# In a transaction: update, wait until workers wait for it, and end it.
sub update
{
	my ($end) = @_;
	my @timers = map { schedule($node, 'timers', "schedule_to_start_timeout => '$_ ms'") } 1, 500, 1500;
	my $waiter = $node->background_psql('postgres');
	my $updater = $node->background_psql('postgres');
	my $completed = sql($node, "SELECT completed FROM taskq.stat_task_queues WHERE task_queue = 'live'");

	$waiter->query_until(qr/waits/, "\\echo waits\nCALL taskq.wait_for_task('waited', '180 s');\n\\echo is woken\n");
	ok( $node->poll_query_until('postgres', "SELECT count(*) = 1 FROM taskq.pollers WHERE task_queue = 'waited' AND waiting"),
		"$end: a worker waits");
	$updater->query_safe("BEGIN; ALTER EXTENSION taskq UPDATE TO '1.1'");
	ok( $node->poll_query_until('template1',
			"SELECT count(*) >= 4 FROM pg_locks WHERE NOT granted"),
		"$end: all workers wait for the update");
	$updater->query_safe($end);
	$updater->quit;
	schedule($node, 'waited');
	like($waiter->query_until(qr/is woken/, ''), qr/is woken/, "$end: the worker that waited is woken");
	$waiter->quit;
	sql($node, "SELECT taskq.complete(task_token) FROM taskq.poll('waited')");
	wait_for_activity($node, $_, "status = 'timed_out'") or die "timer of $_" for @timers;
	pass("$end: timers fire");
	ok( $node->poll_query_until('postgres',
			"SELECT completed > $completed + 20 FROM taskq.stat_task_queues WHERE task_queue = 'live'"),
		"$end: workers go on");
	is(state(), $before, "$end: activities, configuration and grants are as they were");
	return;
}

is(sql($node, "SELECT default_version FROM pg_available_extensions WHERE name = 'taskq'"), '1.0', 'the version that CREATE EXTENSION makes');
update('ROLLBACK');
is(sql($node, "SELECT extversion FROM pg_extension WHERE extname = 'taskq'"), '1.0', 'rolled back: the old version');
is(sql($node, "SELECT to_regclass('taskq.made_by_update')"), '', '... and nothing new');
sql($node, "SELECT taskq.complete('$also_token', '5')");
is(activity($node, $also, 'status, result'), 'completed|5', '... a token is valid');
$before = state();
update('COMMIT');
is(sql($node, "SELECT extversion FROM pg_extension WHERE extname = 'taskq'"), '1.1', 'committed: the new version');
is(sql($node, 'SELECT taskq.new_call()'), '42', '... with what it brings');
is( sql($node,
		"SELECT count(*) FROM pg_depend WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e'
			AND objid IN ('taskq.made_by_update'::regclass, 'taskq.new_call'::regproc)"),
	'2', '... as members');

$bench->signal('INT');
$bench->finish;
unlike($err, qr/ERROR|aborted|FATAL/, 'no call of a worker failed');
ok( $node->poll_query_until('postgres',
		"SELECT count(*) = 0 FROM taskq.activities WHERE task_queue = 'live' AND run_state = 'started'"),
	'nothing of theirs is left started');
is( sql($node, "SELECT count(*) FROM taskq.activities WHERE task_queue = 'live' AND status NOT IN ('completed', 'running')"),
	'0', 'nor ended in another way');

sql($node, "SET ROLE app; SELECT taskq.complete('$token', '4')");
is(activity($node, $held, 'status, result, heartbeat_details'), 'completed|4|{"at": 7}',
	'a token from before completes, by a role from before');
sql($node, 'DROP EXTENSION taskq');
is(sql($node, "SELECT count(*) FROM pg_namespace WHERE nspname = 'taskq'"), '0', 'all of it can be dropped');

done_testing();
