# Ten times as much of everything as the settings have room for. Nothing is lost,
# nobody starves, taskq.health says which setting it is, and the log says so
# once: again when it has begun anew, or goes on for an hour.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Taskq;
use TaskqCounts;
use TaskqTest;
use Test::More;

use constant {
	SIZE => 16,
	MANY => 160,
	ATTEMPTS => 10000,	# to be timed out
	EVENTS => 640,	# of one worker, for whom 64 are kept
};

my $node = activity_node(
	'main',
	(map { "taskq.$_ = ${\SIZE}" } qw(max_queues max_lanes max_pollers max_delays heartbeat_slots timer_buffer)),
	'taskq.max_listened_queues = 4',
	'fsync = off',
	'log_statement = none');

sub health
{
	my ($check, $columns) = @_;

	return sql($node, "SELECT $columns FROM taskq.health WHERE check_name = '$check'");
}

sub times_logged
{
	my ($things) = @_;

	return count_matches(slurp_file($node->logfile), qr/LOG: .*taskq has no room for more $things$/m);
}

# What is done exceeds that size, and says so.
sub exceeds
{
	my ($check, $things, $setting, $do) = @_;

	is(health($check, 'status'), 'ok', "$check: all fit");
	$do->();
	like(health($check, "concat_ws('|', status, detail, hint)"),
		qr/^warning\|\Q$setting\E = \d+ was exceeded \S+ ago\|Consider .*\w/, "$check: health says that they do not");
	ok($node->poll_query_until('postgres', "SELECT pg_read_file('${\$node->logfile}') ~ 'more $things\\n.*DETAIL: .*$setting = .*\\n.*HINT: '"),
		"$check: so does the log");
	is(times_logged($things), 1, "$check: once");
	return;
}

sub fill
{
	my ($queue, $n, $arguments) = @_;

	$arguments //= '';
	return sql($node, "SELECT count(s) FROM generate_series(1, $n) i, LATERAL taskq.schedule($queue, 't', to_jsonb(i),
		start_to_close_timeout => '1 h' $arguments) s");
}

# ---- deadlines ----

exceeds('timer_buffer', 'deadlines', 'taskq.timer_buffer', sub {
	sql($node, "SELECT count(*) FROM taskq.schedule_many('timers', 't', array_fill(NULL::jsonb, ARRAY[${\ATTEMPTS}]),
		start_to_close_timeout => '10 ms', retry_policy => taskq.retry_policy(maximum_attempts => 1))");
	is(sql($node, "SELECT count(*) FROM taskq.poll('timers', max_tasks => ${\ATTEMPTS})"), ATTEMPTS, 'attempts start');
	ok($node->poll_query_until('postgres',
		"SELECT count(*) = ${\ATTEMPTS} FROM taskq.activities WHERE task_queue = 'timers' AND status = 'timed_out'"), 'and all are timed out');
});

# ---- heartbeats ----

