# Activities through Temporal's Python SDK, unmodified: what its client sees is
# what was seen before, and SQL and the SDK work on each other's activities.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::RealBin/../../$_" } qw(lib model);

use PostgreSQL::Test::Utils;
use TaskqGateway;
use TaskqSdk;
use TaskqTest;
use Test::More;

need_sdk('python');

my $node = activity_node('main');
my $gateway = start_gateway($node);
my $address = "127.0.0.1:$gateway->{port}";

ok($gateway->wait_healthy, 'it serves');

my ($code, $out, $err) = sdk_run(300, 'python', 'activities', $address);
is($code, 0, 'the program runs') or diag $err;
is($out, slurp_file((sdk_goldens('python_activities'))[0]), 'its client sees what it should');

# How it looks from SQL: one argument that is JSON is the input itself.
is(sql($node, q(SELECT input, result, status, last_worker_identity FROM taskq.activities WHERE activity_type = 'hello' AND activity_id LIKE 'hello-1-%')),
	'"world"|"Hello world"|completed|sdk-test', 'a plain value is a plain value');
is(sql($node, q(SELECT input, result FROM taskq.activities WHERE activity_type = 'add')),
	'{"$payloads": [{"json": 1}, {"json": 2}]}|3', 'several arguments are a list');
is(sql($node, q(SELECT failure ->> 'message', failure ->> 'type', failure -> 'cause' ->> 'message', failure ->> 'non_retryable'
	FROM taskq.activities WHERE activity_type = 'hopeless')),
	'hopeless|Hopeless|the reason|true', 'a failure has its parts');

# A worker of the SDK, and what SQL does meanwhile.
my $worker = sdk_start('python', 'worker', $address, 'shared');
is(sdk_line($worker), 'ready', 'a worker waits');

