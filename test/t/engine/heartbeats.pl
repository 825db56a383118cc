# Heartbeats wait in shared memory to be written with many others: they are
# seen as soon as they are committed, and not before; they reach the next
# attempt and the closed row; the table follows.

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
	'max_prepared_transactions = 10',
	"taskq.heartbeat_flush = '1h'");
my $retry = "retry_policy => taskq.retry_policy(initial_interval => '1 ms')";

# Details and count of the last heartbeat, as everybody sees them.
sub last_beat
{
	my ($run) = @_;

	return activity($node, $run, 'heartbeat_details, total_heartbeat_count');
}

# The same, as the table has them.
sub stored
{
	my ($run) = @_;

	return sql($node,
		"SELECT details, count FROM taskq.heartbeat_state WHERE run_id = $run");
}

sub beat
{
	my ($token, $details) = @_;

	return sql($node,
		'SELECT FROM taskq.heartbeat('
		  . join(', ', "'$token'", defined $details ? "'$details'" : ()) . ')');
}

# Details that do not fit into a slot.
sub large
{
	my ($n) = @_;

	return "[$n, \"" . ('x' x 300) . '"]';
}

sub is_large
{
	my ($run, $n, $count, $name) = @_;

	return is(
		activity(
			$node, $run, 'heartbeat_details->0, total_heartbeat_count'),
		"$n|$count",
		$name);
}

# ---- committed, and not --------------------------------------------------

