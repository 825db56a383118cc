-- What workers send of workflows is checked before anything is stored: names, sizes,
-- shapes.  What cannot be makes the task fail, or is an error; never more than that.

-- an activity of a workflow that fails with a thousand causes
SELECT run_id AS deep FROM taskq.start_workflow('deep-w', 'W') \gset
SELECT closed FROM taskq.poll_workflow_task('deep-w') p, taskq.complete_workflow_task(p.task_token, jsonb_build_array(taskq.command_schedule_activity('t', task_queue => 'deep', start_to_close_timeout => '1 min'))) \g /dev/null
SELECT taskq.fail_with(task_token, (repeat('{"message": "m", "non_retryable": true, "details": 1, "cause": ', 1000) || '{}' || repeat('}', 1000))::jsonb) FROM taskq.poll('deep') \g /dev/null

BEGIN;
\ir ../include/helpers.psql
SELECT * FROM no_plan();
SET client_min_messages = warning;

-- a command as the protocol writes it
CREATE FUNCTION command(word text, attributes jsonb) RETURNS jsonb
LANGUAGE sql AS $$
  SELECT jsonb_build_object('commandType', 'COMMAND_TYPE_' || word,
    lower(left(name, 1)) || substr(name, 2) || 'CommandAttributes', attributes)
  FROM replace(initcap(replace(word, '_', ' ')), ' ', '') name
$$;

-- a new workflow, in a queue of its own; the token of its first task
CREATE FUNCTION task(id text = NULL) RETURNS uuid
LANGUAGE plpgsql AS $$
DECLARE
  queue text := gen_random_uuid();
BEGIN
  PERFORM taskq.start_workflow(queue, 'type', workflow_id => id);
  RETURN (SELECT task_token FROM taskq.poll_workflow_task(queue, 'worker'));
END
$$;

-- what becomes of the commands in a new workflow: the cause and its text, "done" or the SQLSTATE
CREATE FUNCTION attempt(VARIADIC commands jsonb[]) RETURNS text
LANGUAGE plpgsql AS $$
BEGIN
  RETURN (SELECT coalesce(failed_message, 'done') || CASE WHEN closed THEN ', closed' ELSE '' END
          FROM taskq.complete_workflow_task(task(), to_jsonb(commands)));
EXCEPTION WHEN OTHERS THEN
  RETURN SQLSTATE;
END
$$;

-- SCHEDULE_ACTIVITY_TASK, with more attributes
CREATE FUNCTION activity(more jsonb) RETURNS jsonb
LANGUAGE sql AS $$
  SELECT command('SCHEDULE_ACTIVITY_TASK', '{"activityId": "a", "activityType": {"name": "t"}, "startToCloseTimeout": "5s"}' || more)
$$;

CREATE FUNCTION payloads(bytes int) RETURNS jsonb
LANGUAGE sql AS $$
  SELECT jsonb_build_object('payloads', jsonb_build_array(jsonb_build_object('metadata', jsonb_build_object('encoding', 'YmluYXJ5L3BsYWlu'),
    'data', translate(encode(decode(repeat('00', bytes), 'hex'), 'base64'), E'\n', ''))))
$$;

-- ----------------------------------------------------------------------
-- Queues and names
-- ----------------------------------------------------------------------
SELECT is(attempt(activity('{}')), 'done', 'an activity');
SELECT is(attempt(activity('{"taskQueue": {"name": "/_sys/w/x"}}')),
  'BadScheduleActivityAttributes: task queue name cannot start with reserved prefix /_sys/',
  'no activity in a queue of workflows');
SELECT is(attempt(activity('{"taskQueue": {"name": "/_sys/else"}}')) ~ '^BadScheduleActivityAttributes: .* reserved prefix', true, '... or another reserved one');
SELECT is(attempt(activity(jsonb_build_object('taskQueue', jsonb_build_object('name', repeat('q', 1001))))),
  'BadScheduleActivityAttributes: taskQueue length exceeds limit', 'a long queue');
SELECT is(attempt(command('CONTINUE_AS_NEW_WORKFLOW_EXECUTION', '{"taskQueue": {"name": "/_sys/w/x"}}')),
  'BadContinueAsNewAttributes: error validating ContinueAsNewWorkflowExecutionCommand TaskQueue: task queue name cannot start with reserved prefix /_sys/. WorkflowType=type TaskQueue=name:"/_sys/w/x" kind:TASK_QUEUE_KIND_NORMAL',
  'nobody continues in a reserved queue');
