-- docs/reference.md, "Reading" and "Views": runs of workflows, their events and
-- timers, one by one and as a whole.  What comes from outside of a run is seen at
-- once where it is committed, so this file commits.

\ir ../include/helpers.psql
SELECT * FROM no_plan();

CREATE FUNCTION w(run bigint) RETURNS taskq.workflows
LANGUAGE sql AS $$ SELECT * FROM taskq.workflows WHERE run_id = run $$;
CREATE FUNCTION summaries(run bigint) RETURNS text[]
LANGUAGE sql AS $$
  SELECT array_agg(format('%s %s: %s', event_id, event_type, summary) ORDER BY event_id) FROM taskq.workflow_events WHERE run_id = run
$$;
-- poll one workflow task; its token
CREATE FUNCTION step(queue text) RETURNS uuid
LANGUAGE sql AS $$ SELECT task_token FROM taskq.poll_workflow_task(queue, 'worker') $$;
-- answer it
CREATE FUNCTION answer(token uuid, VARIADIC commands jsonb[]) RETURNS text
LANGUAGE sql AS $$ SELECT failed_cause FROM taskq.complete_workflow_task(token, to_jsonb(commands), identity => 'worker') $$;

-- an open run
SELECT run_id AS run FROM taskq.start_workflow('wq', 'Order', '{"order": 16}', 'order 16', identity => 'shop', memo => '{"note": "hi"}',
  search_attributes => '{"City": "Bonn"}', start_delay => '1 min') \gset
SELECT is((w(:run)).workflow_id, 'order 16', 'workflow_id');
SELECT is((w(:run)).run_uuid, taskq.run_uuid(:run), 'run_uuid');
SELECT is((w(:run)).workflow_type, 'Order', 'workflow_type');
SELECT is((w(:run)).task_queue, 'wq', 'task_queue');
SELECT is((w(:run)).status, 'running', 'status');
SELECT is((w(:run)).execution_time, (w(:run)).start_time + interval '1 min', 'execution_time: after the start delay');
SELECT ok((w(:run)).close_time IS NULL AND (w(:run)).execution_duration IS NULL, 'not closed');
SELECT is((w(:run)).history_length, 1, 'history_length');
SELECT cmp_ok((w(:run)).history_size_bytes, '>', 0::bigint, 'history_size_bytes');
SELECT ok((w(:run)).parent_workflow_id IS NULL AND (w(:run)).parent_run_id IS NULL, 'no parent');
SELECT is((w(:run)).root_run_id, :run, 'its own root');
SELECT is((w(:run)).first_run_id, :run, 'the first of its runs');
SELECT is((w(:run)).attempt, 1, 'attempt');
SELECT is((w(:run)).memo, '{"note": "hi"}', 'memo');
SELECT is((w(:run)).search_attributes, '{"City": "Bonn"}', 'search_attributes');
SELECT is((w(:run)).cancel_requested, false, 'cancel_requested');
SELECT is((w(:run)).pending_task, NULL, 'no task before the delay is over');
SELECT is((SELECT count(*) FROM taskq.activities WHERE run_id = :run), 0, 'a run is no activity');

-- its tasks, what waits, and events that are not stored yet
SELECT run_id AS other FROM taskq.start_workflow('wq', 'Order', workflow_id => 'order 17', identity => 'shop') \gset
SELECT is(((w(:other)).pending_task).state, 'scheduled', 'a task waits');
SELECT is(((w(:other)).pending_task).since, (w(:other)).start_time, 'since when');
SELECT step('wq') AS token \gset
SELECT is(((w(:other)).pending_task).state, 'started', 'a task is started');
SELECT is(summaries(:other), ARRAY['1 workflow_execution_started: Order, workflow order 17, queue wq, attempt 1, by shop',
  '2 workflow_task_scheduled: queue wq, attempt 1', '3 workflow_task_started: of event 2, by worker'], 'events of the task are there before they are stored');
