-- What the calls about workflows don't take: nothing where something has to be, and
-- what makes no sense.  Nothing is started or changed by them.

SELECT run_id AS run FROM taskq.start_workflow('arguments', 'W', workflow_id => 'arguments') \gset
CALL taskq.wait_for_workflow('arguments', timeout => '0') \gset waited_
SELECT taskq.terminate_workflow('arguments') \g /dev/null
CALL taskq.wait_for_workflow(run_id => :run) \gset after_
-- one whose next run was deleted
SELECT run_id AS chain FROM taskq.start_workflow('arguments', 'W', workflow_id => 'arguments-chain') \gset
SELECT closed FROM taskq.poll_workflow_task('arguments') p, taskq.complete_workflow_task(p.task_token, jsonb_build_array(taskq.command_continue_as_new())) \g /dev/null
SELECT taskq.workflow_run('arguments-chain') AS next \gset
SELECT taskq.delete_workflow(run_id => :next) \g /dev/null
\set ON_ERROR_STOP 0
CALL taskq.wait_for_workflow(run_id => :chain) \g /dev/null
\set gone_error :LAST_ERROR_SQLSTATE
\set gone_message :LAST_ERROR_MESSAGE
CALL taskq.wait_for_workflow(run_id => 0) \g /dev/null
\set zero_error :LAST_ERROR_SQLSTATE
\set ON_ERROR_STOP 1

BEGIN;
\ir ../include/helpers.psql
SELECT * FROM no_plan();

SELECT run_id AS run FROM taskq.start_workflow('q', 'W', workflow_id => 'w') \gset
SELECT task_token AS token FROM taskq.poll_workflow_task('q') \gset
SELECT run_id AS batch FROM taskq.start_workflow('batch', 'W') \gset
SELECT task_token AS batch_token FROM taskq.poll_workflow_task('batch') \gset
SELECT count(*) AS runs FROM taskq.workflows \gset

