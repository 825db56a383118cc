# Ten times as much as sizes that no setting changes: how many are woken, told,
# notified, flushed or remembered at a time.

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

use constant {
	WAITERS => 640,		# 64 are woken at a time
	QUEUES => 320,		# a transaction tells of 32 one by one
	CHANNELS => 160,	# 16 are notified at a time
	BEATS => 2560,		# 256 are written at a time
	KEYS => 100_000,	# a transaction tells of 65,536 one by one; 4,096 are listed
};

my $node = activity_node('main', 'max_connections = ' . (WAITERS + 20), 'taskq.heartbeat_flush = 200ms',
	'fsync = off', 'log_statement = none');

sub waiting
{
	my ($n) = @_;

	return $node->poll_query_until('postgres',
		"SELECT count(*) = $n FROM pg_stat_activity WHERE query LIKE 'CALL taskq.wait_for%' AND wait_event_type = 'Extension'");
}

# ---- sessions that wait for one queue ----

my $script = $node->basedir . '/wait.sql';
append_to_file($script, "CALL taskq.wait_for_task('crowd', '1 h', NULL);\nSELECT FROM taskq.poll('crowd');\n");
my $errors = '';
my $crowd = IPC::Run::start(
	[ 'pgbench', '-n', '-c', WAITERS, '-t', 1, '-f', $script, $node->connstr('postgres') ],
	'<', '/dev/null', '>', '/dev/null', '2>', \$errors, IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
ok(waiting(WAITERS), 'many sessions wait for one queue');
sql($node, "SELECT count(*) FROM taskq.schedule_many('crowd', 't', array_fill(NULL::jsonb, ARRAY[${\WAITERS}]), start_to_close_timeout => '1 h')");
$crowd->finish;
is($errors =~ /error|abort/i ? $errors : '', '', 'one commit wakes them all');
is(sql($node, "SELECT count(*) FROM taskq.activities WHERE run_state = 'started'"), WAITERS, 'and each has a task');

# ---- queues of one transaction, channels of one session ----

my $listener = $node->background_psql('postgres');
my @waiters = map { $node->background_psql('postgres') } 1 .. 2;

sql($node, "SELECT count(taskq.channel('e' || i)) FROM generate_series(1, ${\CHANNELS}) i");

# on how many channels the session hears something, after what it has heard
sub channels_heard
{
	my ($heard) = @_;
	my $rounds = 25 * $PostgreSQL::Test::Utils::timeout_default;
	my %channels;

	while ($rounds-- > 0)
	{
		$channels{$_} = 1 foreach $heard =~ /"(taskq_e\d+_\w+)" received/g;
		last if keys %channels == CHANNELS;
		$heard = $listener->query_safe('SELECT FROM pg_sleep(0.02)') . "\n";
	}
	return scalar keys %channels;
}

is(channels_heard($listener->query_safe("SELECT format('LISTEN %I', taskq.channel('e' || i)) FROM generate_series(1, ${\CHANNELS}) i \\gexec")),
	CHANNELS, 'a session listens to many channels');
$waiters[0]->query_until(qr/started/, "\\echo started\nCALL taskq.wait_for_task('e1', '1 h', NULL);\n");
$waiters[1]->query_until(qr/started/, "\\echo started\nCALL taskq.wait_for_task('e${\QUEUES}', '1 h', NULL);\n");
ok(waiting(2), 'two wait');
sql($node, "SELECT count(s) FROM generate_series(1, ${\QUEUES}) i, LATERAL taskq.schedule('e' || i, 't', to_jsonb(i), start_to_close_timeout => '1 h') s");
like($_->query_until(qr/^t$/m, ''), qr/^t$/m, 'who waits for one of many queues is woken') foreach @waiters;
is(channels_heard(''), CHANNELS, 'and each channel is notified');
$_->quit foreach @waiters, $listener;

# ---- queues of one wait ----

my $list = join(',', map { "e$_" } 1 .. 640);
is(sqlstate($node, "CALL taskq.wait_for_tasks('{$list}', '1 ms', NULL)"), '22023', 'more queues than a session can wait for');
$list = join(',', ('none') x 32, map { "none$_" } 1 .. 32);
is(sql($node, "CALL taskq.wait_for_tasks('{$list}', '1 ms', NULL)"), '', 'one that is named again and again counts once');

# ---- heartbeats ----

sql($node, "SELECT count(*) FROM taskq.schedule_many('beats', 't', array_fill(NULL::jsonb, ARRAY[${\BEATS}]), start_to_close_timeout => '1 h');
	CREATE TABLE beats AS SELECT run_id, task_token FROM taskq.poll('beats', max_tasks => ${\BEATS});
	SELECT count(h) FROM beats b, LATERAL taskq.heartbeat(b.task_token, to_jsonb(b.run_id)) h");
ok(wait_for_flush($node), 'many heartbeats are written');
is(sql($node, 'SELECT count(*) FROM taskq.heartbeat_state h JOIN beats USING (run_id) WHERE h.details = to_jsonb(run_id)'), BEATS, 'all of them');

# ---- requests of one run ----

my $run = schedule($node, 'requests', "activity_id => 'one', request_id => 'r0'");
is(sql($node, "SELECT min(s.run_id), max(s.run_id) FROM generate_series(0, 500) i, LATERAL taskq.schedule('requests', 't', to_jsonb(i), activity_id => 'one',
	request_id => 'r' || i, id_conflict_policy => 'use_existing', start_to_close_timeout => '1 h') s"), "$run|$run", 'many requests for one run');
is(sql($node, "SELECT s.run_id, s.created FROM taskq.schedule('requests', 't', activity_id => 'one', request_id => 'r1',
	id_conflict_policy => 'use_existing', start_to_close_timeout => '1 h') s") , "$run|f", 'one that is not remembered finds it, too');

# ---- weights ----

sub weigh
{
	return "SELECT FROM taskq.configure_queue('weights', jsonb_build_object('fairness_weights', (SELECT jsonb_object_agg('k' || i, 1 + i % 5) FROM generate_series(1, $_[0]) i)))";
}
is(sqlstate($node, weigh(10_000)), '22023', 'more weights than a queue can have');
sql($node, weigh(1000));
sql($node, "SELECT count(s) FROM generate_series(1, 40) t, generate_series(1, 200) i, LATERAL taskq.schedule('weights', 't', to_jsonb(t),
	fairness_key => 'k' || i, start_to_close_timeout => '1 h') s");
sql($node, "CREATE TABLE got AS SELECT fairness_key FROM taskq.poll('weights', max_tasks => 2400)");
is(sql($node, "SELECT count(*), max(abs(n - 4 * (1 + i % 5))) <= 1 FROM (
	SELECT substr(fairness_key, 2)::int AS i, count(*) AS n FROM got GROUP BY 1) w"),
	'200|t', 'each of a thousand weights counts');

# ---- lanes of one transaction ----

sql($node, "SELECT count(*) FROM taskq.poll('lanes')");
is(sql($node, "SELECT count(s) FROM generate_series(1, ${\KEYS}) i, LATERAL taskq.schedule('lanes', 't', to_jsonb(i), fairness_key => 'k' || i, start_to_close_timeout => '1 h') s"),
	KEYS, 'a transaction with very many keys');
is(sql($node, "CREATE TABLE lanes AS SELECT run_id, task_token, fairness_key FROM taskq.poll('lanes', max_tasks => ${\KEYS});
	SELECT count(*), count(DISTINCT fairness_key) FROM lanes"), KEYS . '|' . KEYS, 'all are handed out');
is(sql($node, "SELECT count(*) FROM taskq.complete_many(ARRAY(SELECT task_token FROM lanes)) c WHERE c.ok"), KEYS, 'and ended');

is(sql($node, "SELECT string_agg(check_name || ' ' || detail, ', ') FROM taskq.health WHERE status <> 'ok'
	AND check_name NOT IN ('fairness_keys', 'timer_buffer', 'oldest_snapshot', 'dead_rows', 'background_worker')"), '', 'nothing else is exceeded');

done_testing();
