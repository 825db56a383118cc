# Statistics of queues survive a clean restart; after a crash, or an immediate
# shutdown, they are zero with a new stats_reset.

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
my $counters =
  "scheduled, started, completed, failed, retried, canceled, terminated,
   timed_out_schedule_to_start, timed_out_start_to_close, timed_out_schedule_to_close, timed_out_heartbeat,
   heartbeats, empty_polls";

sub stat_of
{
	my ($columns, $queue) = @_;

	$queue //= 'q';
	return sql($node,
		"SELECT $columns FROM taskq.stat_task_queues WHERE task_queue = '$queue'"
	);
}

sub work
{
	my (undef, $token) = start($node, 'q');

	sql($node, "SELECT taskq.heartbeat('$token')");
	sql($node, "SELECT taskq.complete('$token')");
	return;
}

# What counts, and when: at commit.
work();
(undef, my $token) = start($node, 'q');
sql($node, "SELECT taskq.fail('$token', 'x', next_retry_delay => '1 h')");
(undef, $token) = start($node, 'q');
sql($node, "SELECT taskq.fail('$token', 'x', non_retryable => true)");
(my $run, $token) = start($node, 'q');
sql($node, "SELECT taskq.request_cancel(run_id => $run);
	SELECT taskq.report_canceled('$token')");
($run) = start($node, 'q');
sql($node, "SELECT taskq.terminate(run_id => $run)");
sql($node, "SELECT FROM taskq.poll('q')");
sql($node, "BEGIN; SELECT taskq.schedule('q', 't', start_to_close_timeout => '1 h'); SELECT FROM taskq.poll('q'); ROLLBACK");
sql($node, "BEGIN; SAVEPOINT s; SELECT taskq.schedule('q', 't', start_to_close_timeout => '1 h'); SELECT FROM taskq.poll('q'); ROLLBACK TO s; COMMIT");
is(stat_of($counters), '5|5|1|1|1|1|1|0|0|0|0|1|1', 'counters');
$run = schedule($node, 'q', "schedule_to_start_timeout => '10 ms'");
wait_for_activity($node, $run, "status = 'timed_out'");
($run) = start($node, 'q',
	"start_to_close_timeout => '10 ms', retry_policy => taskq.retry_policy(maximum_attempts => 1)"
);
wait_for_activity($node, $run, "status = 'timed_out'");
($run) = start($node, 'q',
	"heartbeat_timeout => '10 ms', retry_policy => taskq.retry_policy(maximum_attempts => 1)"
);
wait_for_activity($node, $run, "status = 'timed_out'");
($run) = start($node, 'q', "schedule_to_close_timeout => '200 ms'");
wait_for_activity($node, $run, "status = 'timed_out'");
is(stat_of($counters), '9|8|1|1|1|1|1|1|1|1|1|1|1', 'timeouts, by kind');

# Histograms: bucket i holds what took less than 2^(i-1) ms, the last the rest.
is( stat_of(
		"array_length(schedule_to_start_histogram, 1), array_length(execution_histogram, 1),
		 (SELECT sum(n) FROM unnest(schedule_to_start_histogram) n) = started,
		 (SELECT sum(n) FROM unnest(execution_histogram) n)"),
	'24|24|t|8',
	'histograms');
sql($node,
	"SET taskq.clock_offset = '-600s'; SELECT taskq.schedule('h', 't', start_to_close_timeout => '10 h');
	 SET taskq.clock_offset = '-550s'; SELECT FROM taskq.poll('h')");
is( stat_of(
		"(SELECT string_agg(i || ': ' || n, ', ') FROM unnest(schedule_to_start_histogram) WITH ORDINALITY h(n, i) WHERE n > 0)",
		'h'),
	'17: 1',
	'50 s are between 32768 and 65536 ms');
# A clean restart.
my $before = stat_of('*');
my $h = stat_of('*', 'h');

$node->restart;
wait_served($node, 'postgres');
is(stat_of('*'), $before, 'a restart keeps them');
is(stat_of('*', 'h'), $h, 'of each queue');
work();
is(stat_of('scheduled, completed'), '10|2', 'and they go on');
$before = stat_of('*');
$node->restart;
is(stat_of('*'), $before, 'the next one, too');

# A crash.
my $reset = stat_of('stats_reset');
my $offset = -s $node->logfile;
my ($pid) = split /\n/, sql($node,
	"SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'");

kill 'KILL', $pid;
wait_for_recovery($node, $offset);
is(sql($node, 'SELECT count(*) FROM taskq.stat_task_queues'),
	0, 'a crash: none');
work();
is(stat_of("scheduled, completed, stats_reset > '$reset'"),
	'1|1|t', 'they begin anew');
$node->restart;
is(stat_of('scheduled, completed'), '1|1', 'a clean restart keeps those');

# An immediate shutdown is a crash.
$node->stop('immediate');
$node->start;
is(sql($node, 'SELECT count(*) FROM taskq.stat_task_queues'),
	0, 'an immediate shutdown: none');
work();
$node->stop('immediate');
$node->start;
work();
is(stat_of('scheduled'), 1, 'however often');

# A file that is none.
$node->stop;
append_to_file($node->data_dir . '/pg_stat/taskq.stat', 'x');
$node->start;
is(stat_of('scheduled'), 1, 'more than there should be is no matter');
$node->stop;
{
	open my $file, '>', $node->data_dir . '/pg_stat/taskq.stat' or die;
	print $file 'nonsense';
	close $file;
}
$node->start;
is(sql($node, 'SELECT count(*) FROM taskq.stat_task_queues'),
	0, 'a broken file: none');
$node->wait_for_log(qr/could not read statistics file/);

# stat_reset.
work();
sql($node, "SELECT FROM taskq.poll('other')");
sql($node, "SELECT taskq.stat_reset('q')");
is(stat_of('scheduled, started, completed'), '0|0|0', 'stat_reset of a queue');
is(stat_of('empty_polls', 'other'), 1, 'of no other');
sql($node, 'SELECT taskq.stat_reset()');
is(stat_of('empty_polls', 'other'), 0, 'stat_reset of all');

done_testing();