SELECT answer(:'token', taskq.command_schedule_activity('Charge', taskq.args('16', '"eur"'), '1 h', task_queue => 'aq', activity_id => 'charge'),
  taskq.command_start_timer('reminder', '1 h'), taskq.command_record_marker('version', '{"change": "a"}'),
  taskq.command_upsert_search_attributes('{"City": "Ulm"}'), taskq.command_modify_properties(E'{"note": "two\\nlines"}'));
SELECT is((summaries(:other))[4:], ARRAY['4 workflow_task_completed: of event 2, by worker',
  '5 activity_task_scheduled: Charge, activity charge, queue aq, {"$payloads": [{"json": 16}, {"json": "eur"}]}',
  '6 timer_started: timer reminder, after 3600s', '7 marker_recorded: version, {"change": "a"}',
  '8 upsert_workflow_search_attributes: {"City": "Ulm"}', E'9 workflow_properties_modified: {"note": "two\\nlines"}'], 'one line per event, payloads plain');
SELECT is((w(:other)).pending_task, NULL, 'idle');
SELECT is((w(:other)).pending_activities, 1, 'pending_activities');
SELECT is((w(:other)).pending_timers, 1, 'pending_timers');
SELECT is((w(:other)).pending_children, 0, 'pending_children');
SELECT is((w(:other)).search_attributes, '{"City": "Ulm"}', 'search attributes are as they are now');
SELECT is((w(:other)).memo, '{"note": "two\nlines"}', 'so is the memo');
SELECT is((SELECT (workflow_id, timer_id, started_event_id, fire_time)::text FROM taskq.workflow_timers WHERE run_id = :other),
  (SELECT ('order 17', 'reminder', event_id, event_time + interval '1 h')::text FROM taskq.workflow_events WHERE run_id = :other AND event_type = 'timer_started'),
  'workflow_timers');
SELECT is((SELECT (activity_id, activity_type, workflow_run_id, scheduled_event_id)::text FROM taskq.activities WHERE workflow_run_id = :other),
  format('(charge,Charge,%s,5)', :'other'), 'its activity, by the run');
SELECT is((SELECT count(*) FROM (SELECT event_id, event_time, event_type, attributes, user_metadata, extra FROM taskq.workflow_events WHERE run_id = :other
    INTERSECT SELECT * FROM taskq.workflow_history(:other)) same), 9, 'events as workflow_history has them');
SELECT is((SELECT array_agg(DISTINCT run_id ORDER BY run_id) FROM taskq.workflow_events WHERE run_id >= :run), ARRAY[:run, :other]::bigint[], 'of all runs');
SELECT is((SELECT count(*) FROM taskq.workflow_events WHERE workflow_id = 'order 17'), 9, 'of a workflow');

-- describe_workflow
SELECT taskq.describe_workflow('order 17')::jsonb AS described \gset
SELECT is(:'described'::jsonb - ARRAY['activities', 'timers', 'children'], to_jsonb(w(:other)), 'describe_workflow: the row of the view');
SELECT is(:'described'::jsonb -> 'activities' -> 0 ->> 'activity_id', 'charge', '... with its activities');
SELECT is(:'described'::jsonb -> 'activities' -> 0 ->> 'run_state', 'scheduled', '... as taskq.activities has them');
SELECT is(:'described'::jsonb -> 'timers' -> 0 ->> 'timer_id', 'reminder', '... its timers');
SELECT is(:'described'::jsonb -> 'children', '[]', '... its children');
SELECT is(taskq.describe_workflow(run_id => :run)::jsonb - 'run_uuid' ->> 'workflow_id', 'order 16', 'by run_id');
SELECT is(taskq.describe_workflow(run_id => :run)::jsonb -> 'activities', '[]', 'nothing waits');
SELECT is(taskq.describe_workflow('order 16', :run)::jsonb ->> 'run_id', :'run', 'by both');
SELECT throws_ok('SELECT taskq.describe_workflow()', '22004', 'neither workflow_id nor run_id is set', 'by neither');
SELECT throws_ok(call, 'TQ001', NULL, call)
FROM unnest(ARRAY['SELECT taskq.describe_workflow(''nobody'')', 'SELECT taskq.describe_workflow(run_id => 0)', 'SELECT taskq.describe_workflow(run_id => -1)',
  format('SELECT taskq.describe_workflow(''order 17'', %s)', :run)]) call;

