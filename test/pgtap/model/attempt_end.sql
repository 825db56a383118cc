-- docs/semantics.md: an attempt ends without success; the order of the checks.

BEGIN;
\ir ../include/helpers.psql
SELECT * FROM no_plan();

-- an attempt in progress of an activity; its token
CREATE FUNCTION running(id text, attempts int = 0, s2c interval = NULL, types text[] = NULL) RETURNS uuid
LANGUAGE plpgsql AS $$
BEGIN
  PERFORM new(id, id, policy => taskq.retry_policy('10 s', maximum_attempts => attempts, non_retryable_error_types => types), s2c => s2c);
  RETURN take(id);
END
$$;

-- 1: RR wins over everything
SELECT running('1', 1, '5 s') AS token \gset
SELECT taskq.reset('1');
SELECT is(taskq.fail(:'token', 'x', non_retryable => true), 'in_progress',
  'step 1: reset wins over non-retryable, over exhausted attempts, over lack of time');

-- 3: CR
SELECT running('3', 1) AS token \gset
SELECT taskq.request_cancel('3');
SELECT is(taskq.fail(:'token', 'x', non_retryable => true), 'cancel_requested',
  'step 3: a pending cancel precedes non-retryable and exhausted attempts');
SELECT is((SELECT status FROM taskq.describe('3')), 'failed', 'step 3: FAILED, not CANCELED');

-- 4: not retryable
SELECT is(taskq.fail(running('4', 1), 'x', non_retryable => true), 'non_retryable_failure',
  'step 4: non-retryable precedes exhausted attempts');
SELECT is(taskq.fail(running('4b', types => '{Fatal,Other}'), 'x', 'Fatal'), 'non_retryable_failure', 'step 4: the type is listed');
SELECT is(taskq.fail(running('4c', types => '{Fatal}'), 'x', 'Fatal', next_retry_delay => '1 s'), 'non_retryable_failure',
  'step 4: next_retry_delay does not override it');
SELECT running('4d') AS token \gset
SELECT taskq.pause('4d');
SELECT is(taskq.fail(:'token', 'x', non_retryable => true), 'non_retryable_failure', 'step 4: applies in PR');
SELECT is((SELECT status FROM taskq.describe('4d')), 'failed', 'step 4: PR closes');

-- 5: attempts exhausted
SELECT is(taskq.fail(running('5', 1, '5 s'), 'x'), 'maximum_attempts_reached', 'step 5: precedes the time check');
SELECT is(taskq.fail(running('5b', 1), 'x', next_retry_delay => '1 s'), 'maximum_attempts_reached',
  'step 5: next_retry_delay does not override it');
SELECT running('5c', 1) AS token \gset
SELECT taskq.pause('5c');
SELECT is(taskq.fail(:'token', 'x'), 'maximum_attempts_reached', 'step 5: applies in PR: closes instead of pausing');
SELECT is((SELECT status FROM taskq.describe('5c')), 'failed', 'step 5: PR closes');
SELECT is(taskq.fail(running('5d', 0), 'x'), 'in_progress', 'step 5: 0 is no limit');

-- 6: no time left
SELECT is(taskq.fail(running('6', s2c => '5 s'), 'x'), 'timeout', 'step 6: the retry would come after ScheduleToClose');
SELECT is(show((SELECT run_id FROM taskq.describe('6')), 'status attempt retry_state'), 'failed 1 timeout', 'step 6: FAILED, since a worker reported it');
SELECT is((SELECT failure ->> 'message' FROM taskq.describe('6')), 'x', 'step 6: the outcome is the failure, unmodified');
SELECT is(taskq.fail(running('6b', s2c => '5 s'), 'x', next_retry_delay => '1 s'), 'in_progress', 'step 6: a shorter next_retry_delay fits');
SELECT is(taskq.fail(running('6c', s2c => '1 h'), 'x', next_retry_delay => '2 h'), 'timeout', 'step 6: a longer next_retry_delay does not');
SELECT running('6d', s2c => '5 s') AS token \gset
SELECT taskq.pause('6d');
SELECT is(taskq.fail(:'token', 'x'), 'timeout', 'step 6: applies in PR');
SELECT is(taskq.fail(running('6e', s2c => '5 s'), 'x', next_retry_delay => '0'), 'timeout', 'step 6: next_retry_delay 0 is not given');
SELECT is(taskq.fail(running('6f', s2c => '11 s'), 'x'), 'in_progress', 'step 6: an interval that fits');
SELECT is(taskq.fail(running('6g'), 'x', next_retry_delay => '100000 days'), 'in_progress', 'step 6: no ScheduleToClose, no limit');

