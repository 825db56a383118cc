# What a command writes, and how it exits, becomes of its task.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../../lib";

use JSON::PP;
use PostgreSQL::Test::Utils;
use TaskqTest;
use TaskqWorker;
use Test::More;

my $node = activity_node('main', 'taskq.max_payload_size = 1MB');
my $once = "start_to_close_timeout => '1 min', retry_policy => taskq.retry_policy(maximum_attempts => 1)";
my $queue = 0;

# One task, one command: worker's exit, then status, result, type, message and why it is not tried again.
sub run_one
{
	my ($command, $input, @options) = @_;
	my $name = 'q' . $queue++;
	my $run_id = schedule_task($node, $name, $input, $once);
	my ($code, undef, $log) = run_taskq($node, 'worker', '--queue', $name, '--drain', @options, '--exec', $command);

	my $outcome = sql($node, qq{
		SELECT concat_ws('|', status, coalesce(result::text, '-'), coalesce(failure ->> 'type', '-'),
			coalesce(failure ->> 'message', '-'), coalesce(retry_state::text, '-'))
		  FROM taskq.activities WHERE run_id = $run_id});
	return ("$code $outcome", $run_id, $log);
}

# ---- the result -------------------------------------------------------------

for (
	[ 'cat', '{"a": [1, "x"]}', '{"a": [1, "x"]}', 'JSON in, JSON out' ],
	[ 'true', '1', '-', 'no output is NULL' ],
	[ 'cat; echo done', undef, '"done"', 'no input is nothing on standard input; another text is a string' ],
	[ 'printf "a\n\n"', 1, '"a\n"', 'without one newline at its end' ],
	[ 'printf "\n"', 1, '""', 'a newline is the empty string' ],
	[ 'printf \'{"half": \'', 1, '"{\"half\": "', 'half a JSON is a text' ],
	[ 'echo \'{"a": 1, "a": 2}\'', 1, '{"a": 2}', 'a key twice is JSON' ],
	[ 'echo \'{"a": 1, "a": 2} x\'', 1, '"{\"a\": 1, \"a\": 2} x"', 'and a text behind it makes all of it a text' ],
	[ 'exec cat /dev/null', '"' . 'x' x 500_000 . '"', '-', 'who does not read a large input is no error' ],
	[ 'exec 0<&- 1>&- 2>&- 3>&- 4>&-; exit 0', 1, '-', 'a command may close its descriptors' ],
	[ 'wc -c', '"' . 'x' x 500_000 . '"', '500003', 'a large input arrives' ],
  )
{
	my ($command, $input, $result, $what) = @$_;

	is((run_one($command, $input))[0], "0 completed|$result|-|-|-", $what);
}

for (
	[ 'printf "\377\376"', 'no UTF-8' ],
	[ 'printf "a\0b"', 'a zero' ],
	[ 'echo \'"\u0000"\'', 'a zero that JSON writes' ],
	[ 'echo \'{"a": "\ud800"}\'', 'half a surrogate pair' ],
	[ 'echo 1e999999', 'a number that is too large' ],
  )
{
	my ($command, $what) = @$_;

	like((run_one($command))[0], qr/^1 failed\|-\|InvalidOutput\|.+\|non_retryable_failure$/, "$what is no result");
}
like((run_one('head -c 3000000 /dev/zero | tr "\0" x'))[0], qr/^1 failed\|-\|OutputTooLarge\|.*\|non_retryable_failure$/,
	'nor are 3 MB');
like((run_one('yes'))[0], qr/^1 failed\|-\|OutputTooLarge\|/, 'a command that writes for ever is killed');

# What a batch is refused for concerns one of it.
my @runs = map { schedule_task($node, 'batch', $_, $once) } '"good"', '"\\\\u0000"', '"fine"';
run_taskq($node, 'worker', '--queue', 'batch', '--concurrency', 3, '--drain', '--exec',
	q{sed 's/^"\\\\\\\\u0000"$/"\\\\u0000"/'});
is(sql($node, "SELECT string_agg(status::text, ' ' ORDER BY run_id) FROM taskq.activities WHERE task_queue = 'batch'"),
	'completed failed completed', 'one result that is none does not harm the others');

# ---- failures ---------------------------------------------------------------