CREATE TABLE refused (sqlstate text, call text);
INSERT INTO refused VALUES
('22004', 'start_workflow(NULL, ''W'')'), ('22004', 'start_workflow(''q'', NULL)'), ('22023', 'start_workflow(''q'', '''')'), ('22023', 'start_workflow('''', ''W'')'),
('22023', 'start_workflow(''q'', ''W'', run_timeout => ''-1 s'')'), ('22023', 'start_workflow(''q'', ''W'', execution_timeout => ''-1 s'')'),
('22023', 'start_workflow(''q'', ''W'', task_timeout => ''-1 s'')'), ('22023', 'start_workflow(''q'', ''W'', start_delay => ''-1 s'')'),
('0A000', 'start_workflow(''q'', ''W'', cron_schedule => ''* * * * *'')'), ('22023', 'start_workflow(''q'', ''W'', priority => -1)'),
('22023', 'start_workflow(''q'', ''W'', fairness_weight => -1)'), ('22023', 'start_workflow(''q'', ''W'', fairness_weight => ''NaN'')'),
('22023', 'start_workflow(''q'', ''W'', memo => ''1'')'), ('22023', 'start_workflow(''q'', ''W'', header => ''[]'')'), ('22023', 'start_workflow(''q'', ''W'', search_attributes => ''1'')'),
('22023', 'start_workflow(''q'', ''W'', user_metadata => ''1'')'), ('22P02', 'start_workflow(''q'', ''W'', id_conflict_policy => ''x'')'),
('22023', 'start_workflow(''/_sys/q'', ''W'')'),
('22004', 'start_workflow_request(NULL)'), ('22023', 'start_workflow_request(''1'')'), ('22023', 'start_workflow_request(''{}'')'), ('22023', 'start_workflow_request(''{"x": 1}'')'),
('22023', 'start_workflow_request(''{"workflowType": {"name": 1}}'')'), ('22023', 'start_workflow_request(''{"workflowType": {"name": "W"}}'')'),
('22023', 'start_workflow_request(''{"workflowType": {"name": "W"}, "taskQueue": {"name": "q"}, "workflowRunTimeout": "x"}'')'),
('22023', 'start_workflow_request(''{"workflowType": {"name": "W"}, "taskQueue": {"name": "q"}, "workflowIdReusePolicy": "WORKFLOW_ID_REUSE_POLICY_TERMINATE_IF_RUNNING", "workflowIdConflictPolicy": "WORKFLOW_ID_CONFLICT_POLICY_FAIL"}'')'),
('22004', 'signal_with_start_workflow(''q'', ''W'')'), ('22004', 'signal_with_start_workflow(NULL, ''W'', signal_name => ''s'')'),
('22023', 'signal_with_start_workflow(''q'', ''W'', signal_name => '''')'), ('22004', 'signal_with_start_workflow_request(NULL)'), ('22023', 'signal_with_start_workflow_request(''{}'')'),
('22023', 'signal_with_start_workflow_request(''{"workflowType": {"name": "W"}, "taskQueue": {"name": "q"}}'')'),
('22004', 'signal_workflow(NULL, ''s'')'), ('22004', 'signal_workflow(''w'', NULL)'), ('22023', 'signal_workflow(''w'', '''')'), ('TQ001', 'signal_workflow(NULL, ''s'', run_id => 0)'),
('TQ001', 'signal_workflow(NULL, ''s'', run_id => -1)'), ('TQ001', 'signal_workflow(''w'', ''s'', run_id => 0)'), ('22023', 'signal_workflow(''w'', ''s'', header => ''1'')'),
('22004', 'signal_workflow_request(NULL)'), ('22023', 'signal_workflow_request(''{}'')'), ('22023', 'signal_workflow_request(''[]'')'),
('22004', 'signal_workflow_request(''{"signalName": "s"}'')'), ('22023', 'signal_workflow_request(''{"workflowExecution": {"workflowId": "w"}}'')'),
('22023', 'signal_workflow_request(''{"signalName": "s", "workflowExecution": {"workflowId": "w", "runId": "x"}}'')'),
('TQ001', 'signal_workflow_request(''{"signalName": "s", "workflowExecution": {"workflowId": "w", "runId": "00000000-0000-0000-0000-000000000000"}}'')'),
('22004', 'request_cancel_workflow()'), ('TQ001', 'request_cancel_workflow(run_id => 0)'), ('TQ001', 'request_cancel_workflow(run_id => -1)'), ('TQ001', 'request_cancel_workflow(''w'', first_run_id => 0)'), ('22004', 'request_cancel_workflow_request(NULL)'),
('22004', 'request_cancel_workflow_request(''{}'')'), ('22023', 'request_cancel_workflow_request(''{"x": 1}'')'),
('22004', 'terminate_workflow()'), ('TQ001', 'terminate_workflow(run_id => 0)'), ('TQ001', 'terminate_workflow(run_id => -1)'), ('TQ001', 'terminate_workflow(run_id => 9223372036854775807)'), ('TQ001', 'terminate_workflow(''w'', first_run_id => -1)'), ('22004', 'terminate_workflow_request(NULL)'), ('22004', 'terminate_workflow_request(''{}'')'),
('22004', 'delete_workflow()'), ('TQ001', 'delete_workflow(run_id => 0)'), ('TQ001', 'delete_workflow(run_id => -1)'), ('TQ001', 'delete_workflow(''x'')'),
('22004', 'poll_workflow_task(NULL)'), ('22023', 'poll_workflow_task('''')'), ('22023', 'poll_workflow_task(''q'', max_tasks => 0)'), ('22023', 'poll_workflow_task(''q'', max_tasks => -1)'), ('22004', 'poll_workflow_task(''q'', max_tasks => NULL)'),
('22004', 'complete_workflow_task(NULL, ''[]'')'), ('22004', 'complete_workflow_task($t, NULL)'), ('22004', 'complete_workflow_task($t, ''[]''::jsonb || NULL)'), ('22023', 'complete_workflow_task($t, ''{}'')'), ('22023', 'complete_workflow_task($t, ''1'')'), ('22023', 'complete_workflow_task($t, ''[1]'')'), ('22023', 'complete_workflow_task($t, ''[null]'')'),
('22023', 'complete_workflow_task($t, ''[{}]'')'), ('22023', 'complete_workflow_task($t, ''[{"commandType": "x"}]'')'), ('22023', 'complete_workflow_task($t, ''[{"x": 1}]'')'),
('22023', 'complete_workflow_task($t, ''[{"commandType": "COMMAND_TYPE_START_TIMER", "startTimerCommandAttributes": {"timerId": 1}}]'')'),
('22023', 'complete_workflow_task($t, ''[]'', sticky_task_queue => ''s'', sticky_schedule_to_start_timeout => ''-1 s'')'), ('TQ001', 'complete_workflow_task(gen_random_uuid(), ''[]'')'),
('22023', 'complete_workflow_task($t, ''[]'', sdk_metadata => ''1'')'), ('22023', 'complete_workflow_task($t, ''[]'', extra => ''1'')'),
('22004', 'complete_workflow_tasks(NULL)'), ('22023', 'complete_workflow_tasks(ARRAY[NULL]::jsonb[])'),
('22023', 'fail_workflow_task($t, ''UNSPECIFIED'', ''{"message": 1, "type": "t"}'')'), ('22023', 'fail_workflow_task($t, ''UNSPECIFIED'', ''{"message": "x", "type": "t", "mesage": "y"}'')'),
('22004', 'fail_workflow_task(NULL, ''UNSPECIFIED'')'), ('22004', 'fail_workflow_task($t, NULL)'), ('22023', 'fail_workflow_task($t, ''x'')'), ('22023', 'fail_workflow_task($t, ''UNSPECIFIED'', ''1'')'),
('22023', 'fail_workflow_task($t, ''UNSPECIFIED'', ''{"applicationFailureInfo": {"x": 1}}'')'), ('TQ001', 'fail_workflow_task(gen_random_uuid(), ''UNSPECIFIED'')'),
('22004', 'release_workflow_task(NULL)'), ('TQ001', 'release_workflow_task(gen_random_uuid())'),
('22004', 'worker_gone(NULL)'), ('22023', 'worker_gone('''')'), ('22004', 'reset_sticky(NULL)'), ('TQ001', 'reset_sticky(''x'')'), ('TQ001', 'reset_sticky(NULL, 0)'), ('TQ001', 'reset_sticky(NULL, -1)'),
('22004', 'workflow_history(NULL)'), ('TQ001', 'workflow_history(0)'), ('TQ001', 'workflow_history(-1)'), ('22023', 'workflow_history($r, max_bytes => -1)'),
('22004', 'workflow_run(NULL)'), ('TQ001', 'workflow_run(''x'')'), ('22004', 'workflow_outcome()'), ('TQ001', 'workflow_outcome(run_id => 0)'), ('TQ001', 'workflow_outcome(run_id => -1)'),
('22004', 'describe_workflow()'), ('TQ001', 'describe_workflow(''x'')'), ('TQ001', 'describe_workflow(run_id => 0)'), ('TQ001', 'describe_workflow(run_id => -1)'),
('22004', 'pending_activity(NULL, ''a'')'), ('22004', 'pending_activity(''w'', NULL)'), ('TQ001', 'pending_activity(''w'', ''a'')'), ('TQ001', 'pending_activity(''w'', ''a'', 0)'), ('TQ001', 'pending_activity(''w'', ''a'', -1)'),
('22004', 'replay(NULL)'), ('TQ001', 'replay(0)');
SELECT throws_ok('SELECT taskq.' || replace(replace(call, '$t', quote_literal(:'token')), '$r', :'run'), sqlstate, NULL, call || ': ' || sqlstate) FROM refused;

