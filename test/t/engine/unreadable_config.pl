# A queue whose stored configuration cannot be read hands nothing out; all else
# goes on with defaults, and no other queue is concerned.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Taskq;
use TaskqTest;
use Test::More;

my $node = activity_node('main');
my $once = 'retry_policy => taskq.retry_policy(maximum_attempts => 1)';
my $pid = worker_pid($node, 'postgres');

# What a statement returns, and the warnings that come with it.
sub with_warnings
{
	my ($statement) = @_;
	my ($rc, $stdout, $stderr) = $node->psql('postgres', $statement);

	return ($rc, $stdout, $stderr);
}

my %broken = (
	'a number in words' => '{"max_started": "many"}',
	'an unknown setting' => '{"paused": false, "speed": 3}',
	'no interval' => '{"retention": "a while"}',
	'out of range' => '{"queue_rate_limit": -1e400}',
	'no object' => '["paused"]',
	'a pause in words' => '{"paused": "perhaps"}',
	'weights' => '{"fairness_weights": {"a": "heavy"}}');

for my $name (sort keys %broken)
{
	my ($token, $waiting);
	my ($running) = start($node, $name, "start_to_close_timeout => '3 s', $once");

	(undef, $token) = start($node, $name);
	$waiting = schedule($node, $name, "schedule_to_start_timeout => '3 s'");
	sql($node,
		"INSERT INTO taskq.queue_config VALUES ('$name', '$broken{$name}', NULL, NULL, now());
		 SELECT taskq.configure_queue('another', '{\"queue_rate_limit\": 1000}')");

	my ($rc, $stdout, $stderr) = with_warnings(
		"SELECT FROM taskq.schedule('$name', 't', start_to_close_timeout => '1 h');
		 SELECT count(*) FROM taskq.poll('$name');
		 SELECT count(*) FROM taskq.poll('$name', max_tasks => 10);
		 SELECT taskq.complete('$token');
		 SELECT backlog_count FROM taskq.task_queues WHERE task_queue = '$name'");
	is($rc, 0, "$name: no error") or diag($stderr);
	like($stdout, qr/^0\n0$/m, "$name: nothing is handed out");
	is(count_matches($stderr, qr/WARNING:  configuration of task queue "$name" cannot be read/),
		1, "$name: one warning");

	is( sql($node,
			"SELECT status, detail FROM taskq.health WHERE check_name = 'queue_settings'"),
		"critical|settings of 1 task queue(s) cannot be read, one of them \"$name\"",
		"$name: health says so");

	is( (with_warnings("SELECT string_agg(task_queue, ', ') FROM taskq.task_queues WHERE paused"))[1],
		$name, "$name: task_queues shows what polls do");

	($rc, $stdout, $stderr) = with_warnings(
		"SELECT FROM taskq.schedule('good', 't', start_to_close_timeout => '1 h');
		 SELECT count(*) FROM taskq.poll('good')");
	is($stdout, 1, "$name: another queue goes on");
	for my $run ($running, $waiting)
	{
		ok(wait_for_activity($node, $run, "status = 'timed_out'"),
			"$name: times out");
	}
	sql($node, "DELETE FROM taskq.queue_config WHERE task_queue = '$name'");
	is(sql($node, "SELECT count(*) FROM taskq.poll('$name')"),
		1, "$name: mended, it goes on");
	is( sql($node,
			"SELECT paused FROM taskq.task_queues WHERE task_queue = '$name'"),
		'f',
		"$name: and shows so");
}
is(worker_pid($node, 'postgres'), $pid, 'it was one worker');
is( count_matches(
		slurp_file($node->logfile),
		qr/WARNING:  configuration of task queue "no interval".*\n.*\n.*\n.*CONTEXT:  taskq worker/),
	1,
	'the worker warned once');

# Set anew by the call
sql($node,
	"INSERT INTO taskq.queue_config VALUES ('again', '{\"max_started\": \"many\", \"paused\": false}', NULL, NULL, now())");
is( sql($node,
		"SELECT taskq.configure_queue('again', '{\"max_started\": 3}')"),
	'{"paused": false, "max_started": 3}',
	'configure_queue sets the broken setting');
is( sql($node,
		"SELECT FROM taskq.schedule('again', 't', start_to_close_timeout => '1 h');
		 SELECT count(*) FROM taskq.poll('again')"),
	1,
	'and the queue goes on');

done_testing();
