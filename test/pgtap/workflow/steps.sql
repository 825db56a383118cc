-- What steps leave behind: alarms, what a close keeps, what a delete removes.

BEGIN;
\ir ../include/helpers.psql
SELECT * FROM no_plan();

-- a new workflow; the token of its first task
CREATE FUNCTION task(id text) RETURNS uuid
LANGUAGE plpgsql AS $$
BEGIN
  PERFORM taskq.start_workflow(id, 'type', workflow_id => id);
  RETURN (SELECT task_token FROM taskq.poll_workflow_task(id, 'worker'));
END
$$;

CREATE FUNCTION timer(word text) RETURNS jsonb
LANGUAGE sql AS $$
  SELECT jsonb_build_object('commandType', 'COMMAND_TYPE_' || upper(word) || '_TIMER', word || 'TimerCommandAttributes',
    '{"timerId": "t"}'::jsonb || CASE word WHEN 'start' THEN '{"startToFireTimeout": "1s"}' ELSE '{}' END::jsonb)
$$;

-- when a row is to be looked at, as the row has it
CREATE FUNCTION alarms(id text) RETURNS text
LANGUAGE sql AS $$
  SELECT concat_ws(' ', pending_timers, 'due ' || (timer_due - start_time < '2 s'), 'alarm ' || (alarm - start_time < '2 s'))
  FROM taskq.open WHERE run_id = taskq.workflow_run(id)
$$;

-- ----------------------------------------------------------------------
-- Timers of one step
-- ----------------------------------------------------------------------
SELECT lives_ok($$SELECT taskq.complete_workflow_task(task('one'), jsonb_build_array(timer('start'), timer('cancel')))$$, 'a timer that is started and canceled');
SELECT is(alarms('one'), '0', '... is nothing to wait for');
SELECT lives_ok($$SELECT taskq.complete_workflow_task(task('two'), jsonb_build_array(timer('start'), timer('cancel'), timer('start')))$$, 'and started again');
SELECT is(alarms('two'), '1 due true alarm true', '... is');

-- ----------------------------------------------------------------------
-- A close
-- ----------------------------------------------------------------------
SELECT lives_ok($$SELECT taskq.complete_workflow_task(task('kept'), '[
  {"commandType": "COMMAND_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES", "upsertWorkflowSearchAttributesCommandAttributes": {"searchAttributes": {"indexedFields":
    {"KeptField": {"metadata": {"encoding": "anNvbi9wbGFpbg==", "type": "SW50"}, "data": "Nw=="}}}}},
  {"commandType": "COMMAND_TYPE_MODIFY_WORKFLOW_PROPERTIES", "modifyWorkflowPropertiesCommandAttributes": {"upsertedMemo": {"fields":
    {"note": {"metadata": {"encoding": "anNvbi9wbGFpbg=="}, "data": "OA=="}}}}},
  {"commandType": "COMMAND_TYPE_COMPLETE_WORKFLOW_EXECUTION", "completeWorkflowExecutionCommandAttributes": {}}]')$$, 'what a run tells of itself before it closes');
CREATE VIEW closed AS
  SELECT * FROM taskq.closed_run_0 UNION ALL SELECT * FROM taskq.closed_run_1 UNION ALL SELECT * FROM taskq.closed_run_2 UNION ALL SELECT * FROM taskq.closed_run_3 UNION ALL
  SELECT * FROM taskq.closed_run_4 UNION ALL SELECT * FROM taskq.closed_run_5 UNION ALL SELECT * FROM taskq.closed_run_6 UNION ALL SELECT * FROM taskq.closed_run_7 UNION ALL
  SELECT * FROM taskq.closed_run_long;
SELECT is((SELECT search_attributes FROM closed WHERE workflow_id = 'kept'), '{"KeptField": 7}', '... its search attributes are kept');
SELECT is((SELECT control -> 'memo' -> 'note' ->> 'data' FROM closed WHERE workflow_id = 'kept'), 'OA==', '... its memo, too');

-- ----------------------------------------------------------------------
-- A delete
-- ----------------------------------------------------------------------
SELECT taskq.configure_queue('gone', '{"retention": "0"}');
UPDATE taskq.queue_config SET task_queue = '/_sys/w/gone' WHERE task_queue = 'gone';
SELECT task('gone') \gset
SELECT taskq.workflow_run('gone') AS gone \gset
SELECT lives_ok($$SELECT taskq.delete_workflow('gone')$$, 'with retention 0 an open run can be deleted');
SELECT throws_ok($$SELECT taskq.workflow_run('gone')$$, 'TQ001');
SELECT is((SELECT count(*) FROM taskq.open WHERE run_id = :gone), 0, '... its row');
SELECT throws_ok($$SELECT taskq.delete_workflow('gone')$$, 'TQ001', NULL, '... once');

-- ----------------------------------------------------------------------
-- Too many signals
-- ----------------------------------------------------------------------
SELECT task('loud') \gset
UPDATE taskq.open SET signals = 10000 WHERE run_id = taskq.workflow_run('loud');
SELECT throws_ok($$SELECT taskq.signal_workflow('loud', 's')$$, '54000', 'exceeded workflow execution limit for signal events');
SELECT throws_ok($$SELECT taskq.signal_with_start_workflow('loud', 'type', workflow_id => 'loud', signal_name => 's')$$, '54000',
  'exceeded workflow execution limit for signal events', '... with a start');

-- ----------------------------------------------------------------------
-- Commands are looked at in their order: a close that has not seen all comes last
-- ----------------------------------------------------------------------
CREATE FUNCTION answer(id text, before jsonb) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
  token uuid := task(id);
BEGIN
  PERFORM taskq.signal_workflow(id, 's');
  RETURN (SELECT failed_cause FROM taskq.complete_workflow_task(token, before || jsonb_build_array(taskq.command_complete())));
END
$$;
SELECT is(answer('unseen', '[]'), 'WORKFLOW_TASK_FAILED_CAUSE_UNHANDLED_COMMAND', 'a close that has not seen a signal');
SELECT is(answer('unseen-wrong', jsonb_build_array(timer('cancel'))), 'WORKFLOW_TASK_FAILED_CAUSE_BAD_CANCEL_TIMER_ATTRIBUTES', 'behind a command that cannot be');
SELECT is(answer('unseen-right', jsonb_build_array(timer('start'))), 'WORKFLOW_TASK_FAILED_CAUSE_UNHANDLED_COMMAND', 'behind one that can');
SELECT is(alarms('unseen-right'), '0', 'which is not carried out');

SELECT * FROM finish();
ROLLBACK;
