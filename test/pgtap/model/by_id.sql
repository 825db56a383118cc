-- docs/semantics.md: asynchronous completion: somebody else reports.

BEGIN;
\ir ../include/helpers.psql
SELECT * FROM no_plan();

-- nothing is reported: the attempt stays
SELECT new('1', '1', hb => '1 h') AS run \gset
SELECT take('1', 'worker') AS token \gset
SELECT set_clock('30 min');
SELECT is(show(:run, 'run_state attempt'), 'started 1', 'an attempt that reports nothing stays started');
SELECT lives_ok(format('SELECT taskq.heartbeat(%L, ''1'', ''somebody else'')', :'token'), 'an external process may heartbeat with the token');
SELECT lives_ok('SELECT taskq.heartbeat_by_id(''1'', ''2'')', '... or by id');
SELECT taskq.complete(:'token', '"late"', 'somebody else');
SELECT is(show(:run, 'status result heartbeat_details last_worker_identity'), 'completed late 2 somebody else', 'any process, any identity completes with the token');
SELECT set_clock('0');

-- the token as text, in another session, printed and read back
SELECT new('2', '2') AS run \gset
SELECT take('2')::text AS token \gset
SELECT taskq.complete(upper(replace(:'token', '-', ''))::uuid);
SELECT is((SELECT status FROM a(:run)), 'completed', 'a token may travel as text');

-- by id: the current attempt whatever its number
SELECT new('3', '3') AS run \gset
SELECT taskq.fail(take('3'), 'x');
SELECT set_clock('1 h');
SELECT take('3') AS token \gset
SELECT is(taskq.fail_by_id('3', 'm', 'T', '1', false, '30 min', 's', '{"message": "c"}', '"hb"', NULL, 'me'), 'in_progress', 'fail by id: all arguments');
SELECT is((SELECT last_failure FROM a(:run)),
  '{"kind": "application", "message": "m", "type": "T", "details": 1, "stack_trace": "s", "cause": {"message": "c"}}', '... the failure');
SELECT is(show(:run, 'attempt current_retry_interval heartbeat_details last_worker_identity'), '3 00:30:00 hb me', '... the delay, the checkpoint, the identity');
SELECT set_clock('2 h');
SELECT take('3') AS token \gset
SELECT taskq.request_cancel('3');
SELECT taskq.report_canceled_by_id(run_id => :run, details => '7');
SELECT is(show(:run, 'status attempt'), 'canceled 3', 'report_canceled by run id');
SELECT set_clock('0');

-- by id: completes what is not started, but cannot fail, cancel, heartbeat it
SELECT new('4', '4') AS run \gset
SELECT throws_ok('SELECT taskq.fail_by_id(''4'')', 'TQ001', 'activity not found for ID: 4', 'fail by id, not started');
SELECT throws_ok('SELECT taskq.report_canceled_by_id(''4'')', 'TQ001', 'activity not found for ID: 4', 'report_canceled by id, not started');
SELECT throws_ok('SELECT taskq.heartbeat_by_id(''4'')', 'TQ001', 'activity not found for ID: 4', 'heartbeat by id, not started');
SELECT lives_ok('SELECT taskq.complete_by_id(''4'', ''1'')', 'complete by id, not started');
SELECT throws_ok('SELECT taskq.complete_by_id()', '22004', 'neither activity_id nor run_id is set', 'neither id');
SELECT throws_ok('SELECT taskq.complete_by_id(''4'', identity => repeat(''x'', 1001))', '22023', 'identity exceeds length limit', 'identity too long');

-- cancel without a request is refused, and the attempt goes on
SELECT new('5', '5') AS run \gset
SELECT take('5') AS token \gset
SELECT throws_ok(format('SELECT taskq.report_canceled(%L)', :'token'), '22023',
  'unable to mark activity as canceled without activity being request canceled first', 'report_canceled without a request');
SELECT is(taskq.fail(:'token', 'unexpected activity cancel error'), 'in_progress', '... the attempt can still fail');

SELECT * FROM finish();
ROLLBACK;