-- durations that the protocol cannot hold are refused, wherever one is given; none is left out
CREATE TABLE durations (argument text, call text);
INSERT INTO durations VALUES
('start_delay', 'start_workflow(''q'', ''W'', start_delay => $d)'), ('run_timeout', 'start_workflow(''q'', ''W'', run_timeout => $d)'),
('execution_timeout', 'start_workflow(''q'', ''W'', execution_timeout => $d)'), ('task_timeout', 'start_workflow(''q'', ''W'', task_timeout => $d)'),
('start_delay', 'signal_with_start_workflow(''q'', ''W'', start_delay => $d, signal_name => ''s'')'),
('initial_interval set on retry policy', 'start_workflow(''q'', ''W'', retry_policy => taskq.retry_policy(initial_interval => $d))'),
('maximum_interval set on retry policy', 'start_workflow(''q'', ''W'', retry_policy => taskq.retry_policy(maximum_interval => $d))'),
('start_to_fire', 'command_start_timer(''x'', $d)'), ('start_to_close_timeout', 'command_schedule_activity(''A'', start_to_close_timeout => $d)'),
('schedule_to_close_timeout', 'command_schedule_activity(''A'', schedule_to_close_timeout => $d)'), ('schedule_to_start_timeout', 'command_schedule_activity(''A'', schedule_to_start_timeout => $d)'),
('heartbeat_timeout', 'command_schedule_activity(''A'', heartbeat_timeout => $d)'),
('initial_interval set on retry policy', 'command_schedule_activity(''A'', retry_policy => taskq.retry_policy(initial_interval => $d))'),
('maximum_interval set on retry policy', 'command_schedule_activity(''A'', retry_policy => taskq.retry_policy(maximum_interval => $d))'),
('run_timeout', 'command_continue_as_new(run_timeout => $d)'), ('task_timeout', 'command_continue_as_new(task_timeout => $d)'), ('backoff', 'command_continue_as_new(backoff => $d)');
SELECT throws_ok('SELECT taskq.' || replace(call, '$d', quote_literal('3652500 days 1 us')), '22023', format('invalid %s: out of range', argument), format('%s: beyond what the protocol can hold', call)) FROM durations;
SELECT is((SELECT count(*) FROM taskq.workflows), :runs, 'none of these has started one');
SAVEPOINT longest;
SELECT lives_ok('SELECT taskq.' || replace(call, '$d', quote_literal('3652500 days')), format('%s: the longest one', call)) FROM durations;
SELECT is(attributes @> '{"workflowExecutionTimeout": "315576000000s", "workflowRunTimeout": "315576000000s", "firstWorkflowTaskBackoff": "315576000000s",
  "retryPolicy": {"initialInterval": "315576000000s", "maximumInterval": "315576000000s"}}', true, '... is kept; the maximum interval that follows is no longer')
