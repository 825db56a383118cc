-- docs/reference.md, "Limits": those of workflows; and what no call about workflows takes.

\ir ../include/helpers.psql
SELECT * FROM no_plan();

SELECT 'limits-' || txid_current() AS w \gset
CREATE FUNCTION start(w text, timeout interval = '120 s') RETURNS bigint
LANGUAGE sql AS $$ SELECT run_id FROM taskq.start_workflow(w, 'W', workflow_id => w, task_timeout => timeout) $$;
CREATE FUNCTION task(w text) RETURNS uuid
LANGUAGE sql AS $$ SELECT task_token FROM taskq.poll_workflow_task(w, 'worker') $$;
-- what becomes of commands: a cause without what all causes begin with, or "ok", or "closed"
CREATE FUNCTION complete(token uuid, commands jsonb[] = '{}') RETURNS text
LANGUAGE sql AS $$
  SELECT coalesce(replace(failed_cause, 'WORKFLOW_TASK_FAILED_CAUSE_', ''), 'ok') || CASE WHEN closed THEN ', closed' ELSE '' END
  FROM taskq.complete_workflow_task(token, to_jsonb(commands))
$$;
CREATE FUNCTION activity(id text, input jsonb = NULL) RETURNS jsonb
LANGUAGE sql AS $$ SELECT taskq.command_schedule_activity('A', input, '1 day', activity_id => id, task_queue => 'limits') $$;
CREATE FUNCTION status(run bigint) RETURNS text
LANGUAGE sql AS $$ SELECT status FROM taskq.workflow_outcome(run_id => run) $$;
CREATE FUNCTION events(run bigint, after bigint) RETURNS text
LANGUAGE sql AS $$ SELECT string_agg(event_type, ' ' ORDER BY event_id) FROM taskq.workflow_history(run, after) $$;
CREATE FUNCTION attribute(run bigint, event bigint, name text) RETURNS text
LANGUAGE sql AS $$ SELECT attributes ->> name FROM taskq.workflow_history(run, event - 1, event) $$;

-- 2,000 pending activities
SELECT start(:'w' || 'a') AS run \gset
SELECT is(complete(task(:'w' || 'a'), array_agg(activity(i::text) ORDER BY i)), 'ok', '2000 pending activities') FROM generate_series(1, 2000) i;
SELECT taskq.signal_workflow(:'w' || 'a', 's') \g /dev/null
SELECT is(complete(task(:'w' || 'a'), ARRAY[activity('2001')]), 'PENDING_ACTIVITIES_LIMIT_EXCEEDED', 'one more fails the task');
SELECT taskq.terminate_workflow(:'w' || 'a') \g /dev/null
SELECT is((SELECT count(*) FROM taskq.activities WHERE workflow_run_id = :run), 0, 'they end with their workflow');
SELECT start(:'w' || 'b') AS run \gset
SELECT is(complete(task(:'w' || 'b'), array_agg(activity(i::text) ORDER BY i)), 'PENDING_ACTIVITIES_LIMIT_EXCEEDED', '2001 in one task') FROM generate_series(1, 2001) i;
SELECT is((SELECT count(*) FROM taskq.activities WHERE workflow_run_id = :run), 0, '... none of which is scheduled');