-- a run is none for the calls of activities
CREATE FUNCTION raised(statement text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
  code text; word text; facts jsonb; hint text;
BEGIN
  EXECUTE statement;
  RETURN 'nothing';
EXCEPTION WHEN OTHERS THEN
  GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE, word = CONSTRAINT_NAME, facts = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
  RETURN concat_ws(' ', code, word, facts ->> 'workflow_id', facts ->> 'status', CASE WHEN hint LIKE '%taskq.describe_workflow()%' THEN 'hint' END);
END
$$;
SELECT is(raised(format(call, :run)), 'TQ001 not_an_activity order 16 running hint', call)
FROM unnest(ARRAY['SELECT taskq.describe(run_id => %s)', 'SELECT taskq.outcome(%s)', 'SELECT taskq.complete_by_id(run_id => %s)',
  'SELECT taskq.terminate(run_id => %s)', 'SELECT taskq.delete(run_id => %s)', 'SELECT taskq.retry(%s)']) call;
SELECT is((SELECT error FROM taskq.terminate_many(ARRAY[:run])), 'TQ001', 'one of many');
SELECT is(raised(format('SELECT taskq.describe_workflow(run_id => %s)', (SELECT run_id FROM taskq.activities WHERE activity_id = 'charge'))),
  'TQ001 workflow_not_found', 'and an activity is no run');

-- failures, time-outs, cancellation, and the end
SELECT take('aq', 'bank') IS NOT NULL AS started \gset
SELECT taskq.fail_by_id(message => E'card\nrefused', non_retryable => true, run_id => taskq.pending_activity('order 17', 'charge'), identity => 'bank');
SELECT taskq.signal_workflow('order 17', 'hurry', '{"by": "noon"}', identity => 'shop');
SELECT taskq.request_cancel_workflow('order 17', reason => 'changed mind', identity => 'shop');
SELECT is((w(:other)).cancel_requested, true, 'cancel_requested');
SELECT answer(step('wq'), taskq.command_cancel_timer('reminder'), taskq.command_complete('"done"'));
SELECT is((SELECT array_agg(event_type || ': ' || summary ORDER BY event_id) FROM taskq.workflow_events WHERE run_id = :other AND event_id > 9
    AND event_type NOT LIKE 'workflow_task%' AND event_type <> 'activity_task_started'),
  ARRAY['activity_task_failed: of event 5, non_retryable_failure, by bank, card refused', 'workflow_execution_signaled: hurry, by shop, {"by": "noon"}',
    'workflow_execution_cancel_requested: changed mind, by shop', 'timer_canceled: timer reminder, by worker', 'workflow_execution_completed: "done"'], 'what happened then');
SELECT is((w(:other)).status, 'completed', 'closed: status');
SELECT is((w(:other)).result, '"done"', '... result');
SELECT is((w(:other)).close_time, (SELECT max(event_time) FROM taskq.workflow_events WHERE run_id = :other), '... close_time');
SELECT is((w(:other)).execution_duration, (w(:other)).close_time - (w(:other)).start_time, '... execution_duration');
SELECT is((w(:other)).history_length, (SELECT max(event_id) FROM taskq.workflow_events WHERE run_id = :other), '... history_length');
SELECT is((w(:other)).cancel_requested, true, '... cancel_requested');
SELECT is((w(:other)).memo, '{"note": "two\nlines"}', '... memo');
SELECT ok((w(:other)).pending_activities = 0 AND (w(:other)).pending_timers = 0 AND (w(:other)).pending_task IS NULL, '... nothing waits');
SELECT is(taskq.describe_workflow('order 17')::jsonb - ARRAY['activities', 'timers', 'children'], to_jsonb(w(:other)), 'describe_workflow of a closed run');
SELECT is(raised(format('SELECT taskq.outcome(%s)', :other)), 'TQ001 not_an_activity order 17 completed hint', 'a closed run is no activity either');

-- runs that go on as others
SELECT run_id AS first FROM taskq.start_workflow('wq', 'Loop', workflow_id => 'loop') \gset
SELECT answer(step('wq'), taskq.command_continue_as_new(input => '2'));
SELECT taskq.workflow_run('loop') AS second \gset
CALL wait_until(format('((t.w(%s)).pending_task).state = ''scheduled''', :second));
SELECT is((w(:first)).status, 'continued_as_new', 'the first run');
SELECT is((w(:second)).first_run_id, :first, 'the second run knows the first');
SELECT is((SELECT summary FROM taskq.workflow_events WHERE run_id = :first AND event_type = 'workflow_execution_continued_as_new'),
  format('Loop, queue wq, new run %s, 2', taskq.run_uuid(:second)), 'which one it is');
SELECT answer(step('wq'), taskq.command_fail('outer', 'Broken'));
SELECT is((w(:second)).failure ->> 'message', 'outer', 'failure');
SELECT is(taskq.describe_workflow('loop')::jsonb ->> 'run_id', :'second', 'by workflow_id: the latest run');

-- a long attribute is cut, between characters
SELECT run_id AS long FROM taskq.start_workflow('wq', 'Long', to_jsonb(repeat('ä', 1000)), 'long', identity => 'shop') \gset
SELECT is((summaries(:long))[1], '1 workflow_execution_started: Long, workflow long, queue wq, attempt 1, by shop, "' || repeat('ä', 99) || '...', 'cut');

-- sticky_task_queue
SELECT failed_cause FROM taskq.complete_workflow_task(step('wq'), '[]', sticky_task_queue => 'host:1', sticky_schedule_to_start_timeout => '5 s');
SELECT is((w(:long)).sticky_task_queue, 'host:1', 'sticky_task_queue');

-- what names one run, or a search attribute, reads no table from its beginning to its end
CREATE FUNCTION scans(query text) RETURNS SETOF text
LANGUAGE plpgsql AS $$
DECLARE
  line text;
BEGIN
  FOR line IN EXECUTE 'EXPLAIN ' || query LOOP
    IF line ~ 'Seq Scan' THEN RETURN NEXT line; END IF;
  END LOOP;
END
$$;
SET enable_seqscan = off;
SELECT is_empty(format('SELECT * FROM t.scans(%L)', query), query)
FROM unnest(ARRAY['SELECT * FROM taskq.workflow_events WHERE run_id = 5', 'SELECT * FROM taskq.workflow_events WHERE workflow_id = ''x''',
  'SELECT * FROM taskq.workflows WHERE run_id = 5', 'SELECT * FROM taskq.workflows WHERE workflow_id = ''x''',
  'SELECT * FROM taskq.workflow_timers WHERE run_id = 5', 'SELECT * FROM taskq.activities WHERE workflow_run_id = 5',
  'SELECT * FROM taskq.workflows WHERE search_attributes @> ''{"City": "Ulm"}''']) query;
RESET enable_seqscan;

-- what has expired is not shown
SELECT set_clock('10 years');
SELECT is((SELECT count(*) FROM taskq.workflows WHERE run_id = :other), 0, 'expired: no run');
SELECT is((SELECT count(*) FROM taskq.workflow_events WHERE run_id = :other), 0, 'nor its events');
SELECT throws_ok('SELECT taskq.describe_workflow(''order 17'')', 'TQ001', NULL, 'nor described');
SELECT set_clock('0');

SELECT taskq.delete_workflow(run_id => run_id) FROM taskq.workflows WHERE run_id IN (:run, :other, :first, :second, :long);
SELECT is_empty('SELECT * FROM taskq.workflows WHERE workflow_type IN (''Order'', ''Loop'', ''Long'')', 'all deleted');
SELECT is_empty(format('SELECT * FROM taskq.workflow_events WHERE run_id >= %s', :run), 'with their events');
SELECT is_empty(format('SELECT * FROM taskq.workflow_timers WHERE run_id >= %s', :run), 'and timers');

SELECT * FROM finish();
DROP SCHEMA t CASCADE;