SELECT is(attempt(command('CONTINUE_AS_NEW_WORKFLOW_EXECUTION', jsonb_build_object('workflowType', jsonb_build_object('name', repeat('t', 1001))))),
  'BadContinueAsNewAttributes: WorkflowType on ContinueAsNewWorkflowExecutionCommand exceeds length limit. WorkflowType=' || repeat('t', 1001) || ' Length=1001 Limit=1000', 'a long type');
SELECT is(attempt(command('CONTINUE_AS_NEW_WORKFLOW_EXECUTION', '{"retryPolicy": {"backoffCoefficient": 0.5}, "taskQueue": {"name": "q"}}')),
  'BadContinueAsNewAttributes: invalid WorkflowRetryPolicy on ContinueAsNewWorkflowExecutionCommand: BackoffCoefficient cannot be less than 1 on retry policy.. WorkflowType=type TaskQueue=name:"q" kind:TASK_QUEUE_KIND_NORMAL', 'a retry policy that cannot be');
SELECT is(attempt(command('CONTINUE_AS_NEW_WORKFLOW_EXECUTION', '{}')), 'done, closed', 'as it is');

-- what is not there yet is not ignored
SELECT is(attempt(command('CONTINUE_AS_NEW_WORKFLOW_EXECUTION', '{"cronSchedule": "* * * * *"}')),
  'FeatureDisabled: CronSchedule on ContinueAsNewWorkflowExecutionCommand is not supported yet.', 'nobody continues as a cron workflow');
SELECT is(attempt(command('CONTINUE_AS_NEW_WORKFLOW_EXECUTION', '{"initialVersioningBehavior": "CONTINUE_AS_NEW_VERSIONING_BEHAVIOR_AUTO_UPGRADE"}')),
  'FeatureDisabled: InitialVersioningBehavior on ContinueAsNewWorkflowExecutionCommand is not supported yet.', '... nor with another version');
SELECT is(attempt(command('CONTINUE_AS_NEW_WORKFLOW_EXECUTION', '{"cronSchedule": "", "inheritBuildId": true, "initialVersioningBehavior": "CONTINUE_AS_NEW_VERSIONING_BEHAVIOR_UNSPECIFIED"}')),
  'done, closed', '... what asks for neither is fine');
SELECT taskq.complete_workflow_task(task('continued'), jsonb_build_array(command('CONTINUE_AS_NEW_WORKFLOW_EXECUTION', '{"failure": {"message": "why"}}'))) \g /dev/null
SELECT is(attributes -> 'continuedFailure', '{"message": "why"}', 'the next run has the failure that the command gives') FROM taskq.workflow_history(taskq.workflow_run('continued'), 0, 1);

-- ----------------------------------------------------------------------
-- Retry policies
-- ----------------------------------------------------------------------
SELECT taskq.complete_workflow_task(task('policies'), jsonb_build_array(
  activity('{"retryPolicy": {"maximumAttempts": 1, "backoffCoefficient": 0.5, "nonRetryableErrorTypes": ["X"]}}'),
  activity('{"activityId": "b", "retryPolicy": {"maximumAttempts": 1, "initialInterval": "0.5s", "maximumInterval": "0.1s", "backoffCoefficient": "NaN"}}'))) \g /dev/null
SELECT is(jsonb_agg(attributes -> 'retryPolicy' ORDER BY event_id), '[
  {"maximumAttempts": 1, "initialInterval": "1s", "backoffCoefficient": 0.5, "maximumInterval": "100s", "nonRetryableErrorTypes": ["X"]},
  {"maximumAttempts": 1, "initialInterval": "0.500s", "backoffCoefficient": 2, "maximumInterval": "0.100s"}]',
  'what is never used is kept, and may be anything')
FROM taskq.workflow_history(taskq.workflow_run('policies')) WHERE event_type = 'activity_task_scheduled';
SELECT is(attempt(activity('{"retryPolicy": {"maximumAttempts": 2, "backoffCoefficient": "NaN"}}')),
  'BadScheduleActivityAttributes: BackoffCoefficient cannot be less than 1 on retry policy.', '... unless it is used');

-- ----------------------------------------------------------------------
-- Priorities
-- ----------------------------------------------------------------------
SELECT is(attempt(activity('{"priority": {"priorityKey": -1}}')),
  'BadScheduleActivityAttributes: invalid priorities: priority key can''t be negative', 'a negative priority');
SELECT is(attempt(activity('{"priority": {"fairnessWeight": -1}}')),
  'BadScheduleActivityAttributes: invalid priorities: must be greater than zero', 'a negative weight');