-- 7: PR pauses, R retries
SELECT running('7') AS token \gset
SELECT taskq.pause('7');
SELECT is(taskq.fail(:'token', 'x'), 'in_progress', 'step 7: PR');
SELECT is((SELECT status FROM taskq.describe('7')), 'paused', 'step 7: T16');
SELECT is(taskq.fail(running('7b'), 'x'), 'in_progress', 'step 7: R');
SELECT is((SELECT run_state FROM taskq.describe('7b')), 'scheduled', 'step 7: T5');

-- a failure that is not described
SELECT is(taskq.fail(running('n')), 'in_progress', 'no failure is retryable');
SELECT is((SELECT last_failure FROM taskq.describe('n')),
  '{"kind": "application", "message": "activity task failed without failure details"}', 'no failure: last_failure says so');
SELECT is(taskq.fail(running('n1', 1)), 'maximum_attempts_reached', 'no failure, attempts exhausted');
SELECT is((SELECT failure FROM taskq.describe('n1')),
  '{"kind": "application", "message": "activity task failed without failure details"}', 'no failure: so does the outcome');
SELECT is(taskq.fail(running('n2'), non_retryable => true), 'non_retryable_failure', 'non_retryable alone is a failure');
SELECT is((SELECT failure FROM taskq.describe('n2')), '{"kind": "application", "non_retryable": true}', '... without a message');
SELECT is(taskq.fail(running('n3'), non_retryable => NULL), 'in_progress', 'non_retryable NULL is false');
SELECT taskq.fail(running('n4'), '');
SELECT is((SELECT last_failure FROM taskq.describe('n4')), '{"kind": "application", "message": ""}', 'an empty message is a message');
SELECT taskq.fail(running('n5'), details => 'null');
SELECT is((SELECT last_failure FROM taskq.describe('n5')), '{"kind": "application", "details": null}', 'details that are JSON null are details');
SELECT taskq.fail(running('n6'), stack_trace => 'here');
SELECT is((SELECT last_failure FROM taskq.describe('n6')), '{"kind": "application", "stack_trace": "here"}', 'a stack trace is a failure');
SELECT taskq.fail(running('n7'), last_heartbeat_details => '1');
SELECT is((SELECT last_failure ->> 'message' FROM taskq.describe('n7')), 'activity task failed without failure details',
  'a checkpoint alone is no failure');

-- everything in one failure
SELECT taskq.fail(running('all', 1), 'm', 'T', '{"a": 1}', true, NULL, 'stack', '{"kind": "application", "message": "why"}');
SELECT is((SELECT failure FROM taskq.describe('all')),
  '{"kind": "application", "message": "m", "type": "T", "details": {"a": 1}, "non_retryable": true, "stack_trace": "stack",
    "cause": {"kind": "application", "message": "why"}}', 'a failure has the keys that were given');
SELECT throws_ok(format('SELECT taskq.fail(%L, cause => %L)', running('cause ' || cause), cause), '22023', 'cause must be a failure',
    'cause ' || cause || ' is no failure')
  FROM unnest(ARRAY['null', '1', '"x"', '[]']) cause;

SELECT * FROM finish();
ROLLBACK;
