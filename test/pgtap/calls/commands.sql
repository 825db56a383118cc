-- docs/reference.md, "Commands": what they are made of, and payloads and values.

BEGIN;
\ir ../include/helpers.psql
SELECT * FROM no_plan();

-- a payload that is JSON, and some of them
CREATE FUNCTION json_payload(data text) RETURNS jsonb
LANGUAGE sql AS $$ SELECT jsonb_build_object('metadata', '{"encoding": "anNvbi9wbGFpbg=="}'::jsonb, 'data', translate(encode(convert_to(data, 'UTF8'), 'base64'), E'\n', '')) $$;
CREATE FUNCTION json_payloads(VARIADIC data text[]) RETURNS jsonb
LANGUAGE sql AS $$ SELECT jsonb_build_object('payloads', jsonb_agg(json_payload(d))) FROM unnest(data) d $$;
CREATE FUNCTION command(type text, key text, attributes jsonb) RETURNS jsonb
LANGUAGE sql AS $$ SELECT jsonb_build_object('commandType', 'COMMAND_TYPE_' || type, key || 'CommandAttributes', attributes) $$;

-- each with all that it can have, and with no more than it must have
SELECT is(taskq.command_schedule_activity('A', taskq.args('1', '"x"'), '10s', '1 min', '2.5s', '0', 'id', 'q',
    taskq.retry_policy('0.2s', 1.5, '1 day', 3, '{a,b}'), '{"trace": [1]}', 4, 'k', 0.1, true, 'why'),
  command('SCHEDULE_ACTIVITY_TASK', 'scheduleActivityTask', jsonb_build_object('activityType', '{"name": "A"}'::jsonb, 'input', json_payloads('1', '"x"'),
    'startToCloseTimeout', '10s', 'scheduleToCloseTimeout', '60s', 'scheduleToStartTimeout', '2.500s', 'heartbeatTimeout', '0s',
    'activityId', 'id', 'taskQueue', '{"name": "q"}'::jsonb,
    'retryPolicy', '{"initialInterval": "0.200s", "backoffCoefficient": 1.5, "maximumInterval": "86400s", "maximumAttempts": 3, "nonRetryableErrorTypes": ["a", "b"]}'::jsonb,
    'header', jsonb_build_object('fields', jsonb_build_object('trace', json_payload('[1]'))),
    'priority', '{"priorityKey": 4, "fairnessKey": "k", "fairnessWeight": 0.1}'::jsonb, 'requestEagerExecution', true))
  || jsonb_build_object('userMetadata', jsonb_build_object('summary', json_payload('"why"'))), 'an activity');
SELECT is(taskq.command_schedule_activity('A', activity_id => 'id'),
  command('SCHEDULE_ACTIVITY_TASK', 'scheduleActivityTask', '{"activityType": {"name": "A"}, "activityId": "id"}'), 'no more of it');
