# The background worker is terminated, or killed, while attempts run and tasks
# wait: the next one fires their timers.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Taskq;
use TaskqTest;
use Test::More;

my $node = activity_node('main', 'restart_after_crash = on');
my $once = 'retry_policy => taskq.retry_policy(maximum_attempts => 1)';

sub with_timers
{
	my %run;

	$run{schedule_to_start} = schedule($node, 'unpolled',
		"schedule_to_start_timeout => '1 s'");
	($run{start_to_close}) = start($node, 'running',
		"start_to_close_timeout => '1 s', $once");
	($run{heartbeat}) = start($node, 'silent',
		"heartbeat_timeout => '1 s', $once");
	return \%run;
}

sub judge
{
	my ($run, $name) = @_;

	for my $type (sort keys %$run)
	{
		ok(wait_for_activity($node, $run->{$type}, 'close_time IS NOT NULL'),
			"$name: $type fires");
		is( activity($node, $run->{$type},
				"status, failure ->> 'timeout_type', attempt,
				 close_time >= last_started_time + interval '1 s' OR
				 close_time >= schedule_time + interval '1 s'"),
			"timed_out|$type|1|t",
			"$name: not early");
	}
	return;
}

my $pid = worker_pid($node, 'postgres');
my $run = with_timers();
sql($node, "SELECT pg_terminate_backend($pid)");
ok(wait_for_worker($node, $pid), 'a terminated worker is replaced');
judge($run, 'terminated');

$pid = worker_pid($node, 'postgres');
$run = with_timers();
my $offset = -s $node->logfile;
kill 'KILL', $pid;
ok(wait_for_recovery($node, $offset), 'a killed worker is replaced');
judge($run, 'killed');

# terminated again and again while it has work to do
sql($node,
	"SELECT count(*) FROM taskq.schedule_many('q', 't', array_fill('1'::jsonb, ARRAY[20000]),
		start_to_close_timeout => '1 s', $once);
	 SELECT count(*) FROM taskq.poll('q', max_tasks => 20000)");
for my $round (1 .. 3)
{
	$node->poll_query_until('postgres',
		"SELECT count(*) < 20000 FROM taskq.open WHERE task_queue = 'q'");
	$pid = worker_pid($node, 'postgres') || next;
	sql($node, "SELECT pg_terminate_backend($pid)");
	wait_for_worker($node, $pid);
}
ok( $node->poll_query_until(
		'postgres', "SELECT count(*) = 0 FROM taskq.open WHERE task_queue = 'q'"),
	'interrupted again and again, the worker gets through');
is( sql($node,
		"SELECT count(*), count(DISTINCT run_id), min(state_transition_count), max(state_transition_count)
		   FROM taskq.activities WHERE task_queue = 'q' AND status = 'timed_out'"),
	'20000|20000|3|3',
	'every attempt is timed out once');

done_testing();
