-- docs/semantics.md: a failure that has to be cut says what it was.

BEGIN;
\ir ../include/helpers.psql
SELECT * FROM no_plan();

-- fail an attempt and have its last_failure
CREATE FUNCTION kept(message text, type text = NULL, details jsonb = NULL, stack text = NULL, cause jsonb = NULL) RETURNS jsonb
LANGUAGE plpgsql AS $$
DECLARE
  run bigint := new('kept');
BEGIN
  PERFORM taskq.fail(task_token, message, type, details, false, interval '1 h', stack, cause) FROM taskq.poll('kept');
  RETURN (SELECT last_failure FROM taskq.activities WHERE run_id = run);
END
$$;
-- a chain of n causes
CREATE FUNCTION chain(n int, more jsonb = '{}') RETURNS jsonb
LANGUAGE plpgsql AS $$
DECLARE
  result jsonb := '{"kind": "application", "message": "root"}';
BEGIN
  FOR i IN 1..n LOOP
    result := jsonb_build_object('kind', 'application', 'message', 'cause ' || i, 'type', 'T' || i, 'cause', result) || more;
  END LOOP;
  RETURN result;
END
$$;

-- what fits is kept whole, and not marked
SELECT is(kept('m', 'T', '{"a": 1}', repeat('s', 3000)),
  jsonb_build_object('kind', 'application', 'message', 'm', 'type', 'T', 'details', '{"a": 1}'::jsonb, 'stack_trace', repeat('s', 3000)),
  'what fits is kept whole');

-- the stack trace goes first
SELECT kept('the message', 'T', '{"a": 1}', repeat('s', 5000)) AS f \gset
SELECT is(:'f'::jsonb - 'stack_trace', '{"kind": "application", "message": "the message", "type": "T", "details": {"a": 1}, "truncated": true}',
  'a long stack trace: all else is there, on top');
SELECT alike(:'f'::jsonb ->> 'stack_trace', 'sss%', '... with the beginning of the stack trace');

-- then the details
SELECT is(kept('the message', 'T', jsonb_build_array(repeat('d', 5000)), 'short'),
  '{"kind": "application", "message": "the message", "type": "T", "stack_trace": "short", "truncated": true}', 'long details');
SELECT is(kept('the message', 'T', jsonb_build_array(repeat('d', 5000)), repeat('s', 5000)) - 'stack_trace',
  '{"kind": "application", "message": "the message", "type": "T", "truncated": true}', 'long details and stack trace');
SELECT is(kept('m', details => to_jsonb(ARRAY(SELECT 'detail ' || i FROM generate_series(1, 1000) i))),
  '{"kind": "application", "message": "m", "truncated": true}', 'details of many pieces');

