# One run whose timeout cannot be fired keeps no other from its own: it is put
# off and tried alone, logged once, and fires when its row has been mended.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Taskq;
use TaskqTest;
use Test::More;

my $node = activity_node('main', 'log_min_messages = debug1');
my $once = 'retry_policy => taskq.retry_policy(maximum_attempts => 1)';
my $pid = worker_pid($node, 'postgres');

# Attempts that time out together, so that they are one batch.
sub run_together
{
	my ($queue, $n) = @_;

	return split /\n/,
	  sql($node,
		"DO \$\$ BEGIN PERFORM taskq.schedule_many('$queue', 't', array_fill('1'::jsonb, ARRAY[$n]),
			start_to_close_timeout => '2 s', $once); END \$\$;
		 SELECT run_id FROM taskq.poll('$queue', max_tasks => $n)");
}

sub logged
{
	my ($pattern, $offset) = @_;

	return count_matches(slurp_file($node->logfile, $offset // 0), $pattern);
}

# Others can close, and this one was tried again some times.
sub put_off_ok
{
	my ($run, $others, $why) = @_;

	ok( $node->poll_query_until(
			'postgres',
			"SELECT count(*) = $others FROM taskq.activities WHERE status = 'timed_out'"),
		"$why: all others time out");
	$node->wait_for_log(qr/put off run $run for another 4 s/);
	is(logged(qr/WARNING:  could not fire a timeout of run $run:/),
		1, "$why: logged once");
	is(activity($node, $run, 'close_time IS NULL'), 't', "$why: it still runs");
	is(worker_pid($node, 'postgres'), $pid, "$why: the worker lives");
	like(
		sql($node,
			"SELECT status, detail FROM taskq.health WHERE check_name = 'failed_timeouts'"),
		qr/^warning\|timeouts of [12] run\(s\) could not be fired, one of them \d+$/,
		"$why: health says so");
	return;
}

# Have a row with that key in the closed table, for none to see.
sub insert_closed
{
	my ($run) = @_;

	sql($node,
		"INSERT INTO taskq.closed_0 (run_id, schedule_time, close_time, expire_time, transitions,
				attempt, status, task_queue, activity_type, fairness_key, worker)
		 VALUES ($run, now(), now(), now() - interval '1 day', 1, 1, 'completed', 'q', 't', '', '')");
	return;
}

my @runs = run_together('duplicate', 50);
my $duplicate = $runs[25];
insert_closed($duplicate);
put_off_ok($duplicate, 49, 'duplicate key');

# Control data that cannot be decoded, met by a worker that starts.
@runs = run_together('control', 50);
my $control = $runs[10];
sql($node,
	"UPDATE taskq.open SET control = '{\"reset_jitter\": 1e30}' WHERE run_id = $control");
put_off_ok($control, 98, 'control');

# Alarms, too: tasks that wait for a worker in vain.
my ($waiting, $in_vain) =
  map { schedule($node, 'waiting', "schedule_to_start_timeout => '2 s'") } 1 .. 2;
insert_closed($waiting);
ok(wait_for_activity($node, $in_vain, "status = 'timed_out'"),
	'alarm: the other times out');
$node->wait_for_log(qr/put off run $waiting for another 4 s/);
is(activity($node, $waiting, 'close_time IS NULL'), 't', 'alarm: it still waits');

# What stands in nobody's way: a policy without its members.
my ($policy) = run_together('policy', 1);
sql($node,
	"UPDATE taskq.open SET retry_policy = ROW(NULL, NULL, NULL, 1, NULL, NULL)::taskq.retry_policy
	  WHERE run_id = $policy");
ok(wait_for_activity($node, $policy, "status = 'timed_out'"),
	'policy without members: times out');

# Mended, they fire: by hand at once, otherwise with the next try.
sql($node,
	"DELETE FROM taskq.closed_0 WHERE run_id IN ($duplicate, $waiting)");
for my $run ($duplicate, $waiting)
{
	ok(wait_for_activity($node, $run, "status = 'timed_out'"),
		'mended: the duplicates fire');
}
sql($node, "UPDATE taskq.open SET control = NULL WHERE run_id = $control");
ok(wait_for_activity($node, $control, "status = 'timed_out'"),
	'mended: so does the other');
is( sql($node,
		"SELECT status FROM taskq.health WHERE check_name = 'failed_timeouts'"),
	'ok',
	'mended: and health is');
is(worker_pid($node, 'postgres'), $pid, 'all this time it was one worker');

# One that is deleted by hand is not waited for any more.
my ($deleted) = run_together('deleted', 1);
insert_closed($deleted);
$node->wait_for_log(qr/could not fire a timeout of run $deleted:/);
sql($node,
	"DELETE FROM taskq.open WHERE run_id = $deleted;
	 DELETE FROM taskq.closed_0 WHERE run_id = $deleted");
ok( $node->poll_query_until(
		'postgres',
		"SELECT status = 'ok' FROM taskq.health WHERE check_name = 'failed_timeouts'"),
	'deleted: health is ok');

# A worker that starts is not stopped, either.
@runs = run_together('start', 20);
sql($node,
	"UPDATE taskq.open SET control = '{\"reset_jitter\": 1e30}' WHERE run_id = $runs[3];
	 SELECT pg_terminate_backend($pid)");
ok(wait_for_worker($node, $pid), 'a new worker');
ok( $node->poll_query_until(
		'postgres',
		"SELECT count(*) = 19 FROM taskq.activities WHERE task_queue = 'start' AND status = 'timed_out'"),
	'fires all others');

# Canceled in the middle, it loses nothing.
@runs = run_together('canceled', 300);
$pid = worker_pid($node, 'postgres');
for (1 .. 20)
{
	sql($node, "SELECT pg_cancel_backend($pid)");
}
ok( $node->poll_query_until(
		'postgres',
		"SELECT count(*) = 300 FROM taskq.activities WHERE task_queue = 'canceled' AND status = 'timed_out'"),
	'canceled: all time out');
is(worker_pid($node, 'postgres'), $pid, 'canceled: the worker lives');

done_testing();