-- 10,000 signals: those that come in a transaction wait for its end, and count before
SELECT start(:'w' || 's') AS run \gset
SELECT is(complete(task(:'w' || 's')), 'ok', 'no task');
SELECT 'exceeded workflow execution limit for signal events' AS exceeded \gset
BEGIN;
SELECT count(taskq.signal_workflow(:'w' || 's', 's')) FROM generate_series(1, 9997) \g /dev/null
SAVEPOINT s;
SELECT count(taskq.signal_workflow(:'w' || 's', 's')) FROM generate_series(9998, 10000) \g /dev/null
SELECT throws_ok(format('SELECT taskq.signal_workflow(%L, ''s'')', :'w' || 's'), '54000', :'exceeded', 'one more is refused before they are written');
ROLLBACK TO s;
SELECT lives_ok(format('SELECT taskq.signal_workflow(%L, ''s'')', :'w' || 's'), '... and taken when those were rolled back');
-- other mail is none of them
SELECT taskq.request_cancel_workflow(:'w' || 's') \g /dev/null
SELECT lives_ok(format('SELECT taskq.signal_workflow(%L, ''s'')', :'w' || 's'), 'a request to cancel does not count');
SELECT lives_ok(format('SELECT taskq.signal_with_start_workflow(%L, ''W'', workflow_id => %1$L, signal_name => ''s'')', :'w' || 's'), 'the last one');
SELECT throws_ok(format('SELECT taskq.signal_workflow(%L, ''s'')', :'w' || 's'), '54000', :'exceeded', 'one more is refused');
SELECT throws_ok(format('SELECT taskq.signal_with_start_workflow(%L, ''W'', workflow_id => %1$L, signal_name => ''s'')', :'w' || 's'), '54000', :'exceeded', '... that comes with a start, too');
COMMIT;
CALL wait_until(format('(SELECT count(*) FROM taskq.run_inbox WHERE run_id = %s) = 0', :run));
SELECT throws_ok(format('SELECT taskq.signal_workflow(%L, ''s'')', :'w' || 's'), '54000', :'exceeded', 'one more is refused when they are written');
SELECT is((SELECT count(*) FROM taskq.workflow_history(:run) WHERE event_type = 'workflow_execution_signaled'), 10000, '10000 are in the history');
SELECT ok(taskq.replay(:run), '... which is right');

-- the signals of one statement: a few are written at once, the others wait, or each would be slower than the one before
SELECT start(:'w' || 'r') AS run \gset
WITH sent AS MATERIALIZED (SELECT count(taskq.signal_workflow(:'w' || 'r', 's', to_jsonb(i))) AS n FROM generate_series(1, 100) i)
SELECT is(format('%s, %s', n, (SELECT count(*) FROM taskq.run_events(:run) WHERE event_type = 'workflow_execution_signaled' AND n = 100)), '100, 20', 'a statement with 100 signals writes its run for the first 20') FROM sent;
CALL wait_until(format('(SELECT count(*) FROM taskq.run_inbox WHERE run_id = %s) = 0', :run));
SELECT is((SELECT array_agg(taskq.payloads(attributes -> 'input') ORDER BY event_id) FROM taskq.workflow_history(:run) WHERE event_type = 'workflow_execution_signaled'),
  (SELECT array_agg(to_jsonb(i) ORDER BY i) FROM generate_series(1, 100) i), '... which has them all, in order');

-- a history of 50 MB: the completion that would go beyond is not carried out
CREATE FUNCTION markers(n int) RETURNS jsonb[]	-- of 1.33 MB each
LANGUAGE sql AS $$ SELECT array_agg(taskq.command_record_marker('m', jsonb_build_object('d', repeat('x', 1000000)))) FROM generate_series(1, n) $$;
SELECT start(:'w' || 'x') AS run \gset
SELECT is(complete(task(:'w' || 'x'), markers(60)), 'FORCE_CLOSE_COMMAND, closed', 'a completion with 80 MB ends its run');
SELECT is(status(:run), 'terminated', '... which is terminated');
SELECT is(events(:run, 1), 'workflow_task_scheduled workflow_task_started workflow_task_completed workflow_execution_terminated', '... with none of its commands done');
SELECT start(:'w' || 'y') AS run \gset
SELECT is(complete(task(:'w' || 'y'), markers(39)), 'ok', 'one with 52,000,000 bytes does not');
SELECT taskq.signal_workflow(:'w' || 'y', 's') \g /dev/null
SELECT is(complete(task(:'w' || 'y'), markers(1)), 'FORCE_CLOSE_COMMAND, closed', '... but the next one that goes beyond');
SELECT is((SELECT event_type FROM taskq.workflow_history(:run, newest_first => true) LIMIT 1), 'workflow_execution_terminated', '... which is not carried out either');

-- a long history asks to be continued
SELECT is(attributes -> 'suggestContinueAsNew', 'true', 'more than 4096 events: continue as new')
FROM taskq.poll_workflow_task(:'w' || 's'), taskq.workflow_history(:run, started_event_id - 1);
SELECT start(:'w' || 'n') AS run \gset
SELECT task(:'w' || 'n') AS token \gset
SELECT is(attribute(:run, 3, 'suggestContinueAsNew'), NULL, 'a short one does not');