SELECT is(attempt(activity(jsonb_build_object('priority', jsonb_build_object('fairnessWeight', weight)))),
  'BadScheduleActivityAttributes: invalid priorities: fairness weight must be a finite number', 'a weight of ' || weight)
FROM unnest('{NaN,Infinity,-Infinity}'::text[]) weight;
SELECT throws_ok(format('SELECT taskq.start_workflow_request(%L)', jsonb_build_object('taskQueue', '{"name": "q"}'::jsonb, 'workflowType', '{"name": "t"}'::jsonb,
  'priority', jsonb_build_object('fairnessWeight', weight))), '22023', 'invalid priorities: fairness weight must be a finite number', 'a start with a weight of ' || weight)
FROM unnest('{NaN,Infinity,-Infinity}'::text[]) weight;
SELECT is(attempt(activity(jsonb_build_object('priority', jsonb_build_object('fairnessKey', repeat('k', 65))))),
  'BadScheduleActivityAttributes: invalid priorities: fairness key length exceeds limit', 'a long key');
SELECT is(attempt(activity('{"priority": {"priorityKey": 2147483647, "fairnessKey": "k", "fairnessWeight": 2.5}}')), 'done', 'a large priority');
SELECT is((SELECT concat_ws(' ', level, priority, fairness_key, fairness_weight) FROM taskq.open WHERE priority = 2147483647), '5 2147483647 k 2.5', '... is the last level');

-- ----------------------------------------------------------------------
-- Sizes
-- ----------------------------------------------------------------------
SET LOCAL taskq.max_payload_size = '64kB';
SELECT is(attempt(activity(jsonb_build_object('input', payloads(60000)))), 'done', 'base64 does not count');
SELECT is(attempt(activity(jsonb_build_object('input', payloads(66000)))),
  'BadScheduleActivityAttributes: ScheduleActivityTaskCommandAttributes.Input exceeds size limit., closed', 'a large input');
SELECT is(attempt(command('COMPLETE_WORKFLOW_EXECUTION', jsonb_build_object('result', payloads(66000)))),
  'BadScheduleActivityAttributes: CompleteWorkflowExecutionCommandAttributes.Result exceeds size limit., closed', 'a large result');
SELECT is(attempt(command('CANCEL_WORKFLOW_EXECUTION', jsonb_build_object('details', payloads(66000)))) ~ 'Details exceeds size limit., closed$', true, 'large details');
SELECT is(attempt(command('FAIL_WORKFLOW_EXECUTION', jsonb_build_object('failure', jsonb_build_object('message', repeat('x', 90000))))) ~ 'Failure exceeds size limit., closed$',
  true, 'a large failure');
SELECT is(attempt(command('RECORD_MARKER', jsonb_build_object('markerName', 'm', 'details', jsonb_build_object('d', payloads(66000))))) ~ 'Details exceeds size limit., closed$',
  true, 'a large marker');
SELECT is(attempt(command('CONTINUE_AS_NEW_WORKFLOW_EXECUTION', jsonb_build_object('input', payloads(66000)))) ~ 'Input exceeds size limit., closed$', true, 'a large input of the next run');
SELECT throws_ok($$SELECT taskq.start_workflow_request(jsonb_build_object('taskQueue', '{"name": "q"}'::jsonb, 'workflowType', '{"name": "t"}'::jsonb, 'input', payloads(66000)))$$,
  '22023', 'input exceeds length limit', 'of a start');
SELECT task('s') \gset
SELECT throws_ok($$SELECT taskq.signal_workflow_request(jsonb_build_object('workflowExecution', '{"workflowId": "s"}'::jsonb, 'signalName', 's', 'input', payloads(66000)))$$,
  '22023', 'input exceeds length limit', 'of a signal');
SELECT throws_ok($$SELECT taskq.signal_with_start_workflow_request(jsonb_build_object('taskQueue', '{"name": "q"}'::jsonb, 'workflowType', '{"name": "t"}'::jsonb, 'signalName', 's',
  'signalInput', payloads(66000)))$$, '22023', 'signalInput exceeds length limit', '... with a start');
RESET taskq.max_payload_size;

