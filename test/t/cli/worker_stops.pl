# What reaches a command while it runs, and what a worker does when it is to end.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../../lib";

use PostgreSQL::Test::Utils;
use TaskqTest;
use TaskqWorker;
use Test::More;

my $node = activity_node('main');
my $dir = PostgreSQL::Test::Utils::tempdir();
my $timeouts = "start_to_close_timeout => '1 h', heartbeat_timeout => '1 h'";

$ENV{DIR} = $dir;
$ENV{PGHOST} = $node->host;
$ENV{PGPORT} = $node->port;
$ENV{PGDATABASE} = 'postgres';

# Says that it runs, goes on until SIGTERM, writes down the word, and exits as it was told by its input.
my $polite = script('/bin/bash', q{
read -r code
trap 'read -r word <&4; echo "$word" >"$DIR/$TASKQ_RUN_ID.word"; kill $child; echo "{\"given\": $code}"; exit $code' TERM
echo '{"step": 1}' >&3
sleep 1000 1>&- 2>&- 3>&- 4>&- &
child=$!
echo $$ >"$DIR/$TASKQ_RUN_ID.runs"
while :; do wait; done
});

sub begin
{
	my ($queue, $input, $options) = @_;
	my $run_id = schedule_task($node, $queue, $input, $options // $timeouts);

	wait_file("$dir/$run_id.runs");
	return $run_id;
}

my $worker = start_worker($node, '--queue', 'q', '--concurrency', 4, '--', $polite);

# ---- one command --------------------------------------------------------------

for (
	[ 'cancel_requested', "taskq.request_cancel(NULL, %d)", 1, qr/^canceled\|-/, 'a cancellation' ],
	[ 'cancel_requested', "taskq.request_cancel(NULL, %d)", 0, qr/^completed\|\{"given": 0\}/, 'one that completes all the same' ],
	[ 'paused', "taskq.pause(NULL, %d)", 1, qr/^paused\|-.*\|paused$/, 'a pause' ],
	[ 'terminated', "taskq.terminate(NULL, %d)", 1, qr/^terminated\|/, 'a termination' ],
  )
{
	my ($word, $call, $code, $outcome, $what) = @$_;
	my $run_id = begin('q', $code);

	sql($node, 'SELECT ' . sprintf($call, $run_id));
	is(wait_file("$dir/$run_id.word"), "$word\n", "$what reaches the command");
	like(wait_outcome($node, $run_id, $outcome), $outcome, "$what: what becomes of it");
}

my $run_id = begin('q', 1);
unlink "$dir/$run_id.runs";
sql($node, "SELECT taskq.reset(NULL, $run_id)");
is(wait_file("$dir/$run_id.word"), "reset\n", 'a reset reaches the command');
wait_file("$dir/$run_id.runs");
like(outcome_of($node, $run_id), qr/^running\|.*\|1\|started$/, 'and its next attempt is the first');
sql($node, "SELECT taskq.terminate(NULL, $run_id)");

$run_id = begin('q', 1, "start_to_close_timeout => '1 s', retry_policy => taskq.retry_policy(maximum_attempts => 1)");
is(wait_file("$dir/$run_id.word"), "timed_out\n", 'a timeout reaches the command');
like(wait_outcome($node, $run_id, qr/^timed_out/), qr/^timed_out/, 'the task has timed out');

# ---- heartbeats -----------------------------------------------------------------

$run_id = begin('q', 1, "start_to_close_timeout => '1 h', heartbeat_timeout => '1 s'");
ok($node->poll_query_until('postgres',
		"SELECT total_heartbeat_count > 4 AND heartbeat_details = '{\"step\": 1}' FROM taskq.activities WHERE run_id = $run_id"),
	'automatic heartbeats repeat the last details');
is(activity($node, $run_id, 'attempt'), 1, 'and keep the attempt alive');
sql($node, "SELECT taskq.request_cancel(NULL, $run_id)");
wait_outcome($node, $run_id, qr/^canceled/);
is($worker->stop, 0, 'the worker ends');

$worker = start_worker($node, '--queue', 'silent', '--heartbeat=command', '--', $polite);
$run_id = begin('silent', 1, "start_to_close_timeout => '1 h', heartbeat_timeout => '2 s', retry_policy => taskq.retry_policy(maximum_attempts => 1)");
like(wait_outcome($node, $run_id, qr/^timed_out/), qr/^timed_out/, '--heartbeat=command: none but the command\'s');
is(activity($node, $run_id, "failure -> 'last_heartbeat_details'"), '{"step": 1}', 'which was one');
$worker->stop;

# Lines that are none, and details that are left when the command fails.
$run_id = schedule_task($node, 'lines', 1, "$timeouts, retry_policy => taskq.retry_policy(maximum_attempts => 1)");
my (undef, undef, $log) = run_taskq($node, 'worker', '--queue', 'lines', '--drain', '--exec', q{
	head -c 100000 /dev/zero | tr '\0' x >&3; echo >&3; printf '\377\n' >&3; echo 'a text' >&3; exit 1});
like($log, qr/longer than 64 kB.*no text/s, 'long lines and such that are no text are ignored');
is(activity($node, $run_id, 'heartbeat_details'), '"a text"', 'the newest details are not lost');

# taskq heartbeat
my $asks = script('/bin/bash', q{
while :; do
	taskq heartbeat '{"by": "hand"}'
	code=$?
	[ $code -eq 0 ] || break
	echo beaten >>"$DIR/$TASKQ_RUN_ID.beaten"
	sleep 0.1
done
trap '' TERM
echo $code >"$DIR/$TASKQ_RUN_ID.asked"
});
$worker = start_worker($node, '--queue', 'asks', '--heartbeat=command', '--kill-after', 600, '--', '/bin/bash', '-c', "trap '' TERM; $asks");
for ([ "taskq.request_cancel(NULL, %d)", 10 ], [ "taskq.pause(NULL, %d)", 11 ], [ "taskq.reset(NULL, %d)", 12 ], [ "taskq.terminate(NULL, %d)", 13 ])
{
	my ($call, $code) = @$_;

	$run_id = schedule_task($node, 'asks', 1);
	wait_file("$dir/$run_id.beaten");
	sql($node, 'SELECT ' . sprintf($call, $run_id));
	is(wait_file("$dir/$run_id.asked"), "$code\n", "taskq heartbeat: $code");
}
$worker->stop;

# ---- a command that does not want to end ----------------------------------------

my $nasty = script('/usr/bin/perl', q{
$SIG{TERM} = 'IGNORE';
for (1 .. 2) { last unless fork }
open my $file, '>>', "$ENV{DIR}/$ENV{TASKQ_RUN_ID}.pids"; print $file "$$\n"; close $file;
close $_ for *STDIN, *STDOUT, *STDERR;
POSIX::close($_) for 3, 4;
sleep 1 while 1;
use POSIX ();
});
$worker = start_worker($node, '--queue', 'nasty', '--kill-after', 0.5, '--', $nasty);
$run_id = schedule_task($node, 'nasty', 1);
my @pids = split /\n/, wait_file("$dir/$run_id.pids", qr/\n.*\n.*\n/);
sql($node, "SELECT taskq.request_cancel(NULL, $run_id)");
like(wait_outcome($node, $run_id, qr/^canceled/), qr/^canceled/, 'a command that ignores SIGTERM is killed');
is(scalar(grep { lives($_) } @pids), 0, 'with all that it has started');

$run_id = schedule_task($node, 'nasty2', 1);
my ($code) = run_taskq($node, 'worker', '--queue', 'nasty2', '--drain', '--exec', 'sleep 1000 & echo $! >$DIR/left; echo done');
like(outcome_of($node, $run_id), qr/^completed\|"done"/, 'what is left running does not keep a task open');
chomp(my $left = slurp_file("$dir/left"));
ok(!lives($left), 'and is killed');
$worker->stop;

# ---- the worker is to end ---------------------------------------------------------

$worker = start_worker($node, '--queue', 'grace', '--', script('/bin/bash', q{
echo >"$DIR/$TASKQ_RUN_ID.runs"; while [ ! -e "$DIR/go" ]; do sleep 0.05; done; echo '"at leisure"'}));
$run_id = begin('grace', 1);
my $other = schedule_task($node, 'grace', 1);
$worker->signal('TERM');
$worker->wait_log(qr/ends when its commands have ended/);
append_to_file("$dir/go", '');
is($worker->ended, 0, 'it ends');
like(outcome_of($node, $run_id), qr/^completed\|"at leisure"/, 'after its command');
like(outcome_of($node, $other), qr/^running\|.*\|scheduled$/, 'and takes no other task');

for ([ [ '--grace', 0 ], 1, 'the grace is over' ], [ [ '--grace', 600 ], 2, 'a second signal' ])
{
	my ($options, $signals, $what) = @$_;

	$worker = start_worker($node, '--queue', "shut$signals", @$options, '--', $polite);
	$run_id = begin("shut$signals", 1);
	$worker->signal('INT');
	$worker->wait_log(qr/ends when/);
	$worker->signal('TERM') if $signals == 2;
	is($worker->ended, 0, "$what: it ends");
	is(wait_file("$dir/$run_id.word"), "shutdown\n", "$what: the command is told");
	like(outcome_of($node, $run_id), qr/^running\|.*\|1\|scheduled$/, "$what: the task is handed back");
	is(activity($node, $run_id, 'heartbeat_details'), '{"step": 1}', "$what: with its details");
}

$worker = start_worker($node, '--queue', 'third', '--grace', 600, '--kill-after', 600, '--', $nasty);
$run_id = schedule_task($node, 'third', 1);
wait_file("$dir/$run_id.pids", qr/\n.*\n.*\n/);
$worker->signal('TERM');
$worker->wait_log(qr/ends when/);
$worker->signal('TERM');
$worker->wait_log(qr/stops its commands/);
$worker->signal('TERM');
is($worker->ended, 1, 'a third signal ends it at once');
kill 'KILL', split /\n/, slurp_file("$dir/$run_id.pids");

$worker = start_worker($node, '--queue', 'killed', '--', $polite);
$run_id = begin('killed', 1);
chomp(my $pid = slurp_file("$dir/$run_id.runs"));
$worker->signal('KILL');
$worker->ended;
for (1 .. 20 * $PostgreSQL::Test::Utils::timeout_default)
{
	last unless lives($pid);
	select undef, undef, undef, 0.05;
}
ok(!lives($pid), 'a command does not outlive a worker that was killed');

done_testing();
