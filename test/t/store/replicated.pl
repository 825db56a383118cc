# Logical replication of everything, taskq's tables included: calls on the
# publisher go on as ever, what is decoded is complete, and the copy of a
# subscriber that does not preload taskq lies still, until it takes over.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Taskq;
use TaskqCalls;
use TaskqTest;
use Test::More;

my $node = activity_node('publisher', 'wal_level = logical', 'max_wal_senders = 5', 'taskq.arm_after = 1h', "taskq.heartbeat_flush = '100ms'");
my $copy = PostgreSQL::Test::Cluster->new('subscriber');

$copy->init;
$copy->append_conf('postgresql.conf', 'wal_level = logical');
$copy->start;
$copy->safe_psql('postgres', 'SET client_min_messages = error; CREATE EXTENSION taskq');

# What was there before is copied, what comes later is replicated.
my ($held, $token) = start($node, 'held', "activity_id => 'held'");
sql($node, "CREATE PUBLICATION everything FOR ALL TABLES; SELECT pg_create_logical_replication_slot('decoded', 'test_decoding')");
prepare_worlds($node);
$copy->safe_psql('postgres', "CREATE SUBSCRIPTION s CONNECTION '" . $node->connstr('postgres') =~ s/'/''/gr . "' PUBLICATION everything");

my @calls = every_call($node);
my @worlds = make_worlds($node, map { "w$_" } 0 .. $#calls);
my ($rc, $out, $err) = $node->psql('postgres',
	"\\o /dev/null\n" . join('', map { call_in($calls[$_], $worlds[$_]) . ";\n\\echo :SQLSTATE\n" } 0 .. $#calls),
	on_error_stop => 0);
is(join(' ', grep { $_ ne '00000' } split /\n/, $out), '', 'all calls succeed on the publisher');
is(scalar(split /\n/, $out), scalar @calls, 'each of them');

# timers, retention, batches, and a leaf that is emptied
my $once = 'retry_policy => taskq.retry_policy(maximum_attempts => 1)';
my ($late) = start($node, 'late', "start_to_close_timeout => '1 ms', $once");
wait_for_activity($node, $late, "status = 'timed_out'");
my ($beats, $beats_token) = start($node, 'beats', "heartbeat_timeout => '1 h'");
sql($node, "SELECT taskq.heartbeat('$beats_token', '1')");
wait_for_flush($node);
sql($node, q(SELECT taskq.configure_queue('gone', '{"retention": "0"}');
	SELECT count(*) FROM taskq.schedule_many('gone', 't', ARRAY(SELECT '1'::jsonb FROM generate_series(1, 500)), start_to_close_timeout => '1 h');
	SELECT count(*) FROM taskq.complete_many(ARRAY(SELECT task_token FROM taskq.poll('gone', max_tasks => 400)))));
$node->wait_for_catchup('s');

# As text, each table of one server.
sub contents
{
	my ($server) = @_;
	my @tables = split /\n/, $server->safe_psql('postgres',
		"SELECT oid::regclass FROM pg_class WHERE relnamespace = 'taskq'::regnamespace AND relkind = 'r' ORDER BY oid::regclass::text");

	return { map { $_ => $server->safe_psql('postgres', "SELECT t::text FROM $_ t ORDER BY 1") } @tables };
}

my $published = contents($node);
my $copied = contents($copy);
is_deeply($copied, $published, 'the copy is complete');
cmp_ok(length($published->{'taskq.open'}), '>', 10000, 'and not empty');
is( sql($node, "SELECT count(*) FROM pg_logical_slot_get_changes('decoded', NULL, NULL) WHERE data LIKE 'table taskq.open: INSERT%'"),
	sql($node, 'SELECT last_value - 1 FROM taskq.run_id_seq'),
	'every task that was scheduled is decoded');

# The copy does nothing.
($rc, $out, $err) = $copy->psql('postgres', "SELECT taskq.poll('held')");
like($err, qr/taskq is not loaded|shared_preload_libraries/, 'it hands nothing out');
is($copy->safe_psql('postgres', "SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'taskq%'"), '0', 'and has no worker');
is($copy->safe_psql('postgres', "SELECT status FROM taskq.activities WHERE activity_id = 'held'"), 'running', 'it can be read');

# It takes over.
$node->stop;
$copy->safe_psql('postgres', "ALTER SUBSCRIPTION s DISABLE; ALTER SUBSCRIPTION s SET (slot_name = NONE); DROP SUBSCRIPTION s");
$copy->append_conf('postgresql.conf', "shared_preload_libraries = 'taskq'");
$copy->restart;
ok(wait_served($copy, 'postgres'), 'as a server of its own it has a worker');
$copy->safe_psql('postgres',
	"SELECT setval('taskq.run_id_seq', (SELECT max(run_id) + 1000000 FROM taskq.activities))");
is(sqlstate($copy, "SELECT taskq.complete('$token', '1')"), 'ok', 'a token of the publisher is good');
is(activity($copy, $held, 'status, result'), 'completed|1', 'and closes its run');
cmp_ok(schedule($copy, 'new'), '>', $held, 'numbers of runs go on');
is(sql($copy, "SELECT count(*) FROM taskq.poll('gone', max_tasks => 1000)"), '100', 'tasks are handed out');

done_testing();