-- ----------------------------------------------------------------------
-- Shapes
-- ----------------------------------------------------------------------
SELECT task('m') AS token \gset
SELECT throws_ok(format($$SELECT taskq.complete_workflow_task('%s', '[]', sdk_metadata => '%s')$$, :'token', given), '22023', 'invalid sdk_metadata', 'sdk_metadata: ' || given)
FROM unnest('{1,"[1]","{\"a\": 1}","{\"sdkName\": 1}"}'::text[]) given;
SELECT throws_ok(format($$SELECT taskq.complete_workflow_task('%s', '[]', extra => '%s')$$, :'token', given), '22023', 'invalid extra', 'extra: ' || given)
FROM unnest('{1,"[1]","{\"a\": 1}","{\"identity\": \"i\"}","{\"scheduledEventId\": \"9\"}"}'::text[]) given;
SELECT throws_ok(format($$SELECT taskq.complete_workflow_task('%s', '%s')$$, :'token', given), '22023', 'invalid commands', 'commands: ' || given)
FROM unnest('{1,"{}","{\"a\": 1}","[null]","[1]","[[]]","null"}'::text[]) given;
SELECT is((SELECT error FROM taskq.complete_workflow_tasks(ARRAY[jsonb_build_object('task_token', :'token') || given])), '22023', 'in a batch: ' || given::text)
FROM unnest(ARRAY['{"commands": {}}', '{"commands": "x"}', '{"commands": 1}', '{"commands": [1]}', '{"sdk_metadata": 1}', '{"extra": {"a": 1}}',
  '{"sticky_task_queue": 1}', '{"force_new_task": "true"}', '{"identity": {}}']::jsonb[]) given;