for (
	[ 'echo one >&2; echo two >&2; exit 3', 'ExitCode3|two|maximum_attempts_reached', 'another code is retryable' ],
	[ 'exit 4', 'ExitCode4|the command exited with 4|maximum_attempts_reached', 'without a word' ],
	[ 'echo bad >&2; exit 65', 'ExitCode65|bad|non_retryable_failure', '65 is final' ],
	[ 'echo \'{"message": "M", "type": "T", "non_retryable": true}\'; exit 1', 'T|M|non_retryable_failure', 'an object describes it' ],
	[ 'echo \'{"message": 1}\'; exit 1', 'ExitCode1|the command exited with 1|maximum_attempts_reached', 'with a message' ],
	[ 'echo \'{"message": "M", "details": "\u0000", "next_retry_delay": "soon"}\'; exit 1', 'ExitCode1|M|maximum_attempts_reached',
		'what the database refuses of it goes' ],
	[ 'kill -SEGV $$', 'SignalSEGV|the command was ended by signal 11|maximum_attempts_reached', 'a signal' ],
	[ 'exec 2>/dev/null; sh -c \'kill -SEGV $$\'; exit $?', 'ExitCode139|the command exited with 139|maximum_attempts_reached', 'one that a shell has seen is its exit code' ],
	[ 'exec sh -c \'kill -SEGV $$\'', 'SignalSEGV|the command was ended by signal 11|maximum_attempts_reached', 'unless the shell makes way' ],
	[ 'printf "\377x\n" >&2; exit 1', 'ExitCode1|?x|maximum_attempts_reached', 'standard error may be anything' ],
  )
{
	my ($command, $failure, $what) = @$_;

	is((run_one($command))[0], "1 failed|-|$failure", $what);
}
my (undef, $run_id, $log) = run_one('echo one >&2; printf two >&2; exit 3');
is(activity($node, $run_id, "failure -> 'details' ->> 'exit_code', failure ->> 'stack_trace'"), "3|one\ntwo",
	'the code is in the details, standard error is the stack trace');
like($log, qr{^\[$run_id/1\] one\n\[$run_id/1\] two$}m, 'standard error passes, with run and attempt');
my $segv = schedule_task($node, 'segv', 1, $once);
run_taskq($node, 'worker', '--queue', 'segv', '--drain', '--', script('/bin/sh', "kill -SEGV \$\$\n"));
like(outcome_of($node, $segv), qr/^failed\|-\|SignalSEGV\|/, 'what runs without a shell is seen');

# ---- the log as JSON ----------------------------------------------------------