sub scheduled
{
	my ($type, $input, $options) = @_;

	return sql($node, "SELECT run_id FROM taskq.schedule('shared', '$type', $input, start_to_close_timeout => '5 min' " . ($options // '') . ')');
}

sub closed
{
	my ($run_id) = @_;

	return sql($node, "CALL taskq.wait_for_close($run_id, '60 s')");
}

is(closed(scheduled('hello', q('"SQL"'))), 'completed|"Hello SQL"|', 'it does what SQL has scheduled');
is(closed(scheduled('add', q(taskq.args('40', '2')))), 'completed|42|', 'with several arguments, too');

# What operators do in SQL reaches an activity that heartbeats.
sub is_beating
{
	my ($run_id, $heard) = @_;

	return $node->poll_query_until('postgres',
		"SELECT run_state = 'started' AND attempt = 1 AND heartbeat_details = '$heard' FROM taskq.activities WHERE run_id = $run_id");
}
my $beating = scheduled('beat', 'NULL', q(, heartbeat_timeout => '30 s'));
ok(is_beating($beating, '[]'), 'an activity heartbeats');
sql($node, "SELECT taskq.pause(run_id => $beating)");
ok($node->poll_query_until('postgres', "SELECT status = 'paused' FROM taskq.activities WHERE run_id = $beating"), 'it hears of a pause');
sql($node, "SELECT taskq.unpause(run_id => $beating)");
ok($node->poll_query_until('postgres', "SELECT run_state = 'started' AND heartbeat_details = '[\"paused\"]' FROM taskq.activities WHERE run_id = $beating"), 'knows that it is one, and goes on');
sql($node, "SELECT taskq.reset(run_id => $beating)");
ok(is_beating($beating, '["paused", "reset"]'), 'it hears of a reset, and its attempts are counted anew');
is(sql($node, qq(SELECT taskq.update_options(run_id => $beating, options => '{"heartbeat_timeout": "20 s"}') ->> 'heartbeat_timeout')),
	'00:00:20', 'its options are changed');
is(sql($node, "SELECT heartbeat_timeout FROM taskq.activities WHERE run_id = $beating"), '00:00:20', 'while it runs');
sql($node, "SELECT taskq.request_cancel(run_id => $beating, reason => 'enough')");
like(closed($beating), qr/^canceled\|/, 'it hears that it is cancelled');

# Completed from SQL, by token and by id.
my $token = q((SELECT (heartbeat_details #>> '{}')::uuid FROM taskq.activities WHERE run_id = %s));
my $waiting = scheduled('later', 'NULL');
ok($node->poll_query_until('postgres', "SELECT heartbeat_details IS NOT NULL FROM taskq.activities WHERE run_id = $waiting"), 'one waits for others');
sql($node, sprintf(qq(SELECT taskq.complete($token, '"by token"')), $waiting));
is(closed($waiting), 'completed|"by token"|', 'SQL completes it by its token');
is(sdk_ask($worker, 'start', 'shared', 'later', 'by-id'), 'started', 'a client starts another');
ok($node->poll_query_until('postgres', "SELECT heartbeat_details IS NOT NULL FROM taskq.activities WHERE activity_id = 'by-id'"), 'it waits as well');
sql($node, q(SELECT taskq.complete_by_id('by-id', '"by id"')));
is(sdk_ask($worker, 'result', 'by-id'), '"by id"', 'the client gets what SQL has completed it with');

# SQL works on what a client of the SDK has started.
is(sdk_ask($worker, 'start', 'sql', 'any', 'of-sql', '{"a": [1, "x"]}'), 'started', 'a client starts what SQL is to do');
sql($node, q(SELECT taskq.complete(task_token, input -> 'a') FROM taskq.poll('sql', 'sql worker')));
is(sdk_ask($worker, 'result', 'of-sql'), '[1, "x"]', 'it gets what SQL has made of it');
is(sdk_ask($worker, 'start', 'sql', 'any', 'failed', '1', '2'), 'started', 'and another');
sql($node, q(SELECT taskq.fail(task_token, 'no way', 'Sad', non_retryable => true) FROM taskq.poll('sql', 'sql worker')));
is(sdk_ask($worker, 'result', 'failed'), 'ApplicationError: Sad: no way', 'it gets what SQL has failed with');

# Both kinds of workers share a queue. The first tasks are SQL's: it takes them
# where it schedules; it goes on when the other has done some.
my $take = q(SELECT count(taskq.complete(task_token, to_jsonb('Hello ' || (input #>> '{}')), 'sql worker')) FROM taskq.poll('shared', 'sql worker', 3));
sql($node, q(BEGIN; SELECT count(*) FROM generate_series(1, 300) i, taskq.schedule('shared', 'hello', to_jsonb('no. ' || i), start_to_close_timeout => '5 min'); ) . "$take; COMMIT");
ok($node->poll_query_until('postgres', q(SELECT count(*) > 0 FROM taskq.activities WHERE input #>> '{}' LIKE 'no. %' AND close_time IS NOT NULL AND last_worker_identity = 'sdk-worker')),
	'the worker takes some');
my $open = q(SELECT count(*) FROM taskq.activities WHERE task_queue = 'shared' AND close_time IS NULL);
for (1 .. 1000)
{
	sql($node, $take);
	last if sql($node, $open) == 0;
}
is(sql($node, $open), 0, 'together they do everything');
is(sql($node, q(SELECT count(*) FROM taskq.activities WHERE result #>> '{}' = 'Hello ' || (input #>> '{}') AND input #>> '{}' LIKE 'no. %' AND attempt = 1)),
	300, 'each once, and right');
is(sql($node, q(SELECT string_agg(DISTINCT last_worker_identity, ', ' ORDER BY last_worker_identity) FROM taskq.activities WHERE input #>> '{}' LIKE 'no. %')),
	'sdk-worker, sql worker', 'both had their share');

is(sdk_finish($worker), 0, 'the worker stops');
is($gateway->stop, 0, 'so does the gateway');

done_testing();