-- events that wait for a started task
SELECT count(taskq.signal_workflow(:'w' || 'n', 's')) FROM generate_series(1, 1) \g /dev/null
SELECT format('SELECT taskq.signal_workflow(%L, ''s'')', :'w' || 'n') FROM generate_series(2, 100) \gexec
SELECT is(events(:run, 3), NULL, '100 events wait');
SELECT taskq.signal_workflow(:'w' || 'n', 's') \g /dev/null
SELECT is(attribute(:run, 4, 'cause'), 'WORKFLOW_TASK_FAILED_CAUSE_FORCE_CLOSE_COMMAND', 'one more fails the task');
SELECT is(events(:run, 4), repeat('workflow_execution_signaled ', 101) || 'workflow_task_scheduled', '... and all are told');
SELECT throws_ok(format('SELECT taskq.complete_workflow_task(%L, ''[]'')', :'token'), 'TQ001', 'Workflow task not found.', '... and its worker is too late');
SELECT start(:'w' || 'm') AS run \gset
SELECT task(:'w' || 'm') AS token \gset
SELECT taskq.signal_workflow(:'w' || 'm', 's', to_jsonb(repeat('x', 1100000))) \g /dev/null
SELECT taskq.signal_workflow(:'w' || 'm', 's', to_jsonb(repeat('x', 1100000))) \g /dev/null
SELECT taskq.signal_workflow(:'w' || 'm', 's') \g /dev/null
SELECT is(attribute(:run, 4, 'cause'), 'WORKFLOW_TASK_FAILED_CAUSE_FORCE_CLOSE_COMMAND', '2 MB that wait fail it, too');

-- the timeout of tasks
SELECT is(attribute(start(:'w' || 'given ' || coalesce(given::text, 'none'), given), 1, 'workflowTaskTimeout'), want, format('a task timeout of %s', given))
FROM (VALUES (interval '1 h', '120s'), ('121 s', '120s'), ('119 s', '119s'), (NULL, '10s'), ('0', '10s')) v (given, want);
SELECT is(attribute((SELECT run_id FROM taskq.start_workflow('q', 'W', workflow_id => :'w' || name, run_timeout => run, execution_timeout => execution)), 1, 'workflowTaskTimeout'), want, name)
FROM (VALUES ('capped by the run', interval '3 s', NULL::interval, '3s'), ('capped by the execution', NULL, '2.5 s', '2.500s'), ('by the shorter', '4 s', '3 s', '3s'),
  ('not capped', '1 h', NULL, '10s')) v (name, run, execution, want);

-- a task that is kept alive by forced ones: 30 minutes
BEGIN;
SELECT start(:'w' || 'h') AS run \gset
SELECT task(:'w' || 'h') AS token \gset
CREATE FUNCTION keep(minutes int, INOUT token uuid, OUT cause text, OUT message text)
LANGUAGE plpgsql AS $$
BEGIN
  PERFORM set_clock(make_interval(mins => minutes));
  SELECT (new_task).task_token, coalesce(failed_cause, ''), failed_message INTO token, cause, message
  FROM taskq.complete_workflow_task(token, '[]', force_new_task => true, return_new_task => true);
END
$$;
SELECT token, cause FROM keep(10, :'token') \gset
SELECT token, cause FROM keep(20, :'token') \gset
SELECT token, cause FROM keep(29, :'token') \gset
SELECT is(:'cause'::text, '', 'a task is kept for 29 minutes');
SELECT is((SELECT message FROM keep(31, :'token')), 'workflow task heartbeat timeout', 'for 31 it is not');
SELECT is((SELECT event_type FROM taskq.workflow_history(:run, newest_first => true) LIMIT 1), 'workflow_task_timed_out', '... but has timed out');
ROLLBACK;
BEGIN;
SELECT start(:'w' || 'h') AS run \gset
SELECT task(:'w' || 'h') AS token \gset
CREATE FUNCTION keep(minutes int, INOUT token uuid, OUT cause text, OUT message text)
LANGUAGE plpgsql AS $$
BEGIN
  PERFORM set_clock(make_interval(mins => minutes));
  SELECT (new_task).task_token, coalesce(failed_cause, ''), failed_message INTO token, cause, message
  FROM taskq.complete_workflow_task(token, '[]', force_new_task => true, return_new_task => true);
