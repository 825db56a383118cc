# The process that polls is not the one that completes: the token goes through
# another system. After a timeout the token is worth nothing, but whoever has
# the answer can complete the activity by its id.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use TaskqTest;
use Test::More;

my $node = activity_node('main');
my $patient = q(start_to_close_timeout => '1 h');
my $hasty = q(start_to_close_timeout => '300 ms',
	retry_policy => taskq.retry_policy(initial_interval => '1 h'));

$node->safe_psql('postgres',
	'CREATE TABLE outbox (activity_id text, attempt int, task_token uuid)');

# The worker: takes the task, sends the token away, and forgets it. Each of
# these is a session of its own.
sub forward
{
	return sql($node, q{
		INSERT INTO outbox SELECT activity_id, attempt, task_token
		  FROM taskq.poll('approvals', identity => 'forwarder')
		RETURNING activity_id || ' ' || attempt});
}

sub token
{
	my ($activity_id, $attempt) = @_;

	return sql($node, "SELECT task_token FROM outbox
		WHERE activity_id = '$activity_id' AND attempt = $attempt");
}

# SQLSTATE and result of a call made from a process of its own
sub outcome_of
{
	my ($call) = @_;
	my ($rc, $stdout, $stderr) = $node->psql('postgres',
		"\\set VERBOSITY sqlstate\nSELECT $call");

	return $stderr =~ /ERROR:  (\S+)/ ? $1 : "ok $stdout";
}

# by token, from another process, under another identity
my $run = schedule($node, 'approvals', "activity_id => 'a', $patient");
is(forward(), 'a 1', 'a worker takes the task and passes it on');
is( activity($node, $run, 'run_state, last_worker_identity'),
	'started|forwarder', 'it stays started');
my $token = token('a', 1);
is( outcome_of(
		qq(h FROM taskq.heartbeat('$token', '"asked the boss"') h)),
	'ok (f,f,f)',
	'the other process heartbeats');
is( outcome_of("taskq.complete('$token', '\"yes\"', 'boss')"),
	'ok ', 'and completes');
is( activity(
		$node, $run, 'status, result, last_worker_identity, heartbeat_details'),
	'completed|"yes"|boss|"asked the boss"',
	'with its own name and result');
is(outcome_of("taskq.complete('$token', '\"no\"')"),
	'TQ001', 'a second answer is too late');
is(outcome_of("taskq.complete_by_id('a', '\"no\"')"),
	'TQ001', 'by id as well');
is(activity($node, $run, 'result'), '"yes"', 'the first one stands');

# the answer comes after the attempt timed out, before the next one starts
$run = schedule($node, 'approvals', "activity_id => 'b', $hasty");
is(forward(), 'b 1', 'another one');
$token = token('b', 1);
ok(wait_for_activity($node, $run, 'attempt = 2'), 'nobody answers in time');
is( activity(
		$node, $run,
		q(run_state, last_failure->>'timeout_type',
		  next_attempt_schedule_time > clock_timestamp())),
	'scheduled|start_to_close|t',
	'it is to be tried again in an hour');
is(outcome_of("taskq.complete('$token', '\"late\"')"),
	'TQ001', 'the token is worth nothing now');
is(outcome_of("h FROM taskq.heartbeat('$token') h"), 'TQ001', 'for nothing');
is(outcome_of("taskq.fail_by_id('b', 'no')"),
	'TQ001', 'by id there is no attempt that could fail');
is(outcome_of("h FROM taskq.heartbeat_by_id('b') h"), 'TQ001', 'or heartbeat');
is(outcome_of("taskq.complete_by_id('b', '\"late\"', identity => 'boss')"),
	'ok ', 'but an answer by id is taken');
is( activity(
		$node, $run,
		q(status, result, attempt, last_worker_identity,
		  last_started_time = close_time, first_started_time < close_time)),
	'completed|"late"|2|boss|t|t',
	'although no attempt was running');
is(sql($node, q(SELECT count(*) FROM taskq.poll('approvals'))),
	0, 'there is nothing left to poll');

# the answer to the first question comes while the second is being asked
$run = schedule($node, 'approvals',
	"activity_id => 'c', start_to_close_timeout => '300 ms',
	retry_policy => taskq.retry_policy(initial_interval => '1 ms')");
is(forward(), 'c 1', 'a third one');
ok(wait_for_activity($node, $run, 'attempt = 2'), 'times out');
sql($node,
	q(SELECT taskq.update_options('c', options => '{"start_to_close_timeout": "1 h"}'))
);
ok( $node->poll_query_until(
		'postgres', q{
		WITH p AS (INSERT INTO outbox SELECT activity_id, attempt, task_token
		  FROM taskq.poll('approvals') RETURNING 1)
		SELECT count(*) = 1 FROM p}),
	'and is asked again');
my ($old, $new) = (token('c', 1), token('c', 2));
is(outcome_of("taskq.complete('$old', '\"first\"')"),
	'TQ001', 'by the first token: no');
is(outcome_of("taskq.complete_by_id('c', '\"first\"', run_id => $run)"),
	'ok ', 'by id: yes, whichever attempt runs');
is(outcome_of("taskq.complete('$new', '\"second\"')"),
	'TQ001', 'who was asked last comes too late');
is(activity($node, $run, 'status, result, attempt'),
	'completed|"first"|2', 'the result is the first one\'s');

# an answer can be a failure, or that it was cancelled
$run = schedule($node, 'approvals', "activity_id => 'd', $patient");
forward();
$token = token('d', 1);
is( outcome_of(
		"taskq.fail('$token', 'rejected', 'Rejected', non_retryable => true)"),
	'ok non_retryable_failure',
	'a failure by token');
is( activity($node, $run, q(status, failure->>'type', retry_state)),
	'failed|Rejected|non_retryable_failure', 'closes it');
$run = schedule($node, 'approvals', "activity_id => 'd', $patient");
forward();
is(outcome_of("taskq.report_canceled_by_id('d')"),
	'22023', 'nobody has asked for cancellation');
is(outcome_of("taskq.request_cancel('d')"), 'ok ', 'now somebody does');
is(outcome_of("taskq.report_canceled_by_id('d', '\"withdrawn\"')"),
	'ok ', 'and it is cancelled by id');
is( activity($node, $run, q(status, failure->>'details')),
	'canceled|withdrawn', 'with what the other process says');

# an answer that is part of a transaction that fails was not given
$run = schedule($node, 'approvals', "activity_id => 'e', $patient");
forward();
$token = token('e', 1);
$node->psql('postgres', "BEGIN; SELECT taskq.complete('$token', '1'); SELECT 1/0");
is(activity($node, $run, 'status, run_state'),
	'running|started', 'an answer that is rolled back does not count');
is(outcome_of("taskq.complete('$token', '2')"), 'ok ', 'the next one does');

done_testing();