my ($run, $token) = start($node, 'q', $retry);
beat($token, 1);
is(last_beat($run), '1|1', 'seen once it is committed');
is(stored($run), '', 'and not written');
is( sql($node,
		"BEGIN;
		 SELECT FROM taskq.heartbeat('$token', '2');
		 SELECT FROM taskq.heartbeat_many(ARRAY['$token', '$token']::uuid[], ARRAY['3', '4']::jsonb[]);
		 SELECT coalesce(pg_current_xact_id_if_assigned()::text, 'none');
		 COMMIT"),
	'none',
	'a transaction of heartbeats has no transaction id');
is(last_beat($run), '4|4', 'several in a transaction');
beat($token);
is(last_beat($run), '|5', 'NULL replaces, too');
is( sql($node,
		"SELECT last_heartbeat_time BETWEEN last_started_time AND clock_timestamp() FROM taskq.describe(run_id => $run)"
	),
	't',
	'describe() knows when');

my $session = $node->background_psql('postgres', on_error_stop => 0);
my $mine =
  "SELECT heartbeat_details, total_heartbeat_count FROM taskq.describe(run_id => $run)";
$session->query_safe("BEGIN; SELECT FROM taskq.heartbeat('$token', '6')");
is($session->query_safe($mine), '6|6', 'a transaction sees its own heartbeat');
is(last_beat($run), '|5', 'nobody else does');
$session->query_safe('ROLLBACK');
is(last_beat($run), '|5', 'nor when it is rolled back');
is($session->query_safe($mine), '|5', 'not even itself');

$session->query_safe(
	"BEGIN; SELECT FROM taskq.heartbeat('$token', '6');
	 SAVEPOINT a; SELECT FROM taskq.heartbeat('$token', '7');
	 SAVEPOINT b; SELECT FROM taskq.heartbeat('$token', '8'); RELEASE b");
is($session->query_safe($mine), '8|8', 'within savepoints');
$session->query_safe('ROLLBACK TO a');
is($session->query_safe($mine), '6|6', 'a savepoint takes its own back');
$session->query_safe(
	"SAVEPOINT c; SELECT FROM taskq.heartbeat('$token', '9'); RELEASE c; COMMIT");
is(last_beat($run), '9|7', 'what is left is committed');
$session->query_safe(
	"BEGIN; SAVEPOINT a; SELECT FROM taskq.heartbeat('$token', '10'); ROLLBACK TO a; COMMIT"
);
is(last_beat($run), '9|7', 'or nothing');

# ---- large details -------------------------------------------------------

beat($token, large(1));
is_large($run, 1, 8, 'details that do not fit');
isnt(stored($run), '', 'are written');
beat($token, 2);
is(last_beat($run), '2|9', 'small ones after large ones');
beat($token, large(3));
beat($token, large(4));
is_large($run, 4, 11, 'and the other way round');
$session->query_safe(
	"BEGIN; SELECT FROM taskq.heartbeat('$token', '5');
	 SELECT FROM taskq.heartbeat('$token', '${\large(6)}');
	 SELECT FROM taskq.heartbeat('$token', '7');
	 SAVEPOINT a;
	 SELECT FROM taskq.heartbeat('$token', '${\large(8)}');
	 SELECT FROM taskq.heartbeat('$token', '9')");
is($session->query_safe($mine), '9|16', 'mixed in a transaction');
$session->query_safe('ROLLBACK TO a');
is($session->query_safe($mine), '7|14', 'with a savepoint');
is_large($run, 4, 11, 'others do not see it');
$session->query_safe('COMMIT');
is(last_beat($run), '7|14', 'it is committed');
$session->query_safe(
	"BEGIN; SELECT FROM taskq.heartbeat('$token', '8');
	 SELECT FROM taskq.heartbeat('$token', '${\large(9)}'); ROLLBACK");
is(last_beat($run), '7|14', 'or rolled back');

# ---- the next attempt, and the closed row --------------------------------

sub next_attempt
{
	my ($name, $end, $expected) = @_;
	my ($next, $details);

	sql($node, $end);
	$node->poll_query_until('postgres',
		"SELECT run_state = 'scheduled' FROM taskq.activities WHERE run_id = $run");
	is(last_beat($run), $expected, "$name: is kept");
	is(stored($run), $expected, "$name: is written");
	$node->poll_query_until('postgres',
		"SELECT next_attempt_schedule_time IS NULL FROM taskq.activities WHERE run_id = $run");
	($token, $details) = split /\|/,
	  sql($node, "SELECT task_token, heartbeat_details FROM taskq.poll('q')");
	is("$details|" . (split /\|/, last_beat($run))[1],
		$expected, "$name: the next attempt gets it");
	return;
}

next_attempt('a failure', "SELECT taskq.fail('$token', 'no')", '7|14');
next_attempt(
	'a heartbeat and a failure in a transaction',
	"BEGIN; SELECT FROM taskq.heartbeat('$token', '8');
	 SELECT taskq.fail('$token', 'no'); COMMIT",
	'8|15');
beat($token, 9);
next_attempt('a last checkpoint',
	"SELECT taskq.fail('$token', 'no', last_heartbeat_details => '10')", '10|17');
beat($token, 11);
next_attempt(
	'a timeout',
	"SELECT taskq.update_options(run_id => $run, options => '{\"start_to_close_timeout\": \"1 ms\"}');
	 SELECT pg_sleep(0.1);
	 SELECT taskq.update_options(run_id => $run, options => '{\"start_to_close_timeout\": \"1 h\"}')",
	'11|18');
beat($token, 12);
sql($node, "SELECT taskq.reset(run_id => $run)");
next_attempt('a reset', "SELECT taskq.fail('$token', 'no')", '12|19');
beat($token, 13);
sql($node, "SELECT taskq.pause(run_id => $run)");
next_attempt(
	'a pause',
	"SELECT taskq.fail('$token', 'no');
	 SELECT taskq.unpause(run_id => $run, skip_backoff => true)",
	'13|20');
beat($token, 14);
$session->query_safe("BEGIN; SELECT taskq.fail('$token', 'no')");
is(last_beat($run), '14|21', 'an uncommitted end');
$session->query_safe('ROLLBACK');
is(last_beat($run), '14|21', 'and one that is rolled back');
beat($token, 15);
is(last_beat($run), '15|22', 'the attempt goes on');
$session->query_safe(
	"BEGIN; SAVEPOINT a; SELECT taskq.fail('$token', 'no'); ROLLBACK TO a;
	 SELECT FROM taskq.heartbeat('$token', '16'); COMMIT");
is(last_beat($run), '16|23', 'also after a savepoint');
sql($node,
	"SELECT taskq.reset(run_id => $run, reset_heartbeat => true);
	 SELECT taskq.fail('$token', 'no')");
is(activity($node, $run, 'heartbeat_details, last_heartbeat_time, total_heartbeat_count'),
	'||23', 'a reset may clear it');
$token = sql($node, "SELECT task_token FROM taskq.poll('q')");
beat($token, 17);
is(last_beat($run), '17|24', 'and the count goes on');
sql($node, "SELECT taskq.complete('$token')");
is(last_beat($run), '17|24', 'a completion keeps it');
is(stored($run), '', 'in the closed row');

for my $end ('terminate(run_id => %s)', 'request_cancel(run_id => %s)')
{
	($run, $token) = start($node, 'q');
	beat($token, 1);
	sql($node, sprintf("SELECT taskq.$end", $run));
	sql($node, "SELECT taskq.report_canceled('$token')") if $end =~ /cancel/;
	is(last_beat($run), '1|1', "so does $end");
}
($run, $token) = start($node, 'q', "heartbeat_timeout => '1 h', retry_policy => taskq.retry_policy(maximum_attempts => 1)");
beat($token, '"here"');
sql($node,
	"SELECT taskq.update_options(run_id => $run, options => '{\"heartbeat_timeout\": \"300 ms\"}')");
my $beaten_at = activity($node, $run, 'last_heartbeat_time');
ok(wait_for_activity($node, $run, "status = 'timed_out'"),
	'a heartbeat timeout');
is(activity($node, $run, "failure->'last_heartbeat_details', last_heartbeat_time"),
	"\"here\"|$beaten_at", 'tells the last heartbeat');
at_or_after($node, $run, 'close_time',
	"timestamptz '$beaten_at' + heartbeat_timeout", 'and does not come early');

# Heartbeats put the timeout off, without a look at the row; nothing is
# overlooked by that.
my %case = (
	'a shorter StartToClose timeout' => [ '{"start_to_close_timeout": "1 ms"}', 'start_to_close' ],
	'a shorter Heartbeat timeout' => [ '{"heartbeat_timeout": "1 ms"}', 'heartbeat' ],
	'silence' => [ '{"priority": 1}', 'heartbeat' ]);
for my $name (sort keys %case)
{
	($run, $token) = start($node, 'q', "heartbeat_timeout => '1 s', retry_policy => taskq.retry_policy(maximum_attempts => 1)");
	sql($node,
		"DO \$\$ BEGIN
		   FOR i IN 1 .. 100000 LOOP
			 PERFORM taskq.heartbeat('$token', to_jsonb(i));
			 COMMIT;
			 EXIT WHEN clock_timestamp() > (SELECT last_started_time + 3 * heartbeat_timeout FROM taskq.describe(run_id => $run));
			 COMMIT;
			 PERFORM pg_sleep(0.02);
			 COMMIT;
		   END LOOP;
		   PERFORM taskq.update_options(run_id => $run, options => '$case{$name}[0]');
		 END \$\$");
	ok(wait_for_activity($node, $run, "status = 'timed_out'"), "$name: noticed");
	is(activity($node, $run, "failure->>'timeout_type'"), $case{$name}[1], "$name: as such");
	at_or_after($node, $run, 'close_time', 'last_heartbeat_time + heartbeat_timeout',
		"$name: not early") if $name eq 'silence';
}

# ---- two-phase commit ----------------------------------------------------

for my $details ('2', large(2))
{
	my $small = length($details) == 1 ? 'small' : 'large';

	for my $known (0, 1)
	{
		my $name = "prepared, $small, " . ($known ? 'not the first' : 'first');
		my $before = $known ? '1|1' : '|0';

		for my $end ('ROLLBACK', 'COMMIT')
		{
			($run, $token) = start($node, 'q');
			beat($token, 1) if $known;
			sql($node,
				"BEGIN; SELECT FROM taskq.heartbeat('$token', '$details'); PREPARE TRANSACTION 'p'");
			is(last_beat($run), $before, "$name: not seen");
			sql($node, "$end PREPARED 'p'");
			is( activity(
					$node, $run,
					"coalesce(heartbeat_details->0, heartbeat_details), total_heartbeat_count"
				),
				$end eq 'COMMIT' ? '2|' . ($known + 1) : $before,
				"$name: $end");
			beat($token, 3);
			is( last_beat($run),
				'3|' . ($known + ($end eq 'COMMIT') + 1),
				"$name: $end, and the next one");
			sql($node, "SELECT taskq.complete('$token')");
			is( last_beat($run),
				'3|' . ($known + ($end eq 'COMMIT') + 1),
				"$name: $end, and the close");
		}
	}
}
($run, $token) = start($node, 'q');
beat($token, 1);
sql($node, "BEGIN; SELECT taskq.complete('$token'); PREPARE TRANSACTION 'p'");
is(last_beat($run), '1|1', 'a prepared completion');
sql($node, "COMMIT PREPARED 'p'");
is(activity($node, $run, 'status, heartbeat_details'), 'completed|1', 'has the heartbeat');

# ---- the flush -----------------------------------------------------------

my ($busy, $busy_token) = start($node, 'q');
my ($quiet, $quiet_token) = start($node, 'q');
my ($gone, $gone_token) = start($node, 'q');
sql($node,
	"DO \$\$ BEGIN FOR i IN 1 .. 100 LOOP PERFORM taskq.heartbeat('$busy_token', to_jsonb(i)); COMMIT; END LOOP; END \$\$"
);
beat($quiet_token, 1);
beat($gone_token, 1);
is(sql($node, 'SELECT count(*) FROM taskq.heartbeat_state'),
	0, 'a hundred heartbeats write nothing');
sql($node, "DELETE FROM taskq.open WHERE run_id = $gone");
$session->query_safe(
	"BEGIN; SELECT FROM taskq.heartbeat('$quiet_token', '2')");
$node->append_conf('postgresql.conf', "taskq.heartbeat_flush = '100ms'");
$node->reload;
ok(wait_for_flush($node), 'the table follows');
is(stored($busy), '100|100', 'with the last heartbeat');
is(stored($quiet), '1|1', 'with what is committed');
is(stored($gone), '', 'and nothing of a row that was deleted');
$session->query_safe('COMMIT');
beat($busy_token, 101);
ok(wait_for_flush($node), 'again and again');
is(stored($busy) . ' ' . stored($quiet), '101|101 2|2', 'each time');

# what somebody else has locked is left for later
$session->query_safe("BEGIN; SELECT FROM taskq.heartbeat_state WHERE run_id = $busy FOR UPDATE");
beat($busy_token, 102);
beat($quiet_token, 3);
$node->poll_query_until('postgres',
	"SELECT count = 3 FROM taskq.heartbeat_state WHERE run_id = $quiet");
is(last_beat($busy), '102|102', 'a row that is held keeps nothing waiting');
$session->query_safe('ROLLBACK');
ok(wait_for_flush($node), 'and is written later');
is(stored($busy), '102|102', 'too');

# a worker that has to go leaves nothing behind, and what it cannot write at
# once to the next one
$node->append_conf('postgresql.conf', "taskq.heartbeat_flush = '1h'");
$node->reload;
my $worker = worker_pid($node, 'postgres');
$session->query_safe("BEGIN; SELECT FROM taskq.heartbeat_state WHERE run_id = $busy FOR UPDATE");
beat($busy_token, 103);
beat($quiet_token, 4);
sql($node, "SELECT pg_terminate_backend($worker)");
ok(wait_for_worker($node, $worker), 'another worker');
is(stored($quiet), '4|4', 'the first has left nothing behind');
is(stored($busy), '102|102', 'but what it could not write');
$session->query_safe('ROLLBACK');
is(last_beat($busy), '103|103', 'which is not lost');
$node->append_conf('postgresql.conf', "taskq.heartbeat_flush = '100ms'");
$node->reload;
ok(wait_for_flush($node), 'and flushed by the other');

# sessions that are killed leave nothing, and keep nobody waiting
my $killed = $node->background_psql('postgres', on_error_stop => 0);
my $pid = $killed->query_safe('SELECT pg_backend_pid()');
$killed->query_safe("BEGIN; SELECT FROM taskq.heartbeat('$busy_token', '104')");
sql($node, "SELECT pg_terminate_backend($pid, 10000)");
beat($busy_token, 105);
is(last_beat($busy), '105|104', 'a killed session');
eval { $killed->quit };

# ---- a snapshot that is held ---------------------------------------------

SKIP:
{
	skip 'pageinspect is not installed', 2
	  if sql($node,
		"SELECT count(*) FROM pg_available_extensions WHERE name = 'pageinspect'")
	  eq '0';
	sql($node, 'CREATE EXTENSION pageinspect; VACUUM taskq.heartbeat_state');
	my $versions = 'SELECT count(*) FROM generate_series(0, pg_relation_size($$taskq.heartbeat_state$$) / 8192 - 1) b,
		LATERAL heap_page_items(get_raw_page($$taskq.heartbeat_state$$, b::int)) WHERE t_data IS NOT NULL';

	wait_for_flush($node);
	my $before = sql($node, $versions);
	$session->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1');
	for my $round (1 .. 3)
	{
		sql($node,
			"DO \$\$ BEGIN FOR i IN 1 .. 50 LOOP PERFORM taskq.heartbeat('$busy_token', to_jsonb(i)); END LOOP; END \$\$"
		);
		wait_for_flush($node);
	}
	is(sql($node, $versions) - $before,
		3, 'under a held snapshot, one version per flush');
	is( $session->query_safe(
			"SELECT count(*) FROM taskq.heartbeat_state WHERE run_id = $busy"),
		1,
		'it sees its own');
	$session->query_safe('ROLLBACK');
}
$session->quit;

# ---- databases -----------------------------------------------------------

$node->append_conf('postgresql.conf', "taskq.heartbeat_flush = '1h'");
$node->reload;
for my $round (1, 2)
{
	sql($node, 'CREATE DATABASE other');
	$node->safe_psql('other', 'CREATE EXTENSION taskq');
	wait_served($node, 'other', 'postgres');
	my $other = $node->safe_psql(
		'other',
		"SELECT FROM taskq.schedule('q', 't', start_to_close_timeout => '1 h');
		 SELECT FROM taskq.poll('q') p, taskq.heartbeat(p.task_token, to_jsonb($round));
		 SELECT run_id, heartbeat_details, total_heartbeat_count FROM taskq.activities");
	is($other, "1|$round|1", "another database, round $round");
	sql($node, 'DROP DATABASE other');
}
($run, $token) = start($node, 'q');
beat($token, 1);
sql($node, 'DROP EXTENSION taskq; CREATE EXTENSION taskq');
wait_served($node, 'postgres');
($run, $token) = start($node, 'q');
is(last_beat($run), '|0', 'a new extension knows nothing');
beat($token, 2);
is(last_beat($run), '2|1', 'and starts anew');
$node->stop;

# ---- few slots, and none -------------------------------------------------

for my $slots (0, 16)
{
	$node->append_conf('postgresql.conf', "taskq.heartbeat_slots = $slots");
	$node->start;
	wait_served($node, 'postgres');
	my $queue = "slots $slots";
	sql($node,
		"SELECT count(*) FROM taskq.schedule_many('$queue', 't', array_fill('1'::jsonb, ARRAY[200]),
			start_to_close_timeout => '1 h');
		 CREATE TABLE taken_$slots AS SELECT run_id, task_token FROM taskq.poll('$queue', max_tasks => 200)");
	for my $n (1 .. 3)
	{
		sql($node,
			"SELECT count(*) FILTER (WHERE ok) FROM taskq.heartbeat_many(
				(SELECT array_agg(task_token ORDER BY run_id) FROM taken_$slots),
				(SELECT array_agg(to_jsonb($n)) FROM taken_$slots))");
	}
	is( sql($node,
			"SELECT count(*), min(total_heartbeat_count), max(total_heartbeat_count), min(heartbeat_details::int), max(heartbeat_details::int)
			   FROM taskq.activities WHERE task_queue = '$queue'"),
		'200|3|3|3|3',
		"$slots slots: all are recorded");
	cmp_ok(
		sql($node,
			'SELECT count(*) FROM taken_' . $slots . ' JOIN taskq.heartbeat_state USING (run_id)'),
		'>=', 200 - $slots, "$slots slots: most at once");
	sql($node,
		"SELECT taskq.complete_many((SELECT array_agg(task_token) FROM taken_$slots), NULL)");
	is( sql($node,
			"SELECT count(*), min(total_heartbeat_count), min(heartbeat_details::int)
			   FROM taskq.activities WHERE task_queue = '$queue' AND status = 'completed'"),
		'200|3|3',
		"$slots slots: closed with their last heartbeats");
	if ($slots == 0)
	{
		$node->stop;
		next;
	}

	# the end of an attempt makes room for another
	sql($node,
		"CREATE TABLE written (n int, how text, rows int);
		 DO \$\$ DECLARE task record; how text; BEGIN
		   FOR i IN 1 .. 90 LOOP
			 how := CASE i % 3 WHEN 0 THEN 'complete' WHEN 1 THEN 'fail' ELSE 'delete' END;
			 PERFORM taskq.schedule('again', 't', start_to_close_timeout => '1 h');
			 COMMIT;
			 SELECT * INTO task FROM taskq.poll('again');
			 COMMIT;
			 PERFORM taskq.heartbeat(task.task_token, '1');
			 COMMIT;
			 INSERT INTO written SELECT i, how, count(*) FROM taskq.heartbeat_state WHERE run_id = task.run_id;
			 IF how = 'delete' THEN PERFORM taskq.delete(run_id => task.run_id);
			 ELSIF how = 'fail' THEN PERFORM taskq.fail(task.task_token, 'no', next_retry_delay => '1 h');
			 ELSE PERFORM taskq.complete(task.task_token);
			 END IF;
			 COMMIT;
		   END LOOP;
		 END \$\$");
	is(sql($node, 'SELECT count(*), sum(rows) FROM written'),
		'90|0', 'an attempt that ends leaves its slot to others');
	$node->stop;
}

done_testing();
