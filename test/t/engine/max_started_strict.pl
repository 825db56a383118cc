# max_started is strict: whatever polls at the same time, no more attempts run.
# Every end of an attempt makes room, a rollback gives it back, and who does not
# know how many run hands out nothing.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Taskq;
use TaskqTest;
use Test::More;

my $node = activity_node(
	'main',
	'max_prepared_transactions = 5',
	'restart_after_crash = on',
	'taskq.retention = 0');

sub configure
{
	my ($queue, $config) = @_;

	return sql($node, "SELECT taskq.configure_queue('$queue', '$config')");
}

sub fill
{
	my ($queue, $n) = @_;

	return sql($node,
		"SELECT count(*) FROM taskq.schedule_many('$queue', 't',
			array_fill(NULL::jsonb, ARRAY[$n]), start_to_close_timeout => '1 h')"
	);
}

sub take
{
	my ($queue, $n) = @_;

	return sql($node,
		"SELECT count(*) FROM taskq.poll('$queue', max_tasks => $n)");
}

sub running
{
	my ($queue) = @_;

	return sql($node,
		"SELECT started_count FROM taskq.task_queues WHERE task_queue = '$queue'"
	);
}

fill('q', 20);
configure('q', '{"max_started": 3}');
is(take('q', 10), 3, 'three of ten');
is(take('q', 1), 0, 'no fourth');
is(sql($node, "CALL taskq.wait_for_task('q', '0')"),
	'f', 'wait_for_task knows');

# Lowering kills nothing, raising makes room.
configure('q', '{"max_started": 1}');
is(running('q'), 3, 'lowered: nobody is killed');
is(take('q', 1), 0, 'and nothing handed out');
configure('q', '{"max_started": 5}');
is(take('q', 10), 2, 'raised: two more');
configure('q', '{"max_started": 0}');
is(take('q', 1), 1, '0 is no limit');
configure('q', '{"max_started": 6}');
is(take('q', 1), 0, 'what started without a limit counts');

# Each end of an attempt makes room for one.
configure('ends', '{"max_started": 1}');

sub frees
{
	my ($name, $end, $options, $state) = @_;
	my $run = schedule($node, 'ends', $options);
	my ($polled, $token) = split /\|/,
	  sql($node, "SELECT run_id, task_token FROM taskq.poll('ends')");
	my $other = schedule($node, 'ends');

	is($polled, $run, "$name: it runs");
	is(take('ends', 1), 0, "$name: no room");
	if (ref $end) { $end->($run, $token) }
	else
	{
		sql($node, sprintf($end, $end =~ /run_id/ ? $run : $token));
	}
	is(sql($node, "SELECT run_id FROM taskq.poll('ends')"),
		$other, "$name: room for one");
	is(take('ends', 1), 0, "$name: not for two");
	sql($node, "SELECT taskq.delete(run_id => run_id) FROM taskq.activities WHERE task_queue = 'ends'");
	return;
}

frees('complete', "SELECT taskq.complete('%s')");
frees('complete_by_id', "SELECT taskq.complete_by_id(run_id => %s)");
frees('complete_many', "SELECT taskq.complete_many(ARRAY['%s']::uuid[])");
frees('fail, retried', "SELECT taskq.fail('%s', 'x', next_retry_delay => '1 h')");
frees('fail, closed', "SELECT taskq.fail('%s', 'x', non_retryable => true)");
frees('terminate', 'SELECT taskq.terminate(run_id => %s)');
frees('delete', 'SELECT taskq.delete(run_id => %s)');
frees(
	'cancel',
	sub {
		my ($run, $token) = @_;
		sql($node, "SELECT taskq.request_cancel(run_id => $run)");
		is(take('ends', 1), 0, 'cancel: not before the worker complies');
		sql($node, "SELECT taskq.report_canceled('$token')");
	});
