# Attempts that are handed back, as other sessions see it: when the place and
# the task are free, what is not given back, what two-phase commit and timers
# make of it.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Taskq;
use TaskqTest;
use Test::More;

my $node = activity_node('main', 'max_prepared_transactions = 5');

sub polled
{
	my ($queue, $arguments) = @_;

	$arguments //= '';
	return sql($node, "SELECT count(*) FROM taskq.poll('$queue'$arguments)");
}

# The task is free at the commit, although nobody else found any in between.
{
	my ($run_id, $token) = start($node, 'free');
	my $holder = $node->background_psql('postgres');

	is(polled('free'), 0, 'nothing else is due');
	$holder->query_safe("BEGIN; SELECT taskq.release('$token')");
	is(polled('free'), 0, 'nothing before the commit');
	$holder->query_safe('ROLLBACK');
	is(polled('free'), 0, 'nor after a rollback');
	is(sqlstate($node, "SELECT taskq.heartbeat('$token')"),
		'ok', 'where the token is valid again');
	$holder->query_safe("BEGIN; SAVEPOINT s; SELECT taskq.release('$token'); ROLLBACK TO s; COMMIT");
	is(polled('free'), 0, 'nor after a savepoint was rolled back');
	$holder->query_safe("SELECT taskq.release('$token')");
	is( sql($node, "SELECT run_id, attempt FROM taskq.poll('free')"),
		"$run_id|1", 'there at the commit, as the same attempt');
	$holder->quit;
}

