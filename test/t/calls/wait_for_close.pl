# CALL taskq.wait_for_close: returns when the activity closes, whoever closes it,
# with how it ended; at the timeout with the status as it is.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Taskq;
use TaskqTest;
use TaskqWait;
use Test::More;

my $node = activity_node('main', 'max_prepared_transactions = 5');
my @sessions;

sub wait_in
{
	my ($run) = @_;

	push @sessions, begin_wait($node, "wait_for_close($run, '600 s')");
	return $sessions[-1];
}

# Bytes that a session uses.
sub memory_of
{
	my ($pid) = @_;
	my $offset = -s $node->logfile;

	sql($node, "SELECT pg_log_backend_memory_contexts($pid)");
	$node->wait_for_log(qr/Grand total: .* used/, $offset);
	slurp_file($node->logfile, $offset) =~ /Grand total: .*; (\d+) used/;
	return $1;
}

sub closes
{
	my ($name, $wanted, $close, $options) = @_;
	my ($run, $token) = start($node, $name, $options);
	my @waiters = map { wait_in($run) } 1 .. 2;

	sql($node, sprintf($close, $close =~ /run_id/ ? $run : $token)) if $close;
	is_woken($_, $wanted, $name) for @waiters;
	return;
}

my $run = schedule($node, 'holds');
my $waiter = wait_in($run);

is( sql($node,
		"SELECT count(*) FILTER (WHERE backend_xmin IS NOT NULL OR backend_xid IS NOT NULL) FROM pg_stat_activity
		  WHERE query LIKE 'CALL taskq.wait_for_close%'"),
	0,
	'no snapshot while it waits');
is( sql($node,
		"SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid)
		  WHERE a.query LIKE 'CALL taskq.wait_for_close%' AND l.relation IS NOT NULL"),
	0,
	'no locks on tables');
sql($node, "SELECT taskq.complete_by_id(run_id => $run, result => '1')");
is_woken($waiter, 'completed|1|', 'complete_by_id');

closes('complete', 'completed|{"a": 1}|',
	q(SELECT taskq.complete('%s', '{"a": 1}')));
closes(
	'fail',
	'failed||{"kind": "application", "message": "x", "non_retryable": true}',
	"SELECT taskq.fail('%s', 'x', non_retryable => true)");
closes('terminate', 'terminated||{"kind": "terminated", "message": "terminated"}',
	'SELECT taskq.terminate(run_id => %s)');
# Whatever the text of a timeout: the status.
$run = schedule($node, 'timeout', "schedule_to_close_timeout => '2 s'");
$waiter = wait_in($run);
my $out = $waiter->query_until(qr/done/, '');
like($out, qr/^timed_out\|\|\{.*"timeout_type": "schedule_to_/m,
	'a timeout');

# Closed already, or not there.
is(sql($node, "CALL taskq.wait_for_close($run)") =~ /^timed_out/ ? 1 : 0,
	1, 'closed already: at once');
is(sqlstate($node, 'CALL taskq.wait_for_close(-1)'),
	'TQ001', 'a run that does not exist');
$run = schedule($node, 'deleted');
$waiter = wait_in($run);
sql($node, "SELECT taskq.delete(run_id => $run)");
$waiter->query_until(qr/done/, '');
like($waiter->{stderr}, qr/activity not found/, 'deleted while waited for');

# A rollback wakes nobody for nothing, a retry is no close, a prepared one is.
(undef, my $token) = start($node, 'later');
$run = sql($node, "SELECT run_id FROM taskq.activities WHERE task_queue = 'later'");
$waiter = wait_in($run);
sql($node, "BEGIN; SELECT taskq.complete('$token'); ROLLBACK");
sql($node, "BEGIN; SELECT taskq.complete('$token', '2'); PREPARE TRANSACTION 'p'");
is( sql($node,
		"SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'CALL taskq.wait_for_close%' AND state = 'active'"
	),
	1,
	'still waiting');
sql($node, "COMMIT PREPARED 'p'");
is_woken($waiter, 'completed|2|', 'COMMIT PREPARED');

# Timeouts.
$run = schedule($node, 'open');
is(sql($node, "CALL taskq.wait_for_close($run, '0')"),
	'running||', 'timeout 0: as it is');
is(sql($node, "CALL taskq.wait_for_close($run, '50 ms')"),
	'running||', 'the time is up: as it is');
sql($node, "SELECT taskq.pause(run_id => $run)");
is(sql($node, "CALL taskq.wait_for_close($run, '0')"), 'paused||', 'paused');

# However often it has to look, a wait needs no more memory.
$run = schedule($node, 'looks',
	"input => (SELECT to_jsonb(string_agg(md5(i::text), '')) FROM generate_series(1, 55) i)");
$waiter = wait_in($run);
my $pid = sql($node,
	"SELECT pid FROM pg_stat_activity WHERE query LIKE 'CALL taskq.wait_for_close($run,%'");
my $before = memory_of($pid);
sql($node, 'DELETE FROM taskq.open WHERE run_id = 0;' x 3000);
cmp_ok(memory_of($pid), '<', $before + 1024 * 1024, 'woken 3000 times: memory');
sql($node, "SELECT taskq.complete_by_id(run_id => $run, result => '1')");
is_woken($waiter, 'completed|1|', 'and it ends');

# Kept for no time: nothing is known of it, but the wait ends.
sql($node, "SELECT taskq.configure_queue('forgets', '{\"retention\": \"0\"}')");
(undef, $token) = start($node, 'forgets');
$run = sql($node, "SELECT run_id FROM taskq.activities WHERE task_queue = 'forgets'");
$waiter = wait_in($run);
sql($node, "SELECT taskq.complete('$token')");
$waiter->query_until(qr/done/, '');
like($waiter->{stderr}, qr/activity not found/, 'retention 0: the wait ends');

for my $case (
	[ "CALL taskq.wait_for_close(1, NULL)", '22023', 'timeout NULL' ],
	[ "CALL taskq.wait_for_close(1, '-1 s')", '22023', 'negative timeout' ],
	[ 'CALL taskq.wait_for_close(NULL)', '22004', 'no run' ],
	[ 'BEGIN; CALL taskq.wait_for_close(1)', '25001', 'in a transaction block' ])
{
	is(sqlstate($node, $case->[0]), $case->[1], $case->[2]);
}

eval { $_->quit } for @sessions;
done_testing();
