# A worker's session is killed with SIGKILL while it holds attempts, which
# takes the server down for a moment. What it had not committed is as it was;
# what it had is recovered by a timer.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use TaskqTest;
use Test::More;

my $node = activity_node('main', 'restart_after_crash = on');

my $open = schedule($node, 'open');
my $running = schedule($node, 'committed',
	"start_to_close_timeout => '1 s', retry_policy => taskq.retry_policy(maximum_attempts => 1)"
);
my $beating = schedule($node, 'committed',
	"heartbeat_timeout => '1 s', retry_policy => taskq.retry_policy(initial_interval => '1 ms')"
);
my $row = "SELECT ctid, * FROM taskq.open WHERE run_id = $open";
my $before = sql($node, $row);

my $session = $node->background_psql('postgres', on_error_stop => 0);
my $pid = $session->query_safe('SELECT pg_backend_pid()');
is( $session->query_safe(
		"SELECT count(*) FROM taskq.poll('committed', max_tasks => 9)"),
	2, 'two attempts are started and committed');
is( $session->query_safe("BEGIN; SELECT run_id FROM taskq.poll('open')"),
	$open, 'one is started and not committed');

my $offset = -s $node->logfile;
kill 'KILL', $pid;
ok(wait_for_recovery($node, $offset), 'killed, and the server is up again');
eval { $session->quit };

is(sql($node, $row), $before, 'the row of the uncommitted start is untouched');
is(sql($node, "SELECT run_id, attempt FROM taskq.poll('open')"),
	"$open|1", 'and handed out again');

ok(wait_for_activity($node, $running, 'close_time IS NOT NULL'),
	'a committed attempt without retries is closed');
is(activity($node, $running, "failure ->> 'timeout_type', retry_state"),
	'start_to_close|maximum_attempts_reached', 'by StartToClose');
ok( wait_for_activity(
		$node, $beating, "attempt = 2 AND run_state = 'scheduled'"),
	'one with a heartbeat timeout is retried');
is(activity($node, $beating, "last_failure ->> 'timeout_type'"),
	'heartbeat', 'by Heartbeat');
at_or_after($node, $beating, 'last_attempt_complete_time',
	'last_started_time + heartbeat_timeout', 'not before it was due');
is(sql($node, "SELECT run_id, attempt FROM taskq.poll('committed')"),
	"$beating|2", 'and handed out again');

done_testing();