END
$$;
SELECT token, cause FROM keep(20, :'token') \gset
SELECT taskq.signal_workflow(:'w' || 'h', 's') \g /dev/null
SELECT token, cause FROM keep(25, :'token') \gset
SELECT token, cause FROM keep(45, :'token') \gset
SELECT is(:'cause'::text, '', 'an event begins the time anew');
SELECT is((SELECT message FROM keep(56, :'token')), 'workflow task heartbeat timeout', '... which is as long');
ROLLBACK;
SELECT set_clock('0') \g /dev/null

-- attempts get more time from the fourth on
BEGIN;
SELECT start(:'w' || 't', '10 s') AS run \gset
CREATE TABLE attempt (n int, timeout interval);
DO $$
DECLARE
  task taskq.workflow_task;
BEGIN
  FOR i IN 1..16 LOOP
    SELECT * INTO STRICT task FROM taskq.poll_workflow_task((SELECT task_queue FROM taskq.workflows WHERE run_id = (SELECT max(run_id) FROM taskq.workflows)));
    INSERT INTO attempt VALUES (task.attempt, (coalesce(task.transient -> 0 -> 'workflowTaskScheduledEventAttributes',
      task.history::jsonb -> 1 -> 'workflowTaskScheduledEventAttributes') ->> 'startToCloseTimeout')::interval);
    PERFORM taskq.fail_workflow_task(task.task_token, 'WORKFLOW_WORKER_UNHANDLED_FAILURE');
  END LOOP;
END
$$;
SELECT is((SELECT array_agg(n ORDER BY n) FROM attempt), ARRAY[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16], 'sixteen attempts');
SELECT ok(timeout BETWEEN interval '10 s' + more * 0.8 AND interval '10 s' + more, format('attempt %s has %s, 10 s and nearly %s', n, timeout, more))
FROM attempt, LATERAL (SELECT CASE WHEN n < 4 THEN interval '0' ELSE least(interval '5 s' * 2 ^ (n - 4), interval '10 min') END) m (more) ORDER BY n;
SELECT is((SELECT history_length FROM taskq.workflows WHERE run_id = :run), 4, '... and the history is not longer for it');
ROLLBACK;

-- names of 1,000 bytes at most
SELECT repeat('x', 1000) AS longest, repeat('x', 1001) AS too_long \gset
SELECT lives_ok(format('SELECT taskq.start_workflow(%L, %L, workflow_id => %L, request_id => %1$L)', left(:'longest', 200), :'longest', :'longest'), 'names of 1000 bytes');
SELECT lives_ok(format('SELECT taskq.signal_workflow(%L, %1$L, request_id => %1$L)', :'longest'), 'a signal of such a name');
SELECT taskq.delete_workflow(:'longest') \g /dev/null
SELECT throws_ok(replace(call, '$long', quote_literal(:'too_long')), '22023', NULL, call)
FROM unnest(ARRAY['SELECT taskq.start_workflow($long, ''W'')', 'SELECT taskq.start_workflow(''q'', $long)', 'SELECT taskq.start_workflow(''q'', ''W'', workflow_id => $long)',
  'SELECT taskq.start_workflow(''q'', ''W'', request_id => $long)',
  'SELECT taskq.start_workflow(''q'', ''W'', identity => $long)', 'SELECT taskq.start_workflow(''q'', ''W'', fairness_key => $long)',
  'SELECT taskq.signal_with_start_workflow(''q'', ''W'', signal_name => $long)',
  'SELECT taskq.signal_workflow($long, ''s'')', 'SELECT taskq.signal_workflow(''w'', ''s'', request_id => $long)', 'SELECT taskq.signal_workflow(''w'', $long)', 'SELECT taskq.request_cancel_workflow($long)',
  'SELECT taskq.terminate_workflow($long)', 'SELECT taskq.delete_workflow($long)', 'SELECT taskq.workflow_outcome($long)', 'SELECT taskq.describe_workflow($long)',
  'SELECT taskq.poll_workflow_task($long)', 'SELECT taskq.poll_workflow_task(''q'', $long)', 'SELECT taskq.poll_workflow_task(''q'', sticky_for => $long)', 'SELECT taskq.worker_gone($long)']) call;
