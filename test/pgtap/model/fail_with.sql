-- docs/reference.md: fail_with, fail_with_by_id and fail_with_many take a failure whole and keep all of it.

BEGIN;
\ir ../include/helpers.psql
SELECT * FROM no_plan();

-- fail the only attempt with it, and have what is kept
CREATE FUNCTION kept(failure jsonb) RETURNS jsonb
LANGUAGE plpgsql AS $$
DECLARE
  run bigint := new('kept', policy => taskq.retry_policy(maximum_attempts => 1));
BEGIN
  PERFORM taskq.fail_with(task_token, failure) FROM taskq.poll('kept');
  RETURN (SELECT a.failure FROM taskq.activities a WHERE a.run_id = run);
END
$$;

-- all of it is kept, what taskq does not know included, in causes too
SELECT is(kept(failure), failure, 'as it was given: ' || left(failure::text, 60))
FROM unnest(ARRAY[
  '{"kind": "application", "message": "m", "type": "T", "details": [1, {"a": null}], "stack_trace": "s"}',
  '{"kind": "application"}',
  '{"kind": "application", "message": "", "type": "", "non_retryable": false}',
  '{"kind": "application", "message": "m", "source": "GoSDK", "category": "BENIGN", "encoded_attributes": {"$payloads": [{"data": "eA=="}]}, "info": {"x": [1.50]}, "no such key": null}',
  '{"kind": "application", "message": "m", "cause": {"kind": "timeout", "timeout_type": "heartbeat", "source": "x", "info": 7, "cause": {"kind": "of its own", "info": {"activityType": {}}}}}'
]::jsonb[]) failure;
SELECT is(kept('{"message": "m", "x": 1}'), '{"kind": "application", "message": "m", "x": 1}', 'the kind may be left out');
SELECT is(kept(NULL), '{"kind": "application", "message": "activity task failed without failure details"}', 'no failure described');
SELECT is(kept('{}'), '{"kind": "application"}', 'an empty one is described');

-- a retried one keeps it as last_failure
SELECT new('retried', policy => taskq.retry_policy(initial_interval => '1 h')) AS run \gset
SELECT is(taskq.fail_with(take('retried'), '{"message": "m", "source": "JavaSDK", "cause": {"source": "x"}}', '7 min', '"checkpoint"', 'me'), 'in_progress', 'retried');
SELECT is((a(:run)).last_failure, '{"kind": "application", "message": "m", "source": "JavaSDK", "cause": {"source": "x"}}', 'last_failure');
SELECT is(show(:run, 'attempt current_retry_interval heartbeat_details last_worker_identity'), '2 00:07:00 checkpoint me', 'delay, checkpoint and identity');

-- judged as fail judges: its own flag, and the list of types
SELECT new('judged');
SELECT is(taskq.fail_with(take('judged'), '{"non_retryable": true}'), 'non_retryable_failure', 'non_retryable');
SELECT new('judged', policy => taskq.retry_policy(non_retryable_error_types => '{Bad}'));
SELECT is(taskq.fail_with(take('judged'), '{"type": "Bad"}'), 'non_retryable_failure', 'a type that is not retried');
SELECT new('judged', policy => taskq.retry_policy(non_retryable_error_types => '{Bad}', initial_interval => '1 h'));
SELECT is(taskq.fail_with(take('judged'), '{"cause": {"type": "Bad", "non_retryable": true}}'), 'in_progress', 'causes do not count');

-- what is no failure
SELECT new('bad') AS run \gset
SELECT take('bad') AS token \gset
SELECT throws_ok(format('SELECT taskq.fail_with(%L, %L)', :'token', failure), '22023', message, failure)
FROM (VALUES ('1', 'failure and its causes must be JSON objects'), ('[]', 'failure and its causes must be JSON objects'), ('null', 'failure and its causes must be JSON objects'),
  ('{"cause": "x"}', 'failure and its causes must be JSON objects'), ('{"cause": {"cause": []}}', 'failure and its causes must be JSON objects'),
  ('{"kind": "timeout"}', 'Failure must have ApplicationFailureInfo.'), ('{"kind": "canceled"}', 'Failure must have ApplicationFailureInfo.'),
  ('{"kind": null}', 'Failure must have ApplicationFailureInfo.'), ('{"kind": 1}', 'Failure must have ApplicationFailureInfo.'),
  ('{"message": 1}', 'message, type and stack_trace of a failure must be strings'), ('{"type": null}', 'message, type and stack_trace of a failure must be strings'),
  ('{"stack_trace": []}', 'message, type and stack_trace of a failure must be strings'), ('{"non_retryable": "yes"}', 'non_retryable of a failure must be true or false')) v (failure, message);
SELECT throws_ok('SELECT taskq.fail_with(NULL, ''{}'')', '22004', 'task_token is not set', 'no token');
SELECT throws_ok(format('SELECT taskq.fail_with(%L, ''{}'', ''-1 s'')', :'token'), '22023', NULL, 'a negative delay');
SELECT throws_ok(format('SELECT taskq.fail_with(%L, ''{}'')', gen_random_uuid()), 'TQ001', NULL, 'a token that never was');
SELECT is(show(:run, 'run_state attempt'), 'started 1', 'nothing has happened');