sub decoded
{
	my ($log) = @_;

	return map { eval { decode_json($_) } // "no JSON: $_" } split /\n/, $log;
}

(undef, $run_id, $log) = run_one('printf \'say "a\\\\b"\\n\\377\' >&2', 1, '--json');
my @lines = decoded($log);
is_deeply([ map { [ @{$_}{qw(message run_id attempt)} ] } @lines ],
	[ [ 'say "a\b"', $run_id, 1 ], [ "\x{fffd}", $run_id, 1 ] ], '--json: what a command says, with run and attempt');
like($_->{time}, qr/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/, '... with its time') for @lines;
like($log, qr/"run_id": $run_id, "attempt": 1\}$/m, '... which are numbers');
schedule_task($node, 'unrunnable', 1) for 1 .. 3;
($_, undef, $log) = run_taskq($node, 'worker', '--json', '--queue', 'unrunnable', '--', '/nonexistent');
@lines = grep { !defined $_->{run_id} } decoded($log);
is_deeply([ map { delete $_->{time}; $_ } @lines ], [ { message => 'the command could not be run 3 times in a row' } ], '--json: what the worker says');
(undef, undef, $log) = run_taskq(undef, 'worker', '--json', '-h', '/nonexistent', '--connect-timeout', '0.1', '--queue', 'q', '--noop');
is(join(' ', sort keys %{ { map { $_->{message} =~ s/:.*//sr => 1 } decoded($log) } }), 'no connection to poll no connection to report',
	'--json: and without a connection');

# ---- handed back ------------------------------------------------------------

for (
	[ 'exit 75', [], '00:01:00', 'after a minute' ],
	[ 'exit 75', [ '--snooze', '2 h' ], '02:00:00', 'after --snooze' ],
	[ 'echo 3 h; exit 75', [], '03:00:00', 'as the output says' ],
	[ 'echo soon; exit 75', [ '--snooze', '4 h' ], '04:00:00', 'or not, if that is none' ],
	[ '/nonexistent', [], '00:00:10', 'a command that is not there' ],
	[ '/etc/passwd', [], '00:00:10', 'or is no program' ],
  )
{
	my ($command, $options, $delay, $what) = @$_;
	my ($outcome, $run) = run_one($command, undef, @$options);

	like($outcome, qr/^1 running\|/, "handed back: $what");
	is(activity($node, $run, 'attempt'), 1, 'it has not counted');
	ok(sql($node, "SELECT next_attempt_schedule_time - clock_timestamp() BETWEEN interval '$delay' - interval '1 min'
		AND interval '$delay' FROM taskq.activities WHERE run_id = $run") eq 't', "later by $delay");
}
schedule_task($node, 'broken', 1) for 1 .. 5;
is((run_taskq($node, 'worker', '--queue', 'broken', '--', '/nonexistent'))[0], 69, 'the third command in a row that cannot run ends the worker');
is(sql($node, "SELECT count(*) FROM taskq.activities WHERE task_queue = 'broken' AND run_state = 'scheduled'"), 5, 'all tasks are there');

# ---- environment ------------------------------------------------------------

$run_id = sql($node, q{SELECT run_id FROM taskq.schedule('env', 'resize', '1', activity_id => 'an id', header => '{"h": 1}',
	start_to_close_timeout => '1 min', heartbeat_timeout => '20.5 s', priority => 2, fairness_key => 'k')});
$ENV{TASKQ_DEADLINE_FILE} = 'of somebody else';
is((run_taskq($node, 'worker', '--queue', 'env', '--once', '--identity', 'me', '--exec', q{
	[ -n "$TASKQ_TASK_TOKEN" ] || exit 1
	echo "$TASKQ_RUN_ID|$TASKQ_ATTEMPT|$TASKQ_ACTIVITY_TYPE|$TASKQ_TASK_QUEUE|$TASKQ_WORKER_IDENTITY|$TASKQ_ACTIVITY_ID"
	echo "$TASKQ_HEARTBEAT_TIMEOUT|$TASKQ_PRIORITY|$TASKQ_FAIRNESS_KEY|$TASKQ_HEADER|$TASKQ_HEARTBEAT_FD|$TASKQ_CONTROL_FD"
	echo "${TASKQ_HEARTBEAT_DETAILS-none}|${TASKQ_DEADLINE_FILE-none}|$TASKQ_STARTED_TIME|$TASKQ_DEADLINE|$TASKQ_SCHEDULED_TIME"
	ls /proc/self/fd | wc -l
	[ "$(ps -o pgid= -p $$)" -eq $$ ] && echo leader}))[0], 0, '--once ends after one');
delete $ENV{TASKQ_DEADLINE_FILE};
my $time = qr/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z/;
like(sql($node, "SELECT result #>> '{}' FROM taskq.outcome($run_id)"),
	qr/^$run_id\|1\|resize\|env\|me\|an id\n20\.500000\|2\|k\|\{"h": 1\}\|3\|4\nnone\|none\|$time\|$time\|$time\n6\nleader$/,
	'the environment, five descriptors (and that of ls), a process group');

my $long = '"' . 'y' x 100_000 . '"';
$run_id = sql($node, qq{SELECT run_id FROM taskq.schedule('env', 't', header => '$long', start_to_close_timeout => '1 min')});
run_taskq($node, 'worker', '--queue', 'env', '--once', '--exec',
	'wc -c <$TASKQ_HEADER_FILE; stat -c %a $TASKQ_HEADER_FILE; echo $TASKQ_HEADER_FILE');
my ($size, $mode, $path) = split /\n/, sql($node, "SELECT result #>> '{}' FROM taskq.outcome($run_id)");
is("$size $mode", '100002 600', 'what is long is in a file');
ok(!-e $path, 'which is gone after the command');

$run_id = sql($node, qq{SELECT run_id FROM taskq.schedule('nowhere', 't', header => '$long', start_to_close_timeout => '1 min')});
{
	local $ENV{TMPDIR} = '/nonexistent';
	like((run_taskq($node, 'worker', '--queue', 'nowhere', '--once', '--exec', 'true'))[2], qr{could not write "/nonexistent/taskq-\w+": No such file},
		'or nowhere: it says where');
}
is(activity($node, $run_id, 'run_state, attempt'), 'scheduled|1', '... and the task is handed back');

# ---- access -----------------------------------------------------------------

sql($node, "CREATE ROLE only_worker LOGIN; SELECT taskq.grant_access('only_worker', 'worker')");
($run_id) = map { schedule_task($node, 'access', $_, $once) } 1;
is((run_taskq($node, 'worker', '-U', 'only_worker', '--queue', 'access', '--drain', '--exec', 'echo {} >&3; taskq heartbeat -U only_worker -h '
	. $node->host . ' -p ' . $node->port . ' -d postgres && cat'))[0], 0, 'the access "worker" is enough');
like(outcome_of($node, $run_id), qr/^completed\|1\|/, 'for all that it does');

# ---- the answer to a heartbeat ---------------------------------------------------

my $beaten = schedule_task($node, 'beaten', 1, $once);
{
	local $ENV{TASKQ_TASK_TOKEN} = sql($node, "SELECT task_token FROM taskq.poll('beaten')");
	my $answer = sub { my ($code, $stdout) = run_taskq($node, 'heartbeat', '--json', '7'); "$code $stdout" };

	is($answer->(), qq(0 {"cancel_requested": false, "activity_paused": false, "activity_reset": false}\n), 'heartbeat --json: go on');
	sql($node, "SELECT taskq.request_cancel(run_id => $beaten)");
	is($answer->(), qq(10 {"cancel_requested": true, "activity_paused": false, "activity_reset": false}\n), '... canceled');
	sql($node, "SELECT taskq.terminate(run_id => $beaten)");
	is($answer->(), '13 ', '... over: there is no answer');
}

# ---- types, noop, rate ------------------------------------------------------

schedule_task($node, 'typed', 1, $once);
is((run_taskq($node, 'worker', '--queue', 'typed', '--type', 'other', '--drain', '--exec', 'true'))[0], 1, 'another type');
is(sql($node, "SELECT failure ->> 'type', retry_state FROM taskq.activities WHERE task_queue = 'typed'"),
	'UnknownActivityType|maximum_attempts_reached', 'fails, retryably');

sql($node, "SELECT count(*) FROM taskq.schedule_many('$_', 't', array_fill('1'::jsonb, ARRAY[500]), start_to_close_timeout => '1 min')")
  for 'first', 'second';
is((run_taskq($node, 'worker', '--queue', 'first,second', '--concurrency', 50, '--drain', '--noop'))[0], 0, '--noop, two queues');
is(sql($node, "SELECT count(*) FROM taskq.activities WHERE task_queue IN ('first', 'second') AND status = 'completed'"), 1000,
	'all completed');

schedule_task($node, 'slow', 1) for 1 .. 4;
run_taskq($node, 'worker', '--queue', 'slow', '--concurrency', 4, '--max-per-second', 2, '--drain', '--exec', 'true');
is(sql($node, "SELECT max(first_started_time) - min(first_started_time) >= interval '1 s' FROM taskq.activities WHERE task_queue = 'slow'"),
	't', '--max-per-second is kept');

# ---- surroundings -----------------------------------------------------------

my $program = $ENV{TASKQ_CLI} || 'taskq';
my $connection = "-h '" . $node->host . "' -p " . $node->port . ' -d postgres';

for my $snooze ('soon', '-1 s', '1 month')
{
	my ($code, undef, $stderr) = run_taskq($node, 'worker', '--queue', 'q', '--drain', '--noop', '--snooze', $snooze);

	is($code, 2, "--snooze '$snooze', which nothing can be delayed by: it does not begin");
	like($stderr, qr/^taskq: --snooze: invalid /, '... it says why');
}

my $closed = schedule_task($node, 'closed', 1, $once);
is(system("$program worker $connection --queue closed --drain --exec 'echo 7' <&- >&- 2>&-") >> 8, 0, 'no descriptor is open');
is(activity($node, $closed, 'status, result'), 'completed|7', '... and yet it completes');

schedule_task($node, 'wide', $_, $once) for 1 .. 60;
is(system("ulimit -Sn 100; exec $program worker $connection --queue wide --concurrency 60 --drain --exec 'ulimit -Sn; sleep 0.5' 2>/dev/null") >> 8,
	0, 'more commands than the soft limit of descriptors lets run');
is(sql($node, "SELECT string_agg(DISTINCT result::text, ','), max(attempt), count(*) FROM taskq.activities WHERE task_queue = 'wide' AND status = 'completed'"),
	'100|1|60', '... run, and have that limit');
{
	local $ENV{PGOPTIONS} = '-c statement_timeout=200ms -c default_transaction_isolation=serializable';
	my $worker = start_worker($node, '--queue', 'timeout', '--noop');

	ok($node->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_stat_activity WHERE query LIKE 'CALL taskq.wait_for_tasks%'
		AND state = 'active' AND clock_timestamp() - query_start > '1 s'"), 'a statement_timeout does not end its wait');
	my $run_id = schedule_task($node, 'timeout', 1, $once);

	ok(wait_for_activity($node, $run_id, "status = 'completed'"), '... and it goes on');
	is($worker->stop, 0, '... to its end');
	unlike($worker->log, qr/could not/, '... without complaint');
}

done_testing();
