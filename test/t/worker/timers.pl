# Each timer is fired by the background worker, and none of them early.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use TaskqTest;
use Test::More;

my $node = activity_node('main');
my $once = 'retry_policy => taskq.retry_policy(maximum_attempts => 1)';
my $timeout = "interval '700 ms'";

sub closes_by
{
	my ($run_id, $type, $deadline, $name) = @_;

	ok(wait_for_activity($node, $run_id, 'close_time IS NOT NULL'), "$name");
	is( activity($node, $run_id, "status, failure ->> 'timeout_type', retry_state"),
		"timed_out|$type|"
		  . ($type =~ /^schedule/ ? 'timeout' : 'maximum_attempts_reached'),
		"$name: how");
	at_or_after($node, $run_id, 'close_time', $deadline, "$name: not early");
	return;
}

my $unpolled = schedule($node, 'unpolled',
	"schedule_to_start_timeout => $timeout");
my $delayed = schedule($node, 'unpolled',
	"schedule_to_start_timeout => $timeout, start_delay => '300 ms'");
my ($running) = start($node, 'running',
	"start_to_close_timeout => $timeout, $once");
my ($silent) = start($node, 'silent', "heartbeat_timeout => $timeout, $once");
my ($outlived) = start($node, 'outlived',
	"schedule_to_close_timeout => $timeout, start_to_close_timeout => $timeout");
my $paused = schedule($node, 'paused',
	"schedule_to_close_timeout => $timeout, start_delay => '200 ms'",
	'SELECT taskq.pause(run_id => :run_id)');
my ($retried) = start($node, 'retried',
	"start_to_close_timeout => $timeout, retry_policy => taskq.retry_policy(initial_interval => '600 ms')");
my ($failed, $failed_token) = start($node, 'failed',
	"retry_policy => taskq.retry_policy(initial_interval => '600 ms')");
is( sql($node,
		"SELECT taskq.fail('$failed_token', 'no'); SELECT count(*) FROM taskq.poll('failed')"
	),
	"in_progress\n0",
	'a failed attempt backs off');

# A worker that says it is alive for longer than the timeout, and then no more.
# On a machine that stalls for a whole timeout it is right to end it earlier.
my $beating = schedule($node, 'beating', "heartbeat_timeout => $timeout, $once");
$node->psql(
	'postgres',
	"SELECT task_token FROM taskq.poll('beating') \\gset
	 SELECT set_config('test.token', :'task_token', false);
	 DO \$\$ BEGIN
	   FOR n IN 1 .. 20 LOOP
		 PERFORM taskq.heartbeat(current_setting('test.token')::uuid);
		 COMMIT;
		 PERFORM pg_sleep(0.05);
	   END LOOP;
	 END \$\$");

closes_by($unpolled, 'schedule_to_start',
	'schedule_time + schedule_to_start_timeout', 'ScheduleToStart');
closes_by($delayed, 'schedule_to_start',
	'execution_time + schedule_to_start_timeout',
	'ScheduleToStart after a start delay');
closes_by($running, 'start_to_close',
	'last_started_time + start_to_close_timeout', 'StartToClose');
closes_by($silent, 'heartbeat', 'last_started_time + heartbeat_timeout',
	'Heartbeat');
closes_by($beating, 'heartbeat',
	'coalesce(last_heartbeat_time, last_started_time) + heartbeat_timeout',
	'Heartbeat after heartbeats');
closes_by($outlived, 'schedule_to_close',
	'schedule_time + schedule_to_close_timeout', 'ScheduleToClose');
closes_by($paused, 'schedule_to_close', 'expiration_time',
	'ScheduleToClose while paused');

ok(wait_for_activity($node, $retried, "attempt = 2"),
	'StartToClose with retries');
at_or_after($node, $retried, 'last_attempt_complete_time',
	'last_started_time + start_to_close_timeout',
	'StartToClose with retries: not early');

# the end of a back-off is no timer: the poll sees it
for my $case ([ 'failed', $failed ], [ 'retried', $retried ])
{
	my ($queue, $run_id) = @$case;
	my $ended = activity($node, $run_id, 'last_attempt_complete_time');

	ok( $node->poll_query_until(
			'postgres',
			"SELECT run_id = $run_id AND attempt = 2 FROM taskq.poll('$queue')"),
		"$queue: the back-off ends");
	at_or_after($node, $run_id, 'last_started_time',
		"timestamptz '$ended' + interval '600 ms'", "$queue: not early");
}

done_testing();
