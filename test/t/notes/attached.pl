# Schedule calls that are answered with an open run, which remembers their
# request ids: beside those who poll, end and heartbeat it, and across ends of
# transactions of all kinds.

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
my $session = $node->background_psql('postgres');
my $other = $node->background_psql('postgres');

# the call of a request, whose answer is "run|created"
sub call
{
	my ($id, $request, $conflict) = @_;

	$conflict //= 'use_existing';
	return "SELECT run_id, created FROM taskq.schedule('$id', 't', activity_id => '$id',
		request_id => '$request', id_conflict_policy => '$conflict', start_to_close_timeout => '1 h')";
}

sub is_waiting
{
	my ($pid) = @_;

	return $node->poll_query_until('postgres',
		"SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = $pid");
}

my $other_pid = $other->query_safe('SELECT pg_backend_pid()');

# Pollers pass it over until the call has committed, and then find it; also
# when it was rolled back.
foreach my $end ('COMMIT', 'ROLLBACK')
{
	my $run_id = schedule($node, "poll $end", "activity_id => 'poll $end'");

	$session->query_safe('BEGIN; ' . call("poll $end", 'r'));
	is(sql($node, "SELECT count(*) FROM taskq.poll('poll $end')"),
		0, "$end: passed over before");
	$session->query_safe($end);
	is(sql($node, "SELECT run_id FROM taskq.poll('poll $end')"),
		$run_id, "$end: handed out after");
	is(sqlstate($node, call("poll $end", 'r', 'fail')),
		$end eq 'COMMIT' ? 'ok' : 'TQ002',
		"$end: the request is remembered, or not");
}

# In the same transaction it can be polled at once.
{
	my $run_id = schedule($node, 'own', "activity_id => 'own'");

	is( sql($node,
			'BEGIN; ' . call('own', 'r') . "; SELECT run_id FROM taskq.poll('own'); COMMIT"),
		"$run_id|f\n$run_id",
		'polled in the same transaction');
}

# A call waits for a report that is not committed: then the run is closed, and
# there is a new one, or it is not, and serves.
foreach my $end ('COMMIT', 'ROLLBACK')
{
	my ($run_id, $token) = start($node, "end $end", "activity_id => 'end $end'");
	my $answer;

	$session->query_safe("BEGIN; SELECT taskq.complete('$token')");
	$other->query_until(qr//, call("end $end", 'r') . ";\n\\echo done\n");
	ok(is_waiting($other_pid), "$end: waits for the report");
	$session->query_safe($end);
	$answer = $other->query_until(qr/done/, '');
	if ($end eq 'COMMIT')
	{
		like($answer, qr/^\d+\|t$/m, "$end: a new run");
	}
	else
	{
		like($answer, qr/^$run_id\|f$/m, "$end: the run serves");
		is(sqlstate($node, "SELECT taskq.complete('$token')"),
			'ok', "$end: and its attempt goes on");
	}
}

# Two requests at once: both are remembered.
{
	my $run_id = schedule($node, 'two', "activity_id => 'two'");

	$session->query_safe('BEGIN; ' . call('two', 'r1'));
	$other->query_until(qr//, call('two', 'r2') . ";\n\\echo done\n");
	ok(is_waiting($other_pid), 'the second waits for the first');
	$session->query_safe('COMMIT');
	like($other->query_until(qr/done/, ''), qr/^$run_id\|f$/m, 'and finds the run');
	is(sql($node, call('two', $_, 'fail')), "$run_id|f", "$_ is remembered")
	  foreach 'r1', 'r2';
}

# A repeat writes nothing, so that nobody waits for it.
{
	my $run_id = schedule($node, 'again', "activity_id => 'again'");

	sql($node, call('again', 'r'));
	$session->query_safe('BEGIN; ' . call('again', 'r'));
	is( sql($node, "SELECT run_id FROM taskq.poll('again')"),
		$run_id, 'a repeat holds nothing');
	$session->query_safe('COMMIT');
}

# Numbers and statistics have nothing to do with it, nor do timers and tokens.
{
	my ($run_id, $token) = start($node, 'count',
		"activity_id => 'count', heartbeat_timeout => '1 h'");
	my $numbers =
	  "SELECT scheduled, started, released, retried, started_count, backlog_count,
			round(tasks_add_rate * 30)
		 FROM taskq.stat_task_queues JOIN taskq.task_queues USING (task_queue)
		WHERE task_queue = 'count'";
	my $before = sql($node, $numbers);

	sql($node, "SELECT FROM taskq.heartbeat('$token', '1')");
	sql($node, call('count', 'r'));
	is(sql($node, $numbers), $before, 'no number moves');
	is(sqlstate($node, "SELECT taskq.heartbeat('$token', '2')"),
		'ok', 'the token is valid');
	is(activity($node, $run_id, 'heartbeat_details, total_heartbeat_count'),
		'2|2', 'heartbeats go on');

	my $waits = schedule($node, 'waits', "activity_id => 'waits'");
	$numbers =~ s/'count'/'waits'/;
	$before = sql($node, $numbers);
	sql($node, call('waits', 'r'));
	is(sql($node, $numbers), $before, 'nor of a queue where it waits');
}
{
	my $run_id = schedule($node, 'timer',
		"activity_id => 'timer', schedule_to_start_timeout => '500 ms'");

	sql($node, call('timer', $_)) foreach 1 .. 3;
	ok(wait_for_activity($node, $run_id, "status = 'timed_out'"),
		'a timer fires all the same');
}

# PREPARE TRANSACTION
{
	my $run_id = schedule($node, 'prepared', "activity_id => 'prepared'");

	sql($node, 'BEGIN; ' . call('prepared', 'r') . "; PREPARE TRANSACTION 'p'");
	sql($node, "COMMIT PREPARED 'p'");
	is(sql($node, call('prepared', 'r', 'fail')), "$run_id|f", 'prepared: remembered');
	ok( $node->poll_query_until('postgres',
			"SELECT count(*) = 1 FROM taskq.poll('prepared')"),
		'prepared: handed out');
}

# A restart forgets nothing.
{
	my $run_id = schedule($node, 'restart', "activity_id => 'restart'");

	sql($node, call('restart', 'r'));
	$_->quit foreach $session, $other;
	$node->restart;
	is(sql($node, call('restart', 'r', 'fail')), "$run_id|f", 'remembered after a restart');
}

$node->stop;
done_testing();
