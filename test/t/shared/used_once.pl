# Queues, fairness keys, activity ids, identities, channels and sessions that are
# used once, far more of each than there is room for, leave nothing that grows:
# not in tables, shared memory or the statistics' file, nor in a session that has
# seen them all, nor in the worker, whose heap of deadlines has those of attempts
# that ended before them.
#
# LONG=1 uses a hundred thousand of each, and ten thousand sessions.

use strict;
use warnings;

BEGIN { $ENV{PG_TEST_TIMEOUT_DEFAULT} //= 3600 if $ENV{LONG} }

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Taskq;
use TaskqCounts;
use TaskqTest;
use Test::More;

use constant {
	NAMES => $ENV{LONG} ? 100_000 : 3000,
	SESSIONS => $ENV{LONG} ? 10_000 : 200,
	ROOM => 64,
	KB => 1024,
	MB => 1024 * 1024,
};

my $node = activity_node('main', 'fsync = off', 'log_statement = none', 'autovacuum_naptime = 1s', 'taskq.retention = 2s', 'taskq.notify_interval = 0',
	map { "taskq.$_ = " . ROOM } qw(max_queues max_lanes max_pollers max_delays heartbeat_slots timer_buffer max_listened_queues));

sql($node, q{
CREATE PROCEDURE use_once(first int, last int) LANGUAGE plpgsql AS $$
DECLARE
  task record;
  mine bigint;
BEGIN
  FOR i IN first .. last LOOP
    EXECUTE 'LISTEN ' || taskq.channel('queue ' || i);
    EXECUTE 'LISTEN ' || taskq.worker_channel('worker ' || i);
    COMMIT;
    mine := (taskq.schedule('queue ' || i, 'type ' || i, to_jsonb(i), 'id ' || i, fairness_key => 'key ' || i, priority => 1 + i % 5,
      start_to_close_timeout => '1 h', heartbeat_timeout => '1 min', retry_policy => taskq.retry_policy(initial_interval => '1 ms'))).run_id;
    COMMIT;
    SELECT * INTO STRICT task FROM taskq.poll('queue ' || i, 'worker ' || i);
    COMMIT;
    PERFORM taskq.heartbeat(task.task_token, to_jsonb(i));
    COMMIT;
    IF i % 10 = 0 THEN
      PERFORM taskq.fail(task.task_token, 'again', next_retry_delay => '1 h');
      COMMIT;
      PERFORM FROM taskq.task_queues WHERE task_queue = 'queue ' || i;
      PERFORM taskq.terminate('id ' || i);
    ELSE
      PERFORM taskq.complete(task.task_token);
    END IF;
    EXECUTE 'UNLISTEN *';
    COMMIT;
  END LOOP;
END $$});

my $session = $node->background_psql('postgres');

sub expire
{
	ok($node->poll_query_until('postgres', "SELECT count(*) = 0 FROM taskq.activities"), 'what has ended expires');
	sql($node, 'VACUUM taskq.open, taskq.heartbeat_state, taskq.queue_config, taskq.closed_long');
	return;
}

# what could grow
sub sizes
{
	my %size;

	expire();
	$size{session} = $session->query_safe('SELECT sum(used_bytes) FROM pg_backend_memory_contexts');
	$size{worker} = context_memory($node, worker_pid($node, 'postgres'), 'taskq timers');
	$size{pg_class} = sql($node, 'SELECT count(*) FROM pg_class');
	$size{shared} = sql($node, 'SELECT sum(allocated_size) FROM pg_shmem_allocations');
	$size{tables} = sql($node, q{SELECT sum(pg_total_relation_size(oid)) FROM pg_class WHERE relnamespace = 'taskq'::regnamespace AND relkind = 'r'});
	return \%size;
}

my $third = int(NAMES / 3);
$session->query_safe("CALL use_once(1, $third)");
my $before = sizes();
$session->query_safe('CALL use_once(' . ($third + 1) . ', ' . NAMES . ')');
my $after = sizes();

$session->quit;
note(join(', ', map { "$_ $before->{$_} -> $after->{$_}" } sort keys %$after));
cmp_ok($after->{$_} - $before->{$_}, '<', 512 * KB, "the $_ keeps its memory") foreach qw(session worker);
is($after->{$_}, $before->{$_}, "$_ is as it was") foreach qw(pg_class shared);
cmp_ok($after->{tables}, '<', 6 * MB, 'tables are as small as what two seconds leave in them');
is(sql($node, 'SELECT pg_notification_queue_usage()'), 0, 'nothing is left to be notified');
cmp_ok(sql($node, q{SELECT count(*) FROM taskq.task_queues}), '<=', ROOM, 'as many queues are listed as there is room for');

# ---- sessions ----

my $script = $node->basedir . '/waits.sql';
append_to_file($script, <<'EOS');
\set name random(1, 1000000000)
SELECT count(*) FROM taskq.poll('waits', 'waiter ' || :name);
CALL taskq.wait_for_task('waits', '1 ms');
SELECT taskq.worker_channel('waiter ' || :name) AS channel \gset
LISTEN :channel;
EOS
$node->command_ok(
	[ 'pgbench', '-n', '-C', '-c', '4', '-t', SESSIONS / 4, '-f', $script, '-h', $node->host, '-p', $node->port, 'postgres' ],
	SESSIONS . ' sessions, each of another identity, wait and listen');
cmp_ok(sql($node, 'SELECT count(*) FROM taskq.pollers'), '<=', ROOM, 'as many are listed as there is room for');
ok($node->poll_query_until('postgres', 'SELECT count(*) = 0 FROM taskq.pollers WHERE waiting'), 'none is taken to wait');

# ---- and then ----

counts_become_right($node, 'counts');
is(sql($node, q{SELECT count(*) FROM taskq.health WHERE status = 'critical'}), 0, 'healthy');
my ($run_id, $token) = start($node, 'new');
is(sqlstate($node, "SELECT taskq.heartbeat('$token', '1')"), 'ok', 'heartbeats');
is(sql($node, "SELECT taskq.channel('new') IS NOT NULL AND taskq.worker_channel('new') IS NOT NULL"), 't', 'channels');
is(sqlstate($node, "SELECT taskq.complete('$token')"), 'ok', 'and all else go on');
$node->stop;
cmp_ok(-s $node->data_dir . '/pg_stat/taskq.stat', '<', ROOM * 4 * KB, 'the file of statistics has what there is room for');
unlike(slurp_file($node->logfile), qr/ERROR|PANIC|TRAP/, 'no error');

done_testing();