# A session that waits is woken, at once or when the delay is over.
foreach my $delay ('0', '300 ms')
{
	my ($run_id, $token) = start($node, "wait $delay");
	my $waiter = $node->background_psql('postgres');

	$waiter->query_until(qr//, "CALL taskq.wait_for_task('wait $delay', '60 s');\n\\echo over\n");
	$node->poll_query_until('postgres',
		"SELECT waiting FROM taskq.pollers WHERE task_queue = 'wait $delay' ORDER BY waiting DESC LIMIT 1");
	sql($node, "SELECT taskq.release('$token', '$delay')");
	like($waiter->query_until(qr/over/, ''), qr/^t$/m, "a waiter is woken, delay $delay");
	is(polled("wait $delay"), 1, '... and there is a task');
	$waiter->quit;
}

# The place below max_started is free at the commit.
{
	my $holder = $node->background_psql('postgres');
	my $token;

	sql($node,
		"SELECT taskq.configure_queue('one', '{\"max_started\": 1}');
		 SELECT count(*) FROM taskq.schedule_many('one', 't', '{1,2}', start_to_close_timeout => '1 h')");
	$token = sql($node, "SELECT task_token FROM taskq.poll('one')");
	is(polled('one'), 0, 'max_started: no place');
	$holder->query_safe("BEGIN; SELECT taskq.release('$token', '1 h')");
	is(polled('one'), 0, 'max_started: none before the commit');
	$holder->query_safe('COMMIT');
	is(polled('one'), 1, 'max_started: one after it');
	is(polled('one'), 0, 'max_started: and only one');
	$holder->quit;
}

# What a rate has let through is spent.
{
	sql($node,
		"SELECT taskq.configure_queue('rate', '{\"queue_rate_limit\": 0.001}');
		 SELECT FROM taskq.schedule('rate', 't', start_to_close_timeout => '1 h')");
	is( sql($node,
			"SELECT ok FROM taskq.release_many((SELECT array_agg(task_token) FROM taskq.poll('rate')))"
		),
		't',
		'rate limit: taken and released in one statement');
	is(polled('rate'), 0, 'rate limit: the token is not given back');

	sql($node,
		"SELECT taskq.configure_queue('key', '{\"fairness_key_rate_limit\": 0.001}');
		 SELECT FROM taskq.schedule('key', 't', fairness_key => 'k', start_to_close_timeout => '1 h')");
	sql($node,
		"SELECT ok FROM taskq.release_many((SELECT array_agg(task_token) FROM taskq.poll('key')))");
	is(polled('key'), 0, 'rate limit: nor is that of a fairness key');
}

# A turn is spent as well: keys alternate although each attempt is released.
{
	my $keys = '';

	sql($node,
		"SELECT FROM unnest(ARRAY['a', 'b']) k,
			LATERAL taskq.schedule('turns', 't', fairness_key => k, start_to_close_timeout => '1 h')");
	foreach (1 .. 6)
	{
		my ($token, $key) = split /\|/,
		  sql($node, "SELECT task_token, fairness_key FROM taskq.poll('turns')");

		$keys .= $key;
		sql($node, "SELECT taskq.release('$token')");
	}
	like($keys, qr/^(?:(?:ab)+|(?:ba)+)$/, 'fairness: the turn is not given back');
}

# Statistics: started and released, never retried or ended.
{
	my ($run_id, $token) = start($node, 'counted');

	sql($node, "SELECT taskq.release('$token')");
	is(polled('counted'), 1, 'polled again');
	is( sql($node,
			"SELECT scheduled, started, released, retried, completed, failed,
				(SELECT sum(n) FROM unnest(execution_histogram) n)
			   FROM taskq.stat_task_queues WHERE task_queue = 'counted'"),
		'1|2|1|0|0|0|0',
		'counted as released');
	is( sql($node,
			"SELECT started_count, backlog_count FROM taskq.task_queues WHERE task_queue = 'counted'"
		),
		'1|0',
		'the numbers of the queue are right');
	is( sql($node,
			"SELECT round(tasks_add_rate * 30) FROM taskq.task_queues WHERE task_queue = 'counted'"
		),
		2,
		'it was added twice');
}

# A deadline of the attempt that was handed back is none of the next one; those
# of the activity hold.
{
	my $run_id = schedule($node, 'timers',
		"start_to_close_timeout => '300 ms', retry_policy => taskq.retry_policy(maximum_attempts => 1)");
	my $other = schedule($node, 'timers too',
		"schedule_to_close_timeout => '60 s'");
	my $third = schedule($node, 'timers three',
		"schedule_to_start_timeout => '60 s'");

	# in one statement: nothing fires in between
	sql($node,
		"SELECT taskq.release(task_token) FROM taskq.poll('timers');
		 SELECT taskq.release(task_token, '1 h') FROM taskq.poll('timers too');
		 SELECT taskq.update_options(run_id => $other, options => '{\"schedule_to_close_timeout\": \"300 ms\"}');
		 SELECT taskq.release(task_token) FROM taskq.poll('timers three');
		 SELECT taskq.update_options(run_id => $third, options => '{\"schedule_to_start_timeout\": \"300 ms\"}')");
	ok(wait_for_activity($node, $other, "status = 'timed_out'"),
		'schedule-to-close fires although the delay is longer');
	is(activity($node, $other, "failure ->> 'timeout_type'"),
		'schedule_to_close', '... it is that one');
	ok(wait_for_activity($node, $third, "status = 'timed_out'"),
		'schedule-to-start runs again');
	is(activity($node, $third, "failure ->> 'timeout_type'"),
		'schedule_to_start', '... it is that one');
	is(activity($node, $run_id, 'run_state, attempt'),
		'scheduled|1', 'start-to-close ended with its attempt');
}

# An attempt that has timed out cannot be handed back.
{
	my ($run_id, $token) = start($node, 'late',
		"start_to_close_timeout => '100 ms', retry_policy => taskq.retry_policy('1 h')");

	ok(wait_for_activity($node, $run_id, 'attempt = 2'), 'it timed out');
	is(sqlstate($node, "SELECT taskq.release('$token')"),
		'TQ001', 'and is not there to be released');
	is( sql($node, "SELECT ok FROM taskq.release_many('{$token}')"),
		'f', 'nor in a batch');
}

# PREPARE TRANSACTION
foreach my $end ('COMMIT', 'ROLLBACK')
{
	my ($run_id, $token) = start($node, "prepared $end");

	sql($node,
		"BEGIN;
		 SELECT taskq.release('$token', last_heartbeat_details => '\"here\"');
		 PREPARE TRANSACTION 'p'");
	is(polled("prepared $end"), 0, "$end PREPARED: nothing before");
	sql($node, "$end PREPARED 'p'");
	if ($end eq 'COMMIT')
	{
		ok( $node->poll_query_until(
				'postgres', "SELECT count(*) = 1 FROM taskq.poll('prepared $end')"),
			'... there after it');
		is(activity($node, $run_id, 'attempt, heartbeat_details'),
			'1|"here"', '... with its details');
	}
	else
	{
		is(sqlstate($node, "SELECT taskq.release('$token')"),
			'ok', '... the token is valid again');
	}
}

# The statistics survive a restart.
my $before = sql($node, "SELECT released FROM taskq.stat_task_queues WHERE task_queue = 'counted'");
$node->restart;
is( sql($node, "SELECT released FROM taskq.stat_task_queues WHERE task_queue = 'counted'"),
	$before, 'released survives a restart');

$node->stop;
done_testing();
