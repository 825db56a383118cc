-- What calls say: warnings only of what is done, messages that name what was
-- meant, hints that are true.

BEGIN;
\ir ../include/helpers.psql
SELECT * FROM no_plan();
SELECT set_config('taskq.max_payload_size', '1', true);

-- how a call ends
CREATE FUNCTION raised(call text, OUT code text, OUT message text, OUT detail text, OUT hint text)
LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE call;
EXCEPTION WHEN OTHERS THEN
  GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
END
$$;

-- both ids, which do not belong together
SELECT new('q', 'a') AS a \gset
SELECT new('q', 'b') AS b \gset
SELECT is((raised(format('SELECT taskq.%s(''a'', run_id => %s)', name, :b))).message,
  format('activity not found for ID: a, run ID: %s', :b), name || ': both are named')
FROM unnest('{terminate,complete_by_id,fail_by_id,describe,delete}'::text[]) name;
SELECT is((raised('SELECT taskq.terminate(''x'')')).message, 'activity not found for ID: x', 'the activity id alone');
SELECT is((raised('SELECT taskq.terminate(run_id => 0)')).message, 'activity not found for ID: 0', 'the run id alone');

-- NULL, and what is empty
SELECT is(raised(call)::text, format('(22004,"%s","","")', message), call)
FROM (VALUES ('SELECT taskq.channel(NULL)', 'task_queue is not set'), ('SELECT taskq.worker_channel(NULL)', 'identity is not set')) v (call, message);
SELECT is(raised('SELECT taskq.worker_channel('''')')::text, '(22023,"identity must not be empty","","")', 'worker_channel: no default, no hint');
SELECT is((raised('SELECT taskq.poll(''q'', '''')')).hint, 'Pass NULL, or leave it out, for the default.', 'poll: there is one');

-- too long
SELECT is((raised('SELECT taskq.terminate(''a'', reason => repeat(''x'', 1025))')).detail, 'Size is 1025 bytes, taskq.max_payload_size is 1024.',
  'a reason: its size and the limit');

-- a cause is a failure on every level
SELECT take('q') AS token \gset
SELECT is((raised(format('SELECT taskq.fail(%L, ''x'', cause => %L)', :'token', cause))).code, '22023', 'no failure: ' || cause)
FROM unnest(ARRAY['1', '[]', 'null', '{"cause": "x"}', '{"cause": {"cause": [1]}}', '{"message": "x", "cause": {"cause": null}}']) cause;
SELECT is(taskq.fail(:'token', 'x', cause => '{"message": "y", "cause": {"cause": {"message": "z"}}}'), 'in_progress', 'failures');

SELECT * FROM finish();
ROLLBACK;