-- causes are cut in the same way, and keep their messages
SELECT kept('top', 'T', NULL, 'short', chain(3, jsonb_build_object('stack_trace', repeat('s', 3000), 'details', repeat('d', 3000)))) AS f \gset
SELECT is(:'f'::jsonb #>> '{message}', 'top', 'causes: the message on top is that of the failure');
SELECT is(:'f'::jsonb #>> '{cause,message}', 'cause 3', 'causes: and so is that of the cause');
SELECT is(:'f'::jsonb #>> '{cause,cause,cause,cause,message}', 'root', 'causes: down to the root');
SELECT is(:'f'::jsonb #>> '{cause,truncated}', NULL, 'causes: marked once, on top');
SELECT ok(pg_column_size(:'f'::jsonb) <= 4096, 'causes: within the limit');
SELECT kept('top', 'T', cause => chain(500)) AS f \gset
SELECT is(:'f'::jsonb #>> '{cause,cause,message}', 'cause 499', 'a long chain: its beginning is kept');
SELECT is(:'f'::jsonb ->> 'truncated', 'true', 'a long chain: marked');
SELECT kept('top', cause => chain(20, jsonb_build_object('message', repeat('m', 3000)))) AS f \gset
SELECT alike(:'f'::jsonb #>> '{cause,message}', 'mmm%', 'a chain of long messages: cut');
SELECT is(kept('top', cause => jsonb_build_object('message', jsonb_build_object('odd', repeat('x', 5000)), 'kind', repeat('k', 5000), 'stack_trace', 7)) ->> 'message',
  'top', 'a cause that is no failure of ours');

-- message and type are cut at last, on a character boundary
SELECT kept(repeat('ü', 4000), repeat('t', 1000), '1', repeat('s', 5000), chain(3)) AS f \gset
SELECT alike(:'f'::jsonb ->> 'message', repeat('ü', 1000) || '%', 'a long message: as much as fits');
SELECT alike(:'f'::jsonb ->> 'type', 'ttt%', 'a long type: likewise');
SELECT is(:'f'::jsonb ->> 'kind', 'application', 'its kind');
SELECT is(:'f'::jsonb ->> 'truncated', 'true', 'and that it is cut');
-- whatever comes, it fits
SELECT ok(bool_and(pg_column_size(f) <= 4096 AND f ->> 'kind' = 'application' AND f ->> 'truncated' = 'true' AND f ->> 'message' LIKE 'xx%'), 'always within the limit')
FROM generate_series(100, 5000, 700) a, generate_series(100, 3000, 900) b, generate_series(0, 5000, 1700) c,
  LATERAL (SELECT kept(repeat('x', a), repeat('y', b), to_jsonb(repeat('d', c + 4000)), repeat('s', c),
    chain(c / 500, jsonb_build_object('message', repeat('m', b)))) AS f) k;
SELECT is(kept(repeat('m', 5000)) - 'message', '{"kind": "application", "truncated": true}', 'nothing but a message');

-- reset, too, keeps the failure of the attempt that it ends
SELECT new('reset', 'reset') AS run \gset
SELECT take('reset') AS token \gset
SELECT taskq.reset('reset');
SELECT taskq.fail(:'token', 'the message', stack_trace => repeat('s', 5000));
SELECT is((SELECT last_failure ->> 'message' FROM a(:run)), 'the message', 'reset: the same');

-- the failure that closes is whole
SELECT new('closes', policy => taskq.retry_policy(maximum_attempts => 1)) AS run \gset
SELECT taskq.fail(take('closes'), 'the message', stack_trace => repeat('s', 5000));
SELECT is((SELECT length(failure ->> 'stack_trace') FROM a(:run)), 5000, 'the failure that closes is kept whole');

-- unless it is above taskq.max_payload_size: then its cause says what it was, cut in the same way
SELECT new('large') AS run \gset
SELECT take('large') AS token \gset
SET LOCAL taskq.max_payload_size = '8kB';
SET LOCAL client_min_messages = error;
SELECT is(taskq.fail(:'token', 'the message', 'T', '{"a": 1}', stack_trace => repeat('s', 100000), cause => chain(2)), 'non_retryable_failure', 'too large: not retried');
SELECT is((SELECT failure ->> 'message' FROM a(:run)), 'Failure exceeds size limit.', 'too large: taskq says so');
SELECT is((SELECT failure #> '{cause}' #- '{stack_trace}' FROM a(:run)),
  jsonb_build_object('kind', 'application', 'message', 'the message', 'type', 'T', 'details', '{"a": 1}'::jsonb, 'cause', chain(2), 'truncated', true),
  'too large: the cause is all that fits');
SELECT ok((SELECT pg_column_size(failure::text::jsonb) <= 8192 FROM a(:run)), 'too large: within that limit');

-- texts that jsonb cannot hold
RESET taskq.max_payload_size;
SELECT new('huge') AS run \gset
SELECT take('huge') AS token \gset
SET LOCAL client_min_messages = error;
SELECT is(taskq.fail(:'token', 'short', stack_trace => repeat('x', 270000000)), 'non_retryable_failure', 'a text of 270 MB: no error');
RESET client_min_messages;
SELECT is((SELECT (failure ->> 'message', failure -> 'cause' ->> 'message', failure -> 'cause' ->> 'truncated')::text FROM a(:run)),
  '("Failure exceeds size limit.",short,true)', 'the rest of the failure is there');

SELECT * FROM finish();
ROLLBACK;