SELECT start(:'w' || 'l') AS run \gset
SELECT is(complete(task(:'w' || 'l'), ARRAY[activity(:'longest'), taskq.command_start_timer(:'longest', '1 day'), taskq.command_record_marker(:'longest')]), 'ok', 'ids in commands of 1000 bytes');
CREATE FUNCTION answer(w text, commands jsonb[]) RETURNS text
LANGUAGE plpgsql AS $$
BEGIN
  PERFORM start(w);
  RETURN complete(task(w), commands);
END
$$;
SELECT is(answer(:'w' || cause, ARRAY[command]), cause, 'an id of 1001 bytes: ' || cause)
FROM (VALUES ('BAD_SCHEDULE_ACTIVITY_ATTRIBUTES', activity(:'too_long')), ('BAD_START_TIMER_ATTRIBUTES', taskq.command_start_timer(:'too_long', '1 day')),
  ('BAD_CANCEL_TIMER_ATTRIBUTES', taskq.command_cancel_timer(:'too_long')), ('BAD_RECORD_MARKER_ATTRIBUTES', taskq.command_record_marker(:'too_long'))) v (cause, command);

-- values of taskq.max_payload_size at most: a command with more ends the run
SELECT to_jsonb(repeat('x', 3 * 1024 * 1024)) AS large \gset
SELECT throws_ok(call, '22023', NULL, left(call, 60))
FROM unnest(ARRAY[format('SELECT taskq.start_workflow(''q'', ''W'', %L)', :'large'), format('SELECT taskq.signal_workflow(%L, ''s'', %L)', :'w' || 'l', :'large'),
  format('SELECT taskq.signal_with_start_workflow(''q'', ''W'', signal_name => ''s'', signal_input => %L)', :'large'),
  format('SELECT taskq.terminate_workflow(%L, details => %L)', :'w' || 'l', :'large')]) call;
SELECT is(answer(:'w' || name, ARRAY[command]) || ' ' || (SELECT status FROM taskq.describe_workflow(:'w' || name) d, LATERAL (SELECT d ->> 'status' AS status) s), cause || ', closed terminated', 'too large: ' || name)
FROM (VALUES ('an activity''s input', 'BAD_SCHEDULE_ACTIVITY_ATTRIBUTES', activity('a', :'large')),
  ('a marker', 'BAD_RECORD_MARKER_ATTRIBUTES', taskq.command_record_marker('m', jsonb_build_object('d', :'large'::jsonb))),
  ('a result', 'BAD_SCHEDULE_ACTIVITY_ATTRIBUTES', taskq.command_complete(:'large')),
  ('a failure', 'BAD_FAIL_WORKFLOW_EXECUTION_ATTRIBUTES', taskq.command_fail('x', details => :'large')),
  ('details of a cancellation', 'BAD_CANCEL_WORKFLOW_EXECUTION_ATTRIBUTES', taskq.command_cancel(:'large')),
  ('the input of the next run', 'BAD_CONTINUE_AS_NEW_ATTRIBUTES', taskq.command_continue_as_new(input => :'large')),
  ('the memo of the next run', 'BAD_CONTINUE_AS_NEW_ATTRIBUTES', taskq.command_continue_as_new(memo => jsonb_build_object('m', :'large'::jsonb))),
  ('search attributes of the next run', 'BAD_SEARCH_ATTRIBUTES', taskq.command_continue_as_new(search_attributes => jsonb_build_object('LimitsA', :'large'::jsonb))),
  ('search attributes', 'BAD_SEARCH_ATTRIBUTES', taskq.command_upsert_search_attributes(jsonb_build_object('LimitsA', :'large'::jsonb))),
  ('a memo', 'BAD_MODIFY_WORKFLOW_PROPERTIES_ATTRIBUTES', taskq.command_modify_properties(jsonb_build_object('m', :'large'::jsonb)))) v (name, cause, command);

-- many commands that change a large memo cost what they are
SELECT is(answer(:'w' || 'many', ARRAY[taskq.command_modify_properties(jsonb_build_object('big', to_jsonb(repeat('x', 1500 * 1024))))] ||
  (SELECT array_agg(taskq.command_modify_properties(jsonb_build_object('k', i))) FROM generate_series(1, 2000) i)), 'ok', 'many changes of a large memo');