-- too large: cut, as one of fail
SELECT set_config('taskq.max_payload_size', '1', true);
SELECT is(kept(jsonb_build_object('message', 'm', 'info', repeat('x', 2000))),
  '{"kind": "server", "message": "Failure exceeds size limit.", "non_retryable": true, "cause": {"kind": "application", "message": "m", "truncated": true}}', 'too large');
SELECT set_config('taskq.max_payload_size', '2MB', true);

-- by id
SELECT new('by id', 'one', policy => taskq.retry_policy(initial_interval => '1 h')) AS run \gset
SELECT throws_ok('SELECT taskq.fail_with_by_id(''one'', ''{}'')', 'TQ001', 'activity not found for ID: one', 'by id: no attempt runs');
SELECT take('by id') \g /dev/null
SELECT throws_ok('SELECT taskq.fail_with_by_id(''one'', ''1'')', '22023', 'failure and its causes must be JSON objects', 'by id: no failure');
SELECT throws_ok('SELECT taskq.fail_with_by_id(failure => ''{}'')', '22004', 'neither activity_id nor run_id is set', 'by id: of nobody');
SELECT is(taskq.fail_with_by_id('one', '{"message": "m", "source": "JavaSDK", "encoded_attributes": 1, "cause": {"source": "x"}}', '7 min', '"checkpoint"', :run, 'me'), 'in_progress', 'by id: all arguments');
SELECT is((a(:run)).last_failure, '{"kind": "application", "message": "m", "source": "JavaSDK", "encoded_attributes": 1, "cause": {"source": "x"}}', 'by id: all of it is kept');
SELECT is(show(:run, 'attempt current_retry_interval heartbeat_details last_worker_identity'), '2 00:07:00 checkpoint me', 'by id: delay, checkpoint and identity');

-- many
SELECT new('many') FROM generate_series(1, 4) \g /dev/null
SELECT array_agg(task_token ORDER BY run_id) AS tokens FROM taskq.poll('many', 'w', 4) \gset
SELECT is((SELECT string_agg(concat_ws(' ', ok, retry_state, error), ', ' ORDER BY n) FROM taskq.fail_with_many(
    :'tokens'::uuid[] || gen_random_uuid() || (:'tokens'::uuid[])[1],
    ARRAY['{"message": "1", "source": "x"}', '{"message": "2", "non_retryable": true}', '{"kind": "canceled"}', NULL, '{}', '{}']::jsonb[],
    '{1 s,NULL,NULL,2 s,NULL,NULL}', '{a,NULL,c,d,e,f}', ARRAY['1', NULL, NULL, '[4]', NULL, NULL]::jsonb[]) WITH ORDINALITY r (token, ok, retry_state, error, n)),
  't in_progress, t non_retryable_failure, f 22023, t in_progress, f TQ001, f TQ001', 'many: each its own answer');
SELECT is((SELECT string_agg(concat_ws(' ', status, run_state, coalesce(failure, last_failure) ->> 'message', coalesce(failure, last_failure) ->> 'source', current_retry_interval, last_worker_identity, heartbeat_details), ', ' ORDER BY run_id)
    FROM taskq.activities WHERE task_queue = 'many'),
  'running scheduled 1 x 00:00:01 a 1, failed 2 w, running started w, running scheduled activity task failed without failure details 00:00:02 d [4]', 'many: each its own failure');
SELECT is_empty('SELECT * FROM taskq.fail_with_many(''{}'', ''{}'')', 'many: none');
SELECT throws_ok('SELECT taskq.fail_with_many(' || arguments || ')', code, message, 'many: ' || arguments)
FROM (VALUES ('NULL, ''{}''', '22004', 'task_tokens is not set'), ('''{}'', NULL', '22004', 'failures is not set'), ('''{NULL}'', ''{NULL}''', '22023', 'task_tokens must not contain NULL'),
  ('ARRAY[gen_random_uuid()], ''{}''', '22023', 'task_tokens and failures must have the same length'),
  ('ARRAY[gen_random_uuid()], ''{NULL}'', ''{1 s,2 s}''', '22023', 'task_tokens and next_retry_delays must have the same length'),
  ('ARRAY[gen_random_uuid()], ''{NULL}'', ''{-1 s}''', '22023', NULL),
  ('ARRAY[gen_random_uuid()], ''{NULL}'', NULL, ''{}''', '22023', 'task_tokens and identities must have the same length'),
  ('ARRAY[gen_random_uuid()], ''{NULL}'', NULL, NULL, ''{}''', '22023', 'task_tokens and last_heartbeat_details must have the same length'),
  ('ARRAY[gen_random_uuid()], ''{{NULL}}''', '22023', 'failures must be a one-dimensional array')) v (arguments, code, message);

SELECT * FROM finish();
ROLLBACK;