SELECT results_eq(format($$SELECT ok FROM taskq.complete_workflow_tasks(ARRAY['{"task_token": "%s", "commands": [], "sdk_metadata": {"sdkName": "n", "langUsedFlags": [3]},
  "extra": {"workerVersion": {"buildId": "b"}, "meteringMetadata": {}}}'::jsonb])$$, :'token'), ARRAY[true], 'what is right is taken');
SELECT is((SELECT attributes - 'identity' FROM taskq.workflow_history(taskq.workflow_run('m')) WHERE event_type = 'workflow_task_completed'),
  '{"scheduledEventId": "2", "startedEventId": "3", "sdkMetadata": {"sdkName": "n", "langUsedFlags": [3]}, "workerVersion": {"buildId": "b"}, "meteringMetadata": {}}',
  'what is right is told');

-- failures of any depth: in the history are ninety causes, as protobuf reads no more, whatever each of them has
CREATE FUNCTION deep(causes int, also text) RETURNS jsonb
LANGUAGE sql AS $$
  SELECT (repeat('{"message": "m"' || also || ', "cause": ', causes) || '{"message": "last"' || also || '}' || repeat('}', causes))::jsonb
$$;
CREATE FUNCTION causes(failure jsonb) RETURNS int
LANGUAGE sql AS $$
  SELECT count(*)::int FROM regexp_matches(failure::text, '"cause"', 'g')
$$;
SELECT results_eq(format($$SELECT attempt(taskq.command_fail_with(deep(%1$s, %2$L))), attempt(taskq.command_record_marker('m', failure => deep(%1$s, %2$L))), causes(taskq.command_fail_with(deep(%1$s, %2$L)))$$, n, also),
  format($$VALUES ('done, closed', 'done', %s)$$, least(n, 90)), format('commands with %s causes%s', n, also))
FROM unnest('{90,91,97,98,1000}'::int[]) n, unnest('{"",", \"details\": [{\"a\": 1}]",", \"kind\": \"timeout\", \"last_heartbeat_details\": [1]"}'::text[]) also;
SELECT is((SELECT causes(attributes) FROM taskq.workflow_history(:deep) WHERE event_type = 'activity_task_failed'), 90, 'of an activity of a workflow, too');
SELECT run_id AS alone FROM taskq.schedule('deep', 't', start_to_close_timeout => '1 min') \gset
SELECT taskq.fail_with(task_token, deep(1000, '') || '{"non_retryable": true}') FROM taskq.poll('deep') \g /dev/null
SELECT is((SELECT causes(failure) FROM taskq.outcome(:alone)), 1000, '... of an activity by itself are all');

-- which command it is, and what is wrong with it
SELECT task('told') AS token \gset
SELECT is(told(format($$SELECT taskq.complete_workflow_task('%s', jsonb_build_array(taskq.command_start_timer('t', '1 s'), %s))$$, :'token', command)), answer, command)
FROM (VALUES
  ($$'{}'::jsonb$$, '22023 unknown command type: 0 commands[1].commandType: not set.'),
  ($$'{"commandType": 0}'::jsonb$$, '22023 unknown command type: 0 commands[1].commandType: not set.'),
  ($$'{"commandType": "COMMAND_TYPE_START_TIMR"}'::jsonb$$,
   '22023 invalid commands commands[1].commandType: expected a value of temporal.api.enums.v1.CommandType, found a string: "COMMAND_TYPE_START_TIMR".')) v (command, answer);
SELECT is(told(format($$SELECT taskq.complete_workflow_task('%s', NULL)$$, :'token')), '22004 commands is not set An empty array, [], means no commands.', 'no commands at all');
SET LOCAL taskq.max_payload_size = '64kB';
SELECT is(told($$SELECT taskq.terminate_workflow('told', details => to_jsonb(repeat('x', 70000)))$$) ~ '^22023 details exceeds length limit', true, 'details of a termination');
SELECT is(told($$SELECT taskq.signal_with_start_workflow('q', 't', signal_name => 's', signal_input => to_jsonb(repeat('x', 70000)))$$) ~ '^22023 signalInput exceeds length limit', true,
  'the input of a signal that starts');
RESET taskq.max_payload_size;
SELECT is(told($$SELECT taskq.signal_with_start_workflow('q', 't', signal_name => 's', id_conflict_policy => 'fail')$$),
  '22023 Invalid WorkflowIDConflictPolicy: WORKFLOW_ID_CONFLICT_POLICY_FAIL is not supported for this operation. A start with a signal signals the run that is open. '
  'Leave id_conflict_policy out, or say use_existing or terminate_existing.', 'a policy that makes no sense with a signal');

-- a start with a signal that is repeated after its run has closed
SELECT run_id AS repeated FROM taskq.signal_with_start_workflow('q', 't', workflow_id => 'repeated', request_id => 'r', signal_name => 's') \gset
SELECT taskq.terminate_workflow('repeated') \g /dev/null
SELECT is((created, status, same_request, run_id)::text, format('(f,terminated,t,%s)', :repeated), 'is answered with that run')
FROM taskq.signal_with_start_workflow('q', 't', workflow_id => 'repeated', request_id => 'r', signal_name => 's');
SELECT is((SELECT count(*) FROM taskq.workflow_events WHERE workflow_id = 'repeated' AND event_type = 'workflow_execution_signaled'), 1, '... and nothing is signalled');

-- what the next run has
SELECT run_id AS before FROM taskq.start_workflow('goes on', 't', workflow_id => 'goes on', memo => '{"a": 1}', search_attributes => '{"GoesOn": 1}') \gset
SELECT closed FROM taskq.poll_workflow_task('goes on') p, taskq.complete_workflow_task(p.task_token, jsonb_build_array(taskq.command_continue_as_new())) \g /dev/null
SELECT is((SELECT concat_ws(' ', memo, search_attributes) FROM taskq.workflows WHERE run_id = taskq.workflow_run('goes on') AND run_id > :before), '{}',
  'a run that continues as new has the memo and the search attributes that the command gives');

SELECT throws_ok($$SELECT taskq.start_workflow('q', 't', user_metadata => '{"a": 1}')$$, '22023', 'invalid user_metadata', 'user_metadata');
SELECT lives_ok($$SELECT taskq.start_workflow('q', 't', workflow_id => 'u', user_metadata => '{"summary": "s", "details": [1]}')$$, '... of its two members');

-- ----------------------------------------------------------------------
-- Search attributes
-- ----------------------------------------------------------------------
CREATE FUNCTION attributes(type text, data text) RETURNS jsonb
LANGUAGE sql AS $$
  SELECT jsonb_build_object('searchAttributes', jsonb_build_object('indexedFields', jsonb_build_object('ReviewedField', jsonb_build_object('metadata',
    jsonb_build_object('encoding', 'anNvbi9wbGFpbg==', 'type', encode(type::bytea, 'base64')), 'data', encode(data::bytea, 'base64')))))
$$;
SELECT is(attempt(command('UPSERT_WORKFLOW_SEARCH_ATTRIBUTES', attributes('Banana', '1'))), 'BadSearchAttributes: search attribute ReviewedField has an unknown type: Banana', 'a type');
SELECT is(attempt(command('UPSERT_WORKFLOW_SEARCH_ATTRIBUTES', attributes('Int', '1'))), 'done', 'the first use');
SELECT is(attempt(command('UPSERT_WORKFLOW_SEARCH_ATTRIBUTES', attributes('Bool', 'true'))) ~ '^BadSearchAttributes: ', true, 'another type');
SELECT is(attempt(command('CONTINUE_AS_NEW_WORKFLOW_EXECUTION', attributes('Bool', 'true'))) ~ '^BadSearchAttributes: ', true, '... for the next run');

SELECT * FROM finish();
ROLLBACK;
SELECT taskq.delete_workflow(run_id => :deep) \g /dev/null