SELECT is((SELECT memo -> 'k' FROM taskq.workflows WHERE workflow_id = :'w' || 'many'), '2000', 'the last one counts');

-- likewise of all values of a memo, or of search attributes, together; what takes the place of others does not count twice
SELECT to_jsonb(repeat('x', 900 * 1024)) AS large \gset
SELECT is(answer(:'w' || 'memo', ARRAY[taskq.command_modify_properties(jsonb_build_object('a', :'large'::jsonb)), taskq.command_modify_properties(jsonb_build_object('b', :'large'::jsonb)),
  taskq.command_modify_properties(jsonb_build_object('a', :'large'::jsonb)), taskq.command_modify_properties(jsonb_build_object('b', null))]), 'ok', 'a memo below the limit');
SELECT taskq.signal_workflow(:'w' || 'memo', 's');
SELECT is(complete(task(:'w' || 'memo'), ARRAY[taskq.command_modify_properties(jsonb_build_object('b', :'large'::jsonb)), taskq.command_modify_properties(jsonb_build_object('c', :'large'::jsonb))]) || ' ' ||
  (SELECT d ->> 'status' FROM taskq.describe_workflow(:'w' || 'memo') d), 'BAD_MODIFY_WORKFLOW_PROPERTIES_ATTRIBUTES, closed terminated', 'a memo that grows beyond it');
SELECT is(answer(:'w' || 'found', ARRAY[taskq.command_upsert_search_attributes(jsonb_build_object('LimitsA', :'large'::jsonb, 'LimitsB', :'large'::jsonb))]), 'ok', 'search attributes below the limit');
SELECT taskq.signal_workflow(:'w' || 'found', 's');
SELECT is(complete(task(:'w' || 'found'), ARRAY[taskq.command_upsert_search_attributes(jsonb_build_object('LimitsC', :'large'::jsonb, 'LimitsD', :'large'::jsonb))]) || ' ' ||
  (SELECT d ->> 'status' FROM taskq.describe_workflow(:'w' || 'found') d), 'BAD_SEARCH_ATTRIBUTES, closed terminated', 'search attributes that grow beyond it');

-- a failure that is retried has about 4 kB, also where it is large for what histories do not have
SELECT to_jsonb(repeat('x', 20 * 1024)) AS large \gset
CREATE FUNCTION chain(n int, failure jsonb) RETURNS jsonb
LANGUAGE plpgsql AS $$
BEGIN
  FOR i IN 1..n LOOP
    failure := jsonb_build_object('message', 'm', 'cause', failure);
  END LOOP;
  RETURN failure;
END
$$;
CREATE FUNCTION kept(w text, given jsonb) RETURNS jsonb
LANGUAGE plpgsql AS $$
DECLARE
  run bigint := start(w);
BEGIN
  PERFORM complete(task(w), ARRAY[taskq.command_schedule_activity('A', start_to_close_timeout => '1 day')]);
  PERFORM taskq.fail_with(task_token, given) FROM taskq.poll(w);
  RETURN (SELECT last_failure FROM taskq.activities WHERE workflow_run_id = run);
END
$$;
SELECT is(kept(:'w' || 'key', jsonb_build_object('message', 'm', 'type', 'T', 'details', jsonb_build_array(1), 'mine', :'large'::jsonb)),
  '{"kind": "application", "message": "m", "type": "T", "details": [1]}', 'a failure with a large key of its own');
SELECT is(kept(:'w' || 'small', jsonb_build_object('message', 'm', 'mine', repeat('x', 2000))) ->> 'mine', repeat('x', 2000), '... which is there if it is not');
SELECT is(kept(:'w' || 'cause', chain(10, jsonb_build_object('message', 'last', 'mine', :'large'::jsonb))),
  jsonb_set(chain(10, '{"message": "last"}'), '{kind}', '"application"'), '... of a cause');
SELECT cmp_ok(length(kept(:'w' || 'deep', chain(200, jsonb_build_object('stack_trace', :'large'::jsonb)))::text), '<', 16 * 1024, '... behind the causes that histories have');

SELECT count(taskq.delete_workflow(run_id => run_id)) FROM taskq.workflows WHERE workflow_id LIKE 'limits-%' \g /dev/null
SELECT * FROM finish();
DROP SCHEMA t CASCADE;