exceeds('heartbeat_slots', 'heartbeats', 'taskq.heartbeat_slots', sub {
	fill("'beats'", MANY);
	sql($node, "CREATE TABLE beats AS SELECT run_id, task_token FROM taskq.poll('beats', max_tasks => ${\MANY})");
	for my $round (1 .. 3)
	{
		is(sql($node, "SELECT count(*) FROM beats b, LATERAL taskq.heartbeat(b.task_token, to_jsonb(b.run_id + $round)) h"), MANY, "heartbeats: round $round");
	}
	is(sql($node, "SELECT count(*), sum(d.total_heartbeat_count) FROM beats b, LATERAL taskq.describe(run_id => b.run_id) d
		WHERE d.heartbeat_details = to_jsonb(b.run_id + 3)"), MANY . '|' . 3 * MANY, 'the last one of each is seen, and all are counted');
	sql($node, "SELECT count(*) FROM taskq.release_many(ARRAY(SELECT task_token FROM beats)) r");
	is(sql($node, "SELECT count(*) FROM taskq.poll('beats', max_tasks => ${\MANY}) p WHERE p.heartbeat_details = to_jsonb(p.run_id + 3)"),
		MANY, 'the next attempts get them');
});

# ---- delays ----

exceeds('delays', 'delays', 'taskq.max_delays', sub {
	fill("'delays'", MANY, ", start_delay => make_interval(secs => 100 * i)");
	my $ready = sub { sql($node, "SET taskq.clock_offset = '$_[0]';
		SELECT backlog_count, delayed_count FROM taskq.task_queues WHERE task_queue = 'delays'") };
	is($ready->('0'), '0|' . MANY, 'delayed tasks');
	is($ready->('5050s'), '50|' . (MANY - 50), 'some of them are due');
	is(sql($node, "SET taskq.clock_offset = '5050s'; SELECT count(*) FROM taskq.poll('delays', max_tasks => ${\MANY})"), 50, 'and are handed out');
});

# ---- pollers ----

exceeds('pollers', 'pollers', 'taskq.max_pollers', sub {
	fill("'polled'", MANY);
	is(sql($node, "SELECT count(DISTINCT p.run_id) FROM generate_series(1, ${\MANY}) i, LATERAL taskq.poll('polled', 'poller ' || i) p"), MANY, 'many pollers: each gets a task');
	is(sql($node, "SELECT count(DISTINCT last_worker_identity) FROM taskq.activities WHERE task_queue = 'polled'"), MANY, 'which knows him');
	is(sql($node, "SELECT count(*), bool_or(identity = 'poller ${\MANY}') FROM taskq.pollers"), SIZE . '|t', 'as many are listed as there is room for, the last one among them');
});

# ---- fairness keys ----

exceeds('fairness_keys', 'fairness keys', 'taskq.max_lanes', sub {
	fill("'keys'", 1000, ", fairness_key => 'k000'");
	fill("'keys'", 3 * MANY, ", fairness_key => 'k' || i % ${\MANY}");
	sql($node, "CREATE TABLE got (n serial, key text);
		DO \$\$ BEGIN FOR i IN 1 .. 3 * (${\MANY} + 1) LOOP
			INSERT INTO got (key) SELECT fairness_key FROM taskq.poll('keys', 'poller'); COMMIT; END LOOP; END \$\$");
	is(sql($node, "SELECT min(times), max(times), count(*) FROM (SELECT key, count(*) AS times FROM got GROUP BY key) k"),
		'3|3|' . (MANY + 1), 'many keys take turns, whatever one of them has');
});

# ---- queues ----

exceeds('queues', 'task queues', 'taskq.max_queues', sub {
	fill("'q' || i % ${\MANY}", 3 * MANY);
	is(sql($node, "SELECT count(*), sum(backlog_count) FROM taskq.task_queues WHERE task_queue ~ '^q[0-9]+\$'"), MANY . '|' . 3 * MANY, 'many queues: all are seen');
	my $done = sql($node, "SELECT count(c) FROM generate_series(0, ${\MANY} - 1) i, LATERAL taskq.poll('q' || i, 'poller', max_tasks => 2) p,
		LATERAL taskq.complete(p.task_token) c");
	is($done, 2 * MANY, 'and served');
	cmp_ok(sql($node, 'SELECT count(*) FROM taskq.stat_task_queues'), '<=', SIZE, 'statistics are kept of as many as there is room for');
});

# ---- channels ----

exceeds('channels', 'channels', 'taskq.max_listened_queues', sub {
	my $listener = $node->background_psql('postgres');

	is(sql($node, "SELECT count(DISTINCT taskq.channel('c' || i)) FROM generate_series(1, 40) i"), 40, 'channels are asked for');
	my ($channel) = $listener->query_safe("SELECT taskq.channel('listened')") =~ /(taskq_\w+)/;
	$listener->query_safe("LISTEN $channel");
	sql($node, "SELECT count(taskq.channel('d' || i)) FROM generate_series(1, 40) i");
	schedule($node, 'listened');
	like(hear($listener, qr/"$channel" received/), qr/"$channel" received/, 'one that is listened to stays');
	$listener->quit;
});

# ---- events of a worker ----

sub set_notify_interval
{
	$node->append_conf('postgresql.conf', "taskq.notify_interval = $_[0]");
	$node->reload;
	return;
}

exceeds('worker_events', 'events of one worker', 'events kept for a worker', sub {
	my $worker = $node->background_psql('postgres');
	my ($channel) = $worker->query_safe("SELECT taskq.worker_channel('w')") =~ /(taskqw_\w+)/;

	set_notify_interval(60000);
	$worker->query_safe("LISTEN $channel");
	fill("'events'", 1 + EVENTS);
	sql($node, "CREATE TABLE held AS SELECT run_id, task_token FROM taskq.poll('events', 'w', max_tasks => 1 + ${\EVENTS})");
	my ($first, $last) = split /\|/, sql($node, 'SELECT min(run_id), max(run_id) FROM held');
	sql($node, "SELECT taskq.request_cancel(run_id => $first)");
	like(hear($worker, qr/"run_id": "$first"/), qr/cancel_requested/, 'the first event is sent at once');
	sql($node, "SELECT count(*) FROM taskq.request_cancel_many(ARRAY(SELECT run_id FROM held WHERE run_id > $first ORDER BY 1)) c");
	set_notify_interval(0);
	my $heard = hear($worker, qr/"run_id": "$last"/);
	is(count_matches($heard, qr/cancel_requested/), 64, 'of many more than are kept the newest are sent');
	is(sql($node, "SELECT count(*) FROM held b, LATERAL taskq.heartbeat(b.task_token) h WHERE h.cancel_requested"), 1 + EVENTS, 'heartbeats tell of all');
	$worker->quit;
});

# ---- all in all ----

is(sql($node, "SELECT ${\counts_of_view()} = ${\counts_of_table()}"), "t", 'the views of queues count right');
is(sql($node, "SELECT string_agg(check_name, ', ') FROM taskq.health WHERE status = 'critical'"), '', 'nothing is critical');

# ---- what the log says ----

# More pollers than there is room for, so much later.
sub poll_at
{
	my ($minutes) = @_;

	return sql($node, "SET taskq.clock_offset = '${minutes}min'; SELECT count(p) FROM generate_series(1, ${\MANY}) i, LATERAL taskq.poll('nothing', 'later ' || i) p");
}

poll_at(0) foreach 1 .. 3;
poll_at(5 * $_) foreach 1 .. 11;
is(times_logged('pollers'), 1, 'while it goes on it is not said again ...');
my $offset = -s $node->logfile;
poll_at(60);
$node->wait_for_log(qr/room for more pollers/, $offset);
is(times_logged('pollers'), 2, '... but after an hour');
poll_at(65);
is(sql($node, "SET taskq.clock_offset = '70min'; SELECT status FROM taskq.health WHERE check_name = 'pollers'"), 'warning', 'health remembers');
is(sql($node, "SET taskq.clock_offset = '76min'; SELECT status FROM taskq.health WHERE check_name = 'pollers'"), 'ok', 'for ten minutes');
is(times_logged('pollers'), 2, 'so far it was said twice');
$offset = -s $node->logfile;
poll_at(80);
$node->wait_for_log(qr/room for more pollers/, $offset);
is(times_logged('pollers'), 3, 'when it begins anew it is said again');

done_testing();