FROM taskq.start_workflow('longest', 'W', execution_timeout => '3652500 days', run_timeout => '3652500 days', start_delay => '3652500 days', retry_policy => taskq.retry_policy(initial_interval => '3652500 days')) s,
  taskq.workflow_history(s.run_id, 0, 1);
SELECT is((SELECT count(*) FROM taskq.poll_workflow_task('longest')), 0, '... and its first task is not handed out before');
ROLLBACK TO longest;

-- no run has the number 0, nor the uuid that would be its
SELECT throws_ok('SELECT count(*) FROM taskq.run_events(0)', '40001', 'the history of run 0 is not there any more', 'run_events(0): 40001, what a view has found is gone');
SELECT throws_ok(format('SELECT taskq.%s_workflow_request(%L)', call,
    jsonb_build_object('workflowExecution', execution || jsonb_build_object('runId', left(taskq.run_uuid(:run)::text, 19) || '8000-000000000000'))
    || CASE call WHEN 'signal' THEN '{"signalName": "s"}'::jsonb ELSE '{}' END),
  'TQ001', NULL, format('%s_workflow_request, of %s: TQ001', call, execution))
FROM unnest('{signal,request_cancel,terminate}'::text[]) call, unnest('{"{}","{\"workflowId\": \"w\"}"}'::jsonb[]) execution;

