# The flush has read a heartbeat from its slot and comes to write it when the
# slot has been forgotten and the attempt has gone on without it: the row keeps
# what the attempt has written since.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Taskq;
use TaskqTest;
use Test::More;

my $node = activity_node('main', "taskq.heartbeat_flush = '100ms'");
my $worker = worker_pid($node, 'postgres');

sql($node, "CREATE FUNCTION forget_heartbeats() RETURNS void LANGUAGE c AS 'taskq', 'taskq_forget_heartbeats'");

# An attempt whose first heartbeat is in the table, and whose next three the
# flush holds in its hands, kept from writing by the session that is returned.
sub flush_held
{
	my ($queue) = @_;
	my ($run, $token) = start($node, $queue,
		"heartbeat_timeout => '1 h', retry_policy => taskq.retry_policy(initial_interval => '1 ms')");
	my $session = $node->background_psql('postgres', on_error_stop => 0);

	sql($node, "SELECT FROM taskq.heartbeat('$token', '1')");
	wait_for_flush($node) or die;
	$session->query_safe('BEGIN; LOCK TABLE taskq.heartbeat_state');
	sql($node, "SELECT FROM taskq.heartbeat('$token', '\"old $_\"')") foreach 1 .. 3;
	$node->poll_query_until('postgres',
		"SELECT count(*) = 1 FROM pg_locks WHERE pid = $worker AND NOT granted
			AND relation = 'taskq.heartbeat_state'::regclass") or die;
	return ($run, $token, $session);
}

# what the table has once a flush of another attempt's heartbeat says that this
# one is over
sub flushed
{
	my ($run) = @_;
	my ($other, $token) = start($node, 'other', "heartbeat_timeout => '1 h'");

	sql($node, "SELECT FROM taskq.heartbeat('$token', '0')");
	wait_for_flush($node) or die;
	return sql($node, "SELECT count, details FROM taskq.heartbeat_state WHERE run_id = $run");
}

my ($run, $token, $session) = flush_held('failed');
$session->query_safe(
	"SELECT forget_heartbeats(); SELECT taskq.fail('$token', 'no', last_heartbeat_details => '\"half\"'); COMMIT");
$session->quit;
is(flushed($run), '2|"half"', 'the checkpoint of a failure stays');
wait_for_activity($node, $run, "run_state = 'scheduled'");
is(sql($node, "SELECT attempt, heartbeat_details FROM taskq.poll('failed')"),
	'2|"half"', 'and the next attempt gets it');

($run, $token, $session) = flush_held('beating');
$session->query_safe(
	"SELECT forget_heartbeats();
	 SELECT FROM taskq.heartbeat('$token', to_jsonb(repeat('x', 9000))); COMMIT");
$session->quit;
is( sql($node, "SELECT heartbeat_details = to_jsonb(repeat('x', 9000)) FROM taskq.activities WHERE run_id = $run"),
	't', 'a newer heartbeat is what is read');
like(flushed($run), qr/^2\|"x{9000}"$/, 'and stays');

# nothing was forgotten: what is newer than what the flush has read is flushed
($run, $token, $session) = flush_held('going on');
sql($node, "SELECT FROM taskq.heartbeat('$token', '\"new $_\"')") foreach 1 .. 2;
$session->query_safe('COMMIT');
$session->quit;
is(flushed($run), '6|"new 2"', 'what came since is flushed');

done_testing();
