# Connections that are lost at the worst moment: no attempt is lost unseen, and
# none is run that the server does not know of.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../../lib";

use PostgreSQL::Test::Utils;
use TaskqProxy qw(start_proxy stop_proxy);
use TaskqTest;
use TaskqWorker;
use Test::More;

my $node = activity_node('main');
my $dir = PostgreSQL::Test::Utils::tempdir();
my $long = "start_to_close_timeout => '1 h', retry_policy => taskq.retry_policy(maximum_attempts => 1)";

$ENV{DIR} = $dir;
$ENV{PGSSLMODE} = $ENV{PGGSSENCMODE} = 'disable';

# ---- connections that are cut ---------------------------------------------------

# When the worker sends what is wanted, for the first "count" times, the connection is
# cut.
sub through_proxy
{
	my ($queue, $wanted, $how, $count, @options) = @_;
	my ($pid, $port) = start_proxy($node, sub { $count > 0 && $_[0] =~ $wanted && $count-- ? $how : 'pass' });
	my ($code, undef, $log) = run_taskq(undef, 'worker', '-h', '127.0.0.1', '-p', $port, '-d', 'postgres',
		'--queue', $queue, '--drain', @options);

	stop_proxy($pid);
	return ($code, $log);
}

# The superuser of the node, whoever runs the tests.
$ENV{PGUSER} = sql($node, 'SELECT current_user');

for ([ 'before', 'cut' ], [ 'after', 'cut after' ])
{
	my ($when, $how) = @$_;

	for my $statement ('taskq.poll', 'COMMIT', 'complete_many|complete_and_poll')
	{
		my $queue = "$when $statement" =~ s/\W/_/gr;

		schedule_task($node, $queue, $_, $long) for 1 .. 6;
		my ($code, $log) = through_proxy($queue, qr/$statement/, $how, 2, '--concurrency', 3,
			'--exec', 'cat; echo "$TASKQ_RUN_ID" >>"$DIR/' . $queue . '"');

		# a poll whose rows have never come is what a timeout is for: the server had not committed it
		is(sql($node, "SELECT count(*) FROM taskq.activities WHERE task_queue = '$queue' AND status = 'completed' AND result = input"),
			6, "cut $when $statement: all complete");
		is(scalar(@{[ split /\n/, slurp_file("$dir/$queue") ]}), 6, "cut $when $statement: each has run once");
		is($code, 0, "cut $when $statement: the worker knows that");
		like($log, qr/no connection to/, "cut $when $statement: it was cut");
	}
}

# ---- backends that are terminated, a server that restarts --------------------------

schedule_task($node, 'ends', $_, $long) for 1 .. 8;
my $worker = start_worker($node, '--queue', 'ends', '--concurrency', 8, '--', script('/bin/bash', q{
echo $$ >"$DIR/$TASKQ_RUN_ID.runs"; while [ ! -e "$DIR/go" ]; do sleep 0.05; done; cat}));
wait_file("$dir/$_.runs") for split /\n/, sql($node, "SELECT run_id FROM taskq.activities WHERE task_queue = 'ends'");
sql($node, "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()");
$worker->wait_log(qr/no connection to report/);
$node->stop('immediate');
append_to_file("$dir/go", '');
$worker->wait_log(qr/(no connection to report.*){2}/s);
$node->start;
ok($node->poll_query_until('postgres',
		"SELECT count(*) = 8 FROM taskq.activities WHERE task_queue = 'ends' AND status = 'completed' AND result = input AND attempt = 1"),
	'commands run on while there is no server, and their results are kept');
is($worker->stop, 0, 'the worker ends');

# ---- workers that are killed -------------------------------------------------------

schedule_task($node, 'killed', $_, "start_to_close_timeout => '3 s', retry_policy => taskq.retry_policy(initial_interval => '0.1 s')") for 1 .. 20;
for (1 .. 5)
{
	$worker = start_worker($node, '--queue', 'killed', '--concurrency', 4, '--exec', 'sleep 0.05; cat');
	$node->poll_query_until('postgres', "SELECT EXISTS (SELECT FROM taskq.activities WHERE task_queue = 'killed' AND run_state = 'started')"
		. " OR NOT EXISTS (SELECT FROM taskq.activities WHERE task_queue = 'killed' AND status = 'running')");
	$worker->signal('KILL');
	$worker->ended;
}
$worker = start_worker($node, '--queue', 'killed', '--concurrency', 4, '--exec', 'cat');
ok($node->poll_query_until('postgres',
		"SELECT count(*) = 20 FROM taskq.activities WHERE task_queue = 'killed' AND status = 'completed' AND result = input"),
	'workers that are killed lose nothing');
$worker->stop;

# Nobody may connect for ever in vain, once that was asked for.
$node->stop;
is((run_taskq($node, 'worker', '--queue', 'q', '--noop', '--connect-timeout', '0.5'))[0], 74, '--connect-timeout');

done_testing();