frees(
	'pause and fail',
	sub {
		my ($run, $token) = @_;
		sql($node, "SELECT taskq.pause(run_id => $run)");
		is(take('ends', 1), 0, 'pause: not before the attempt ends');
		sql($node, "SELECT taskq.fail('$token', 'x')");
	});
frees(
	'reset and fail',
	sub {
		my ($run, $token) = @_;
		sql($node, "SELECT taskq.reset(run_id => $run, jitter => '100 h')");
		is(take('ends', 1), 0, 'reset: not before the attempt ends');
		sql($node, "SELECT taskq.fail('$token', 'x');
			SELECT taskq.pause(run_id => $run)");
	});
frees(
	'timeout',
	sub {
		my ($run, $token) = @_;
		$node->poll_query_until('postgres',
			"SELECT count(*) = 0 FROM taskq.activities WHERE run_id = $run");
	},
	"start_to_close_timeout => '2 s', retry_policy => taskq.retry_policy(maximum_attempts => 1)"
);
frees(
	'timeout of all of it',
	sub {
		my ($run, $token) = @_;
		$node->poll_query_until('postgres',
			"SELECT count(*) = 0 FROM taskq.activities WHERE run_id = $run");
	},
	"schedule_to_close_timeout => '3 s'");

# Rolled back ends give the room not away, rolled back polls give it back.
my $session = $node->background_psql('postgres', on_error_stop => 0);

fill('back', 5);
configure('back', '{"max_started": 1}');
my $token = sql($node, "SELECT task_token FROM taskq.poll('back')");
$session->query_safe("BEGIN; SELECT taskq.complete('$token')");
is(take('back', 1), 0, 'an uncommitted end makes no room');
$session->query_safe('ROLLBACK');
is(take('back', 1), 0, 'a rolled back one neither');
$session->query_safe(
	"BEGIN; SAVEPOINT s; SELECT taskq.complete('$token'); ROLLBACK TO s; COMMIT"
);
is(take('back', 1), 0, 'nor one of a savepoint');
sql($node, "SELECT taskq.complete('$token')");
$session->query_safe("BEGIN; SELECT FROM taskq.poll('back')");
is(take('back', 1), 0, 'an uncommitted start takes the room');
$session->query_safe('ROLLBACK');
is(take('back', 1), 1, 'a rolled back one gives it back');
is(take('back', 1), 0, 'once');
sql($node,
	"SELECT taskq.complete_by_id(run_id => run_id) FROM taskq.activities WHERE task_queue = 'back' AND run_state = 'started'"
);
$session->query_safe(
	"BEGIN; SAVEPOINT s; SELECT FROM taskq.poll('back'); ROLLBACK TO s");
is(take('back', 1), 1, 'so does ROLLBACK TO SAVEPOINT');
$session->query_safe('COMMIT');
is(take('back', 1), 0, 'once');

# An end and a poll in one transaction: the room is not there before the commit.
fill('cycle', 5);
configure('cycle', '{"max_started": 2}');
my @tokens = split /\n/,
  sql($node, "SELECT task_token FROM taskq.poll('cycle', max_tasks => 2)");
my $n = sql($node,
	"SELECT count(*) FROM taskq.complete_and_poll(ARRAY['$tokens[0]']::uuid[], NULL, 'cycle', max_tasks => 5)"
);
cmp_ok($n, '<=', 1, 'complete_and_poll');
is(take('cycle', 5) + $n, 1, 'one place, taken once');

# An attempt counts for the queue it was taken from.
fill('from', 1);
configure('from', '{"max_started": 1}');
configure('to', '{"max_started": 1}');
my ($run, $moving) = split /\|/,
  sql($node, "SELECT run_id, task_token FROM taskq.poll('from')");
sql($node,
	qq(SELECT taskq.update_options(run_id => $run, options => '{"task_queue": "to"}'))
);
fill('from', 2);
fill('to', 2);
is(take('from', 1), 0, 'moved while it runs: counts for the old queue');
is(take('to', 1), 1, 'not for the new one');
is(sql($node, "SELECT string_agg(task_queue || ' ' || started_count, ', ' ORDER BY task_queue)
	FROM taskq.task_queues WHERE task_queue IN ('from', 'to')"),
	'from 1, to 1', 'task_queues says so');
sql($node, "SELECT taskq.fail('$moving', 'x', next_retry_delay => '1 ms')");
is(take('from', 1), 1, 'its end makes room in the old queue');
is(take('to', 1), 0, 'the new one has none');

# A crash: counted anew.
sql($node, "SELECT taskq.configure_queue('q', '{\"max_started\": 8}')");
is(take('q', 1), 1, 'seven run');
$node->stop('immediate');
$node->start;
wait_served($node, 'postgres');
is(take('q', 10), 1, 'after a crash only one more is handed out');
is(running('q'), 8, 'eight run');
is(take('from', 5) + take('to', 5), 0,
	'attempts that changed queues are counted where they were taken from');

# A queue that gets its first limit is counted at once.
fill('late', 6);
is(take('late', 4), 4, 'four run without a limit');
configure('late', '{"max_started": 5}');
is(take('late', 6), 1, 'one more with a limit of five');

# Prepared transactions: not known, so nothing is handed out.
fill('prepared', 10);
configure('prepared', '{"max_started": 2}');
is(take('prepared', 1), 1, 'one runs');
sql($node, "BEGIN; SELECT FROM taskq.poll('prepared'); PREPARE TRANSACTION 'p'");
is(take('prepared', 5), 0, 'one is prepared: no more');
is(take('late', 5), 0, 'other queues');
sql($node, "SELECT taskq.complete_by_id(run_id => run_id) FROM taskq.activities WHERE task_queue = 'late'");
fill('late', 1);
is(take('late', 1), 1, 'go on');
sql($node, "COMMIT PREPARED 'p'");
is(take('prepared', 5), 0, 'committed: two run');
is(running('prepared'), 2, 'two run');
my $held = sql($node,
	"SELECT run_id FROM taskq.activities WHERE task_queue = 'prepared' AND run_state = 'started' LIMIT 1"
);
sql($node,
	"BEGIN; SELECT taskq.terminate(run_id => $held); PREPARE TRANSACTION 'p'");
is(take('prepared', 5), 0, 'an end is prepared: no room');
sql($node, "ROLLBACK PREPARED 'p'");
is(take('prepared', 5), 0, 'rolled back: no room');
sql($node,
	"BEGIN; SELECT taskq.terminate(run_id => $held); PREPARE TRANSACTION 'p'");
$node->stop('immediate');
$node->start;
wait_served($node, 'postgres');
is(take('prepared', 5), 0, 'after a crash it is still prepared: no room');
sql($node, "COMMIT PREPARED 'p'");
is(take('prepared', 5), 1, 'committed: room for one');
sql($node, "CREATE TABLE unrelated ();
	BEGIN; CREATE TABLE other (); PREPARE TRANSACTION 'u'");
like( sql($node, "SELECT detail FROM taskq.health WHERE check_name = 'oldest_snapshot'"),
	qr/prepared transaction "u"/, 'health names it');
fill('new', 3);
configure('new', '{"max_started": 1}');
is(take('new', 3), 1,
	'a prepared transaction that has nothing to do with taskq is no matter');
sql($node, "ROLLBACK PREPARED 'u'");

# What is prepared for a queue that nobody has used yet concerns that one only.
sub prepare_task
{
	my ($queue, $gid) = @_;

	return sql($node,
		"BEGIN; SELECT FROM taskq.schedule('$queue', 't', start_to_close_timeout => '1 h'); PREPARE TRANSACTION '$gid'");
}

prepare_task('unused', 's');
fill('fresh', 5);
configure('fresh', '{"max_started": 1}');
is(take('fresh', 3), 1, 'a task of an unused queue is prepared: another fresh one goes on');
fill('unused', 1);
configure('unused', '{"max_started": 1}');
is(take('unused', 3), 0, 'that one does not');
sql($node, "COMMIT PREPARED 's'");
is(take('unused', 3), 1, 'until it is committed');
is(running('unused'), 1, 'and counted');

# After a start no numbers are known, and they cannot be counted before.
prepare_task('another', 's');
configure('fresh', '{"max_started": 4}');
fill('free', 1);
$node->restart;
wait_served($node, 'postgres');
is(take('fresh', 5), 0, 'a start while a task is prepared: no queue with a limit goes on');
is(take('free', 5), 1, 'those without do');
sql($node, "ROLLBACK PREPARED 's'");
is(take('fresh', 5), 3, 'until it is rolled back');

# Concurrent pollers, some of whom roll back; the most that ever ran is what an
# observer in the same transaction sees.
fill('race', 3000);
configure('race', '{"max_started": 4}');
sql($node, 'CREATE TABLE seen (n int)');
my $script = PostgreSQL::Test::Utils::tempdir() . '/race.sql';

append_to_file($script, <<'SQL');
\set commits random(1, 3)
\if :commits > 1
CREATE TEMP TABLE IF NOT EXISTS mine (token uuid);
TRUNCATE mine;
INSERT INTO mine SELECT task_token FROM taskq.poll('race', max_tasks => 2);
INSERT INTO seen SELECT count(*) FROM taskq.activities WHERE task_queue = 'race' AND run_state = 'started';
SELECT taskq.complete(token) FROM mine;
\else
BEGIN;
SELECT count(*) FROM taskq.poll('race', max_tasks => 2);
ROLLBACK;
\endif
SQL
$node->command_ok(
	[
		'pgbench', '-n', '-c', '8', '-j', '2', '-t', '60', '-f', $script,
		'-h', $node->host, '-p', $node->port, 'postgres'
	],
	'eight pollers');
is(sql($node, 'SELECT max(n) FROM seen'), 4, 'never more than four ran');
is(take('race', 10), 4, 'all the room is there again');

# The same while the worker that counts is killed, and queues become unknown.
sql($node, "SELECT taskq.complete_by_id(run_id => run_id) FROM taskq.activities
	WHERE task_queue = 'race' AND run_state = 'started'; TRUNCATE seen");
my $bench = IPC::Run::start(
	[
		'pgbench', '-n', '-c', '4', '-j', '2', '-t', '60', '-f', $script,
		'-h', $node->host, '-p', $node->port, 'postgres'
	],
	'>', \my $out, '2>', \my $err);
for my $round (1 .. 5)
{
	my $pid = worker_pid($node, 'postgres');

	sql($node, "BEGIN; SELECT FROM taskq.poll('race'); PREPARE TRANSACTION 'r'");
	sql($node, "SELECT pg_terminate_backend($pid)") if $pid ne '';
	sql($node, "ROLLBACK PREPARED 'r'");
}
ok(IPC::Run::finish($bench), 'pollers while the worker comes and goes')
  or diag($err);
like($out, qr/failed transactions: 0 /, 'none of their calls is given up');
cmp_ok(sql($node, 'SELECT coalesce(max(n), 0) FROM seen'),
	'<=', 4, 'never more than four ran');
$node->poll_query_until('postgres',
	"SELECT count(*) > 0 FROM pg_stat_activity WHERE backend_type = 'taskq worker'");
ok( $node->poll_query_until(
		'postgres', "SELECT count(*) = 4 FROM (SELECT FROM taskq.poll('race', max_tasks => 10)
			UNION ALL SELECT FROM taskq.activities WHERE task_queue = 'race' AND run_state = 'started') x"
	),
	'all the room is there again, and no more');
is(running('race'), 4, 'four run');
is(take('race', 1), 0, 'no fifth');

$session->quit;
done_testing();