SELECT isnt(taskq.command_schedule_activity('A'), taskq.command_schedule_activity('A'), 'without an id each has its own');
SELECT is((SELECT count(DISTINCT taskq.command_schedule_activity('A') #>> '{scheduleActivityTaskCommandAttributes,activityId}') FROM generate_series(1, 200)), 200::bigint,
  'also when one statement makes many of them');
SELECT ok((SELECT bool_and(command #>> '{scheduleActivityTaskCommandAttributes,activityId}' ~ '^[0-9a-f-]{36}$')
  FROM generate_series(1, 200), LATERAL taskq.command_schedule_activity('A', '1', '10 s') command), 'which are uuids');
CREATE FUNCTION pg_temp.made_in_a_loop() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  commands jsonb[];
BEGIN
  FOR i IN 1 .. 50 LOOP
    commands := commands || taskq.command_schedule_activity('A');
  END LOOP;
  RETURN (SELECT count(DISTINCT c) FROM unnest(commands) c);
END $$;
SELECT is(pg_temp.made_in_a_loop(), 50::bigint, 'and in a loop of PL/pgSQL');
SELECT is(taskq.command_schedule_activity('A', activity_id => 'id', retry_policy => taskq.retry_policy(), header => '{}', fairness_key => 'k'),
  command('SCHEDULE_ACTIVITY_TASK', 'scheduleActivityTask', '{"activityType": {"name": "A"}, "activityId": "id", "retryPolicy": {}, "header": {}, "priority": {"fairnessKey": "k"}}'),
  'what is given, though it is empty');
SELECT is(taskq.command_start_timer('t', '1.000001s', 'a "summary"'), command('START_TIMER', 'startTimer', '{"timerId": "t", "startToFireTimeout": "1.000001s"}')
  || jsonb_build_object('userMetadata', jsonb_build_object('summary', json_payload('"a \"summary\""'))), 'a timer');
SELECT is(taskq.command_start_timer('t', '0'), command('START_TIMER', 'startTimer', '{"timerId": "t", "startToFireTimeout": "0s"}'), 'no time is a time');
SELECT is(taskq.command_cancel_timer('t'), command('CANCEL_TIMER', 'cancelTimer', '{"timerId": "t"}'), 'no timer');
SELECT is(taskq.command_request_cancel_activity(5), command('REQUEST_CANCEL_ACTIVITY_TASK', 'requestCancelActivityTask', '{"scheduledEventId": "5"}'), 'no activity');
SELECT is(taskq.command_complete('{"a": 1}'), command('COMPLETE_WORKFLOW_EXECUTION', 'completeWorkflowExecution', jsonb_build_object('result', json_payloads('{"a": 1}'))), 'complete');
SELECT is(taskq.command_complete(), command('COMPLETE_WORKFLOW_EXECUTION', 'completeWorkflowExecution', '{}'), 'with no result');
SELECT is(taskq.command_complete('null'), command('COMPLETE_WORKFLOW_EXECUTION', 'completeWorkflowExecution', jsonb_build_object('result', json_payloads('null'))), 'null is one');
SELECT is(taskq.command_fail('no', 'T', '{"a": null}', true), command('FAIL_WORKFLOW_EXECUTION', 'failWorkflowExecution', jsonb_build_object('failure',
    jsonb_build_object('message', 'no', 'applicationFailureInfo', jsonb_build_object('type', 'T', 'nonRetryable', true, 'details', json_payloads('{"a": null}'))))), 'fail');
SELECT is(taskq.command_fail('no'), command('FAIL_WORKFLOW_EXECUTION', 'failWorkflowExecution', '{"failure": {"message": "no", "applicationFailureInfo": {}}}'), 'with a message');
SELECT is(taskq.command_fail_with('{"message": "x", "cause": {"kind": "timeout", "timeout_type": "heartbeat"}}'),
  command('FAIL_WORKFLOW_EXECUTION', 'failWorkflowExecution', '{"failure": {"message": "x", "cause": {"timeoutFailureInfo": {"timeoutType": "TIMEOUT_TYPE_HEARTBEAT"}}}}'), 'with a cause');
SELECT is(taskq.command_cancel('1'), command('CANCEL_WORKFLOW_EXECUTION', 'cancelWorkflowExecution', jsonb_build_object('details', json_payloads('1'))), 'cancel');
SELECT is(taskq.command_continue_as_new('W', '1', 'q', '1h', '5s', '1s', taskq.retry_policy(maximum_attempts => 2), '{"h": 1}', '{"m": 2}', '{"S": 3}'),
  command('CONTINUE_AS_NEW_WORKFLOW_EXECUTION', 'continueAsNewWorkflowExecution', jsonb_build_object('workflowType', '{"name": "W"}'::jsonb, 'input', json_payloads('1'),
    'taskQueue', '{"name": "q"}'::jsonb, 'workflowRunTimeout', '3600s', 'workflowTaskTimeout', '5s', 'backoffStartInterval', '1s', 'retryPolicy', '{"maximumAttempts": 2}'::jsonb,
    'header', jsonb_build_object('fields', jsonb_build_object('h', json_payload('1'))), 'memo', jsonb_build_object('fields', jsonb_build_object('m', json_payload('2'))),
    'searchAttributes', jsonb_build_object('indexedFields', jsonb_build_object('S', json_payload('3'))))), 'go on');
SELECT is(taskq.command_continue_as_new(), command('CONTINUE_AS_NEW_WORKFLOW_EXECUTION', 'continueAsNewWorkflowExecution', '{}'), 'as it was');
SELECT is(taskq.command_record_marker('m', jsonb_build_object('a', 1, 'b', taskq.args('1', '2')), '{"message": "f"}', '{"h": 1}'),
  command('RECORD_MARKER', 'recordMarker', jsonb_build_object('markerName', 'm', 'details', jsonb_build_object('a', json_payloads('1'), 'b', json_payloads('1', '2')),
    'failure', '{"message": "f"}'::jsonb, 'header', jsonb_build_object('fields', jsonb_build_object('h', json_payload('1'))))), 'a marker');
SELECT is(taskq.command_upsert_search_attributes('{"S": "v"}'), command('UPSERT_WORKFLOW_SEARCH_ATTRIBUTES', 'upsertWorkflowSearchAttributes',
  jsonb_build_object('searchAttributes', jsonb_build_object('indexedFields', jsonb_build_object('S', json_payload('"v"'))))), 'search attributes');
SELECT is(taskq.command_modify_properties('{"m": null}'), command('MODIFY_WORKFLOW_PROPERTIES', 'modifyWorkflowProperties',
  jsonb_build_object('upsertedMemo', jsonb_build_object('fields', jsonb_build_object('m', json_payload('null'))))), 'a memo');

-- what cannot be
SELECT throws_ok('SELECT taskq.' || call, state, message, call)
FROM (VALUES
  ('command_schedule_activity(NULL)', '22004', 'activity_type is not set'),
  ('command_start_timer(NULL, ''1s'')', '22004', 'timer_id is not set'),
  ('command_start_timer(''t'', NULL)', '22004', 'start_to_fire is not set'),
  ('command_cancel_timer(NULL)', '22004', 'timer_id is not set'),
  ('command_request_cancel_activity(NULL)', '22004', 'scheduled_event_id is not set'),
  ('command_fail(NULL)', '22004', 'message is not set'),
  ('command_fail_with(NULL)', '22004', 'failure is not set'),
  ('command_fail_with(''1'')', '22023', 'failure must be a JSON object'),
  ('command_fail_with(''{"message": 1}'')', '22023', 'invalid failure'),
  ('command_schedule_activity(''A'', fairness_weight => ''NaN'')', '22023', 'invalid priorities: fairness weight must be a finite number'),
  ('command_schedule_activity(''A'', fairness_weight => ''Infinity'')', '22023', 'invalid priorities: fairness weight must be a finite number'),
  ('command_schedule_activity(''A'', fairness_weight => ''-Infinity'')', '22023', 'invalid priorities: fairness weight must be a finite number'),
  ('command_schedule_activity(''A'', retry_policy => taskq.retry_policy(backoff_coefficient => ''NaN''))', '22023', 'backoff_coefficient must be a finite number on retry policy'),
  ('command_record_marker(NULL)', '22004', 'marker_name is not set'),
  ('command_record_marker(''m'', ''1'')', '22023', 'details must be a JSON object'),
  ('command_upsert_search_attributes(NULL)', '22004', 'search_attributes is not set'),
  ('command_upsert_search_attributes(''[]'')', '22023', 'search_attributes must be a JSON object'),
  ('command_modify_properties(NULL)', '22004', 'memo is not set'),
  ('command_schedule_activity(''A'', header => ''[]'')', '22023', 'header must be a JSON object'),
  ('command_start_timer(''t'', ''-1s'')', '22023', 'invalid start_to_fire: must not be negative'),
  ('command_start_timer(''t'', ''1 month'')', '22023', 'invalid start_to_fire: must not contain months, whose length varies'),
  ('command_start_timer(''t'', ''4000000 days'')', '22023', 'invalid start_to_fire: out of range'),
  ('command_schedule_activity(''A'', fairness_weight => 1e39)', '22023', 'invalid command'),
  ('command_schedule_activity(''A'', retry_policy => taskq.retry_policy(jitter => 0.1))', '22023', 'invalid retry_policy: jitter is not for activities of workflows'),
  ('to_payloads(VARIADIC NULL)', '22004', 'args is not set'),
  ('payloads(''1'')', '22023', 'invalid payloads'),
  ('payloads(''[]'')', '22023', 'invalid payloads'),
  ('payloads(''{"a": 1}'')', '22023', 'invalid payloads'),
  ('payloads(''{"payloads": [{"data": "*"}]}'')', '22023', 'invalid payloads')) v (call, state, message);

CREATE FUNCTION detail_of(call text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE detail text;
BEGIN
  EXECUTE call;
  RETURN NULL;
EXCEPTION WHEN invalid_parameter_value THEN
  GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
  RETURN detail;
END $$;
SELECT is(detail_of($$SELECT taskq.payloads('{"payloads": [{}, {"data": "*"}]}')$$),
  'payloads.payloads[1].data: expected bytes in base64, found a string.', 'DETAIL has the path');


-- failures are checked as a whole, causes, too; nothing is left out
SELECT is(detail_of(format('SELECT taskq.' || call, failure)), detail, call || ': ' || failure)
FROM unnest(ARRAY['command_fail_with(%L)', 'command_record_marker(''m'', failure => %L)']) call, (VALUES
  ('{"message": 1}', 'failure.message: expected a string.'),
  ('{"message": "no", "type": 5}', 'failure.type: expected a string.'),
  ('{"message": "no", "non_retryable": "yes"}', 'failure.non_retryable: expected true or false.'),
  ('{"message": "no", "cause": 7}', 'failure.cause: expected an object.'),
  ('{"message": "no", "cause": {"message": "why", "cause": {"type": []}}}', 'failure.cause.cause.type: expected a string.'),
  ('{"message": "no", "cause": {"message": "why", "reason": 1}}', 'failure.cause.reason: unknown key.'),
  ('{"mesage": "no"}', 'failure.mesage: unknown key.'),
  ('{"kind": "strange"}', 'failure.kind: expected application, timeout, canceled, terminated or server.'),
  ('{"kind": "timeout", "timeout_type": "x"}', 'failure.timeout_type: expected start_to_close, schedule_to_start, schedule_to_close or heartbeat.'),
  ('{"next_retry_delay": "soon"}', 'failure.next_retry_delay: expected a duration such as "1.5s".'),
  ('{"info": 1}', 'failure.info: expected an object.'),
  ('{"message": "no", "type": null, "details": 1, "truncated": true, "cause": null, "source": "x", "stack_trace": "at", "kind": "application"}', NULL),
  ('{"kind": "timeout", "timeout_type": "heartbeat", "last_heartbeat_details": {"a": 1}, "cause": {"kind": "canceled", "identity": "i", "details": [1]}}', NULL)) v (failure, detail);

-- values and payloads
SELECT is(taskq.to_payloads('1', NULL, '{"a": 1}'), json_payloads('1', 'null', '{"a": 1}'), 'one for each value');
SELECT is(taskq.to_payloads(VARIADIC '{}'), '{}', 'for none');
SELECT is(taskq.to_payloads('{"$payloads": [{"metadata": {"encoding": "binary/plain"}, "data": "AAE="}]}'),
  '{"payloads": [{"metadata": {"encoding": "YmluYXJ5L3BsYWlu"}, "data": "AAE="}]}', 'bytes');
SELECT is(taskq.payloads(taskq.to_payloads(value)), value, format('%s there and back', value))
FROM (VALUES ('1'::jsonb), ('null'), ('"x"'), ('{"a": [1, {}]}'), ('[]'), ('1.50'), ('{"$payloads": [{"metadata": {"encoding": "binary/plain"}, "data": "AAE="}]}')) v (value);
SELECT is(taskq.payloads(taskq.to_payloads('1', '2')), taskq.args('1', '2'), 'several');
SELECT is(taskq.payloads(NULL), NULL, 'NULL');
SELECT is(taskq.payloads('{}'), NULL, 'no payloads');
SELECT is(taskq.payloads('{"payloads": []}'), NULL, 'an empty list');
SELECT is(taskq.payloads(json_payload('"s"')), '"s"', 'one payload');
SELECT is(taskq.payloads(jsonb_build_object('fields', jsonb_build_object('a', json_payload('1'), 'b', json_payload('"x"')))), '{"a": 1, "b": "x"}', 'a memo or header');
SELECT is(taskq.payloads(jsonb_build_object('indexedFields', jsonb_build_object('a', json_payload('1')))), '{"a": 1}', 'search attributes');
SELECT is(taskq.payloads('{"fields": {}}'), '{}', 'with no names');

SELECT * FROM finish();
ROLLBACK;