-- what is no uuid is no run; where it is, is said
CREATE FUNCTION refusal_of(call text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
  detail text;
BEGIN
  EXECUTE call;
  RETURN 'nothing';
EXCEPTION WHEN OTHERS THEN
  GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
  RETURN concat_ws(' ', SQLSTATE, SQLERRM, detail);
END
$$;
SELECT is(refusal_of(format('SELECT taskq.%s_workflow_request(%L)', call,
    jsonb_build_object('workflowExecution', execution || jsonb_build_object('runId', run)) || CASE call WHEN 'signal' THEN '{"signalName": "s"}'::jsonb ELSE '{}' END)),
  '22023 Invalid RunId. request.workflowExecution.runId: expected the UUID of a run.', format('%s_workflow_request, run %s of %s', call, left(run, 40), execution))
FROM unnest('{signal,request_cancel,terminate}'::text[]) call, unnest('{"{}","{\"workflowId\": \"w\"}"}'::jsonb[]) execution,
  unnest(ARRAY['x', repeat('x', 100000), left(taskq.run_uuid(:run)::text, 35), taskq.run_uuid(:run) || '0', '{' || left(taskq.run_uuid(:run)::text, 34) || '}', translate(taskq.run_uuid(:run)::text, '-', '0')]) run;
SELECT is(refusal_of(format('SELECT taskq.%s_workflow_request(%L)', call, '{"workflowExecution": {"workflowId": "w"}, "firstExecutionRunId": "x"}')),
  '22023 Invalid FirstExecutionRunId. request.firstExecutionRunId: expected the UUID of a run.', format('%s_workflow_request, of a chain', call))
FROM unnest('{request_cancel,terminate}'::text[]) call;
SELECT is(refusal_of(format('SELECT taskq.signal_workflow_request(%L)', jsonb_build_object('signalName', 's', 'workflowExecution', jsonb_build_object('workflowId', 'w', 'runId', upper(taskq.run_uuid(run_id)::text))))),
  'nothing', 'capital letters are as good') FROM taskq.workflows WHERE workflow_id = 'w';

-- in a batch: what is no completion is an error of the call, what cannot be done one of its own
CREATE FUNCTION batch_of(completion jsonb) RETURNS text
LANGUAGE plpgsql AS $$
BEGIN
  RETURN (SELECT CASE WHEN ok THEN 'ok' ELSE 'not ok' END FROM taskq.complete_workflow_tasks(ARRAY[completion]));
EXCEPTION WHEN OTHERS THEN
  RETURN SQLSTATE;
END
$$;
SELECT matches(batch_of(completion), '^(not ok|22...)$', format('no completion: %s', completion - 'task_token'))
FROM unnest(ARRAY['{}', '{"task_token": "x"}', '{"task_token": null}', jsonb_build_object('task_token', gen_random_uuid()),
  jsonb_build_object('task_token', :'token', 'commands', 1), jsonb_build_object('task_token', :'token', 'commands', '{}'::jsonb),
  jsonb_build_object('task_token', :'token', 'sdk_metadata', 1), jsonb_build_object('task_token', :'token', 'extra', 1), jsonb_build_object('task_token', :'token', 'identity', 1),
  jsonb_build_object('task_token', :'token', 'force_new_task', 1)]::jsonb[]) completion;
SELECT is(batch_of('1'), '22023', 'no object');
SELECT is(batch_of(completion), sqlstate, format('%s: %s', completion, sqlstate))
FROM (VALUES ('{}'::jsonb, '22004'), ('{"task_token": null}', '22004'), ('{"task_token": 7}', '22023'), ('{"task_token": {}}', '22023'), ('{"task_token": "x"}', '22P02')) v (completion, sqlstate);
SELECT is((SELECT string_agg(format('%s %s %s', slot, coalesce(error, 'ok'), failed_message), E'\n' ORDER BY slot) FROM taskq.complete_workflow_tasks(ARRAY[
    jsonb_build_object('task_token', :'token', 'comands', '[]'::jsonb), jsonb_build_object('task_token', t, 'commands', '[]'::jsonb, 'query_results', '{}'::jsonb, 'messages', null),
    jsonb_build_object('task_token', :'token', 'query_results', '{"q": {}}'::jsonb), jsonb_build_object('task_token', :'token', 'force_new_task', 1),
    jsonb_build_object('task_token', :'token', 'identity', repeat('i', 1001)), jsonb_build_object('task_token', t, 'commands', '[]'::jsonb),
    jsonb_build_object('task_token', :'token', 'commands', '[]'::jsonb || NULL), jsonb_build_object('task_token', :'token'),
    jsonb_build_object('task_token', :'token', 'commands', '[1]'::jsonb)])),
  E'1 22023 unrecognized member "comands" of completion 1\n2 ok \n3 0A000 query_results is not supported yet\n4 22023 force_new_task of completion 4 must be a boolean\n'
  '5 22023 identity exceeds length limit: Length is 1001 bytes, limit is 1000.\n6 TQ001 Workflow task not found.\n'
  '7 22004 commands is not set\n8 22004 commands is not set\n'
  '9 22023 invalid commands: commands[0]: expected an object, found a number: 1.', 'each is told what is wrong with it, and the others are carried out')
FROM (SELECT :'batch_token'::uuid AS t) v;
SELECT is((SELECT count(*) FROM taskq.complete_workflow_tasks('{}')), 0, 'no completion');

-- what was refused has done nothing
SELECT is((SELECT count(*) FROM taskq.workflows), :runs, 'nothing was started');
SELECT is((SELECT array_agg(event_type) FROM taskq.workflow_history(:run)), '{workflow_execution_started,workflow_task_scheduled,workflow_task_started}', 'the workflow has heard of nothing');
SELECT is((SELECT closed FROM taskq.complete_workflow_task(:'token', '[]')), false, 'its task is there');

-- waiting has to be on its own
SELECT is(:'waited_status'::text, 'running', 'a wait of no time');
SELECT is(:'after_status'::text, 'terminated', 'a wait for one that is closed');
SELECT is(:'gone_error' || ' ' || :'gone_message', format('TQ001 run %s of workflow "arguments-chain" is not there any more', :'next'), 'a wait for one whose next run is gone');
SELECT is((SELECT status::text FROM taskq.workflow_outcome(run_id => :chain)), 'continued_as_new', '... which the outcome tells');
SELECT is(:'zero_error'::text, 'TQ001', 'a wait for no run');
SELECT throws_ok('CALL taskq.wait_for_workflow(' || arguments || ')', sqlstate, NULL, format('wait_for_workflow(%s)', arguments))
FROM (VALUES ('25001', '''arguments'''), ('22004', ''), ('22023', '''arguments'', timeout => ''-1 s'''), ('22023', '''arguments'', timeout => NULL')) v (sqlstate, arguments);

SELECT * FROM finish();
ROLLBACK;
SELECT taskq.delete_workflow('arguments'), taskq.delete_workflow(run_id => :chain) \g /dev/null
