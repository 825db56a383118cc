-- Nothing is granted to PUBLIC; grant_access grants exactly what belongs to a
-- part; pg_monitor sees the five views and no payloads.

BEGIN;
\ir ../include/helpers.psql
SELECT * FROM no_plan();

CREATE ROLE r_nobody;
CREATE ROLE r_producer;
CREATE ROLE r_worker;
CREATE ROLE r_operator;
CREATE ROLE r_monitor;
CREATE ROLE r_developer;
CREATE ROLE "r Weird";
CREATE ROLE r_pg_monitor IN ROLE pg_monitor;
GRANT USAGE ON SCHEMA t TO PUBLIC;

-- names of the functions that a role may execute, and of the relations that it may touch
CREATE FUNCTION routines_of(role regrole) RETURNS text[]
LANGUAGE sql AS $$
  SELECT coalesce(array_agg(DISTINCT proname::text ORDER BY proname::text), '{}') FROM pg_proc
  WHERE pronamespace = 'taskq'::regnamespace AND has_function_privilege(role::oid, oid, 'EXECUTE')
$$;
CREATE FUNCTION relations_of(role regrole) RETURNS text[]
LANGUAGE sql AS $$
  SELECT coalesce(array_agg(relname::text ORDER BY relname::text), '{}') FROM pg_class
  WHERE relnamespace = 'taskq'::regnamespace AND CASE relkind
    WHEN 'S' THEN has_sequence_privilege(role::oid, oid, 'USAGE, SELECT, UPDATE')
    WHEN 'i' THEN false
    WHEN 'c' THEN false
    ELSE has_table_privilege(role::oid, oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER') END
$$;
CREATE FUNCTION sorted(names text[]) RETURNS text[]
LANGUAGE sql AS $$ SELECT array_agg(DISTINCT n ORDER BY n) FROM unnest(names) n $$;

SELECT is(routines_of('r_nobody'), '{}', 'PUBLIC: no function');
SELECT is(relations_of('r_nobody'), '{}', 'PUBLIC: no relation');
SELECT is(has_schema_privilege('r_nobody', 'taskq', 'USAGE') OR has_schema_privilege('r_nobody', 'taskq', 'CREATE'), false, 'PUBLIC: not the schema');

-- the lists are those of docs/reference.md; internal functions of the views go with Reading
\set reading '''activities'', ''health'', ''pollers'', ''stat_task_queues'', ''task_queue_priorities'', ''task_queues'', ''workflow_events'', ''workflow_timers'', ''workflows'''
\set internal '''clock'', ''duration'', ''event_summary'', ''health_checks'', ''is_paused'', ''later'', ''newest_heartbeat'', ''retry_policy_to_jsonb'', ''run_events'', ''poller_states'', ''queue_counts'', ''queue_rates'', ''queue_statistics'''
SELECT taskq.grant_access('r_producer', 'producer');
SELECT is(routines_of('r_producer'), sorted(ARRAY['start_workflow', 'start_workflow_request', 'signal_workflow', 'signal_workflow_request', 'signal_with_start_workflow', 'signal_with_start_workflow_request', 'workflow_run', 'workflow_outcome', 'wait_for_workflow', 'workflow_history', 'describe_workflow', 'watch', 'schedule', 'schedule_many', 'retry_policy', 'retry_policy_from_jsonb', 'args', 'payloads', 'to_payloads', 'execute', 'outcome', 'describe', 'wait_for_close', 'node_of', 'run_uuid', 'run_of']), 'producer');
SELECT is(relations_of('r_producer'), '{}', 'producer: no relation');
SELECT taskq.grant_access('r_worker', 'worker');
SELECT is(routines_of('r_worker'), sorted(ARRAY['poll_workflow_task', 'complete_workflow_task', 'complete_workflow_tasks', 'fail_workflow_task', 'release_workflow_task', 'workflow_history', 'worker_gone', 'reset_sticky', 'pending_activity', 'signal_workflow', 'signal_workflow_request', 'retry_policy', 'retry_policy_from_jsonb', 'args', 'payloads', 'to_payloads', 'command_schedule_activity', 'command_start_timer', 'command_cancel_timer', 'command_request_cancel_activity', 'command_complete', 'command_fail', 'command_fail_with',
  'command_cancel', 'command_continue_as_new', 'command_record_marker', 'command_upsert_search_attributes', 'command_modify_properties',
  'describe', 'outcome', 'poll', 'poll_many', 'wait_for_task', 'wait_for_tasks', 'channel', 'worker_channel', 'listen', 'unlisten', 'complete', 'fail', 'fail_with', 'fail_with_many', 'report_canceled', 'release', 'release_many', 'heartbeat',
  'complete_by_id', 'fail_by_id', 'fail_with_by_id', 'report_canceled_by_id', 'heartbeat_by_id', 'complete_many', 'fail_many', 'heartbeat_many', 'complete_and_poll',
  'record_heartbeat', 'current_task', 'node_of', 'run_uuid', 'run_of']), 'worker');
SELECT is(relations_of('r_worker'), '{}', 'worker: no relation');
SELECT taskq.grant_access('r_operator', 'operator');
SELECT is(routines_of('r_operator'), sorted(ARRAY['request_cancel_workflow', 'request_cancel_workflow_request', 'terminate_workflow', 'terminate_workflow_request', 'delete_workflow', 'reset_sticky', 'describe_workflow', 'workflow_run', 'workflow_outcome', 'workflow_history', 'wait_for_workflow', 'request_cancel', 'terminate', 'pause', 'unpause', 'reset', 'update_options', 'delete', 'retry',
  'request_cancel_many', 'terminate_many', 'pause_many', 'unpause_many', 'reset_many', 'update_options_many', 'delete_many', 'retry_many',
  'watch', 'configure_queue', 'describe', 'outcome', 'wait_for_close', 'retry_policy', 'stat_reset', 'node_of', 'run_uuid', 'run_of', 'payloads', :internal]), 'operator');
SELECT is(relations_of('r_operator'), ARRAY[:reading], 'operator: the views');
SELECT taskq.grant_access('r_monitor', 'monitor');
SELECT is(routines_of('r_monitor'), sorted(ARRAY['describe_workflow', 'workflow_run', 'workflow_outcome', 'workflow_history', 'wait_for_workflow', 'describe', 'outcome', 'wait_for_close', 'node_of', 'run_uuid', 'run_of', 'payloads', :internal]), 'monitor');
SELECT is(relations_of('r_monitor'), ARRAY[:reading], 'monitor: the views');
SELECT taskq.grant_access('r_developer', 'developer');
SELECT is(routines_of('r_developer'), sorted(ARRAY['register_function', 'unregister_function', 'record_heartbeat', 'current_task', 'function_problem']), 'developer');
SELECT is(relations_of('r_developer'), ARRAY['functions'], 'developer: the view of functions');
SELECT is(has_schema_privilege(r, 'taskq', 'USAGE') AND NOT has_schema_privilege(r, 'taskq', 'CREATE'), true, r || ': may use the schema')
FROM unnest(ARRAY['r_producer', 'r_worker', 'r_operator', 'r_monitor', 'r_developer']) r;
SELECT is(routines_of('r_pg_monitor'), (SELECT sorted(array_agg(name)) FROM unnest(ARRAY[:internal]) name
  WHERE name NOT IN ('duration', 'event_summary', 'run_events', 'later', 'newest_heartbeat', 'retry_policy_to_jsonb')), 'pg_monitor: what its views need');
SELECT is(relations_of('r_pg_monitor'), ARRAY['health', 'pollers', 'stat_task_queues', 'task_queue_priorities', 'task_queues'], 'pg_monitor: five views');

-- every function belongs to some part, or to none on purpose
SELECT is((SELECT array_agg(DISTINCT proname::text ORDER BY proname::text) FROM pg_proc WHERE pronamespace = 'taskq'::regnamespace
    AND NOT (proname = ANY (routines_of('r_producer')) OR proname = ANY (routines_of('r_worker')) OR proname = ANY (routines_of('r_operator')) OR proname = ANY (routines_of('r_developer')))
    AND prorettype NOT IN ('trigger'::regtype, 'internal'::regtype)),
  ARRAY['access_objects', 'grant_access', 'replay', 'revoke_access', 'set_node'], 'granted to nobody');

-- it is enough to work with
SELECT new('access', 'access') AS run \gset
SET LOCAL ROLE r_producer;
SELECT lives_ok($$SELECT run_id FROM taskq.schedule('access', 't', '{"secret": 1}', start_to_close_timeout => '1 h',
  retry_policy => taskq.retry_policy(maximum_attempts => 1))$$, 'a producer schedules');
SELECT throws_ok($$SELECT taskq.poll('access')$$, '42501', NULL, 'a producer does not poll');
SELECT throws_ok($$SELECT * FROM taskq.activities$$, '42501', NULL, 'a producer does not see all');
SELECT lives_ok(format('SELECT * FROM taskq.outcome(%s)', :run), 'a producer asks for an outcome');
SET LOCAL ROLE r_worker;
SELECT lives_ok($$SELECT taskq.complete(task_token) FROM taskq.poll('access')$$, 'a worker works');
SELECT throws_ok($$SELECT taskq.terminate('access')$$, '42501', NULL, 'a worker does not terminate');
SELECT throws_ok($$SELECT taskq.schedule('access', 't', start_to_close_timeout => '1 h')$$, '42501', NULL, 'a worker does not schedule');
SET LOCAL ROLE r_operator;
SELECT lives_ok($$SELECT taskq.configure_queue('access', '{"paused": false}')$$, 'an operator configures');
SELECT lives_ok($$SELECT taskq.terminate(run_id => run_id) FROM taskq.activities WHERE task_queue = 'access' AND status = 'running'$$,
  'an operator terminates what it sees');
SELECT lives_ok($$SELECT * FROM taskq.health$$, 'an operator reads health');
SET LOCAL ROLE r_monitor;
SELECT lives_ok(format('SELECT * FROM taskq.%I', v), 'a monitor reads ' || v) FROM unnest(ARRAY[:reading]) v;
SELECT throws_ok($$SELECT taskq.stat_reset()$$, '42501', NULL, 'a monitor does not reset statistics');
SELECT throws_ok($$SELECT * FROM taskq.open$$, '42501', NULL, 'nobody reads the tables');
SET LOCAL ROLE r_pg_monitor;
SELECT lives_ok(format('SELECT * FROM taskq.%I', v), 'pg_monitor reads ' || v)
FROM unnest(ARRAY['health', 'pollers', 'stat_task_queues', 'task_queue_priorities', 'task_queues']) v;
SELECT throws_ok($$SELECT * FROM taskq.activities$$, '42501', NULL, 'pg_monitor does not see payloads');
SELECT throws_ok(format('SELECT * FROM taskq.describe(run_id => %s)', :run), '42501', NULL, 'nor one by one');
SELECT is_empty($$SELECT v, c.column_name FROM unnest(ARRAY['health', 'pollers', 'stat_task_queues', 'task_queue_priorities', 'task_queues']) v,
  information_schema.columns c WHERE c.table_schema = 'taskq' AND c.table_name = v
  AND c.column_name IN ('input', 'result', 'failure', 'header', 'heartbeat_details', 'last_failure', 'search_attributes')$$, 'no payload columns');
SELECT throws_ok($$SELECT taskq.grant_access('r_pg_monitor', 'operator')$$, '42501', NULL, 'nobody grants himself access');
RESET ROLE;

-- revoke
SELECT taskq.revoke_access('r_producer', 'producer');
SELECT is(routines_of('r_producer'), '{}', 'revoked: no function');
SELECT is(has_schema_privilege('r_producer', 'taskq', 'USAGE'), false, 'nor the schema');
SELECT taskq.revoke_access('r_operator', 'operator');
SELECT is(routines_of('r_operator') || relations_of('r_operator'), '{}', 'revoked: nothing of Reading either');
SELECT lives_ok($$SELECT taskq.revoke_access('r_operator', 'operator')$$, 'revoked twice');

-- parts overlap
SELECT taskq.grant_access('r_producer', 'producer'), taskq.grant_access('r_producer', 'operator');
SELECT taskq.revoke_access('r_producer', 'operator');
SELECT is(routines_of('r_producer'), sorted(ARRAY['start_workflow', 'start_workflow_request', 'signal_workflow', 'signal_workflow_request', 'signal_with_start_workflow', 'signal_with_start_workflow_request', 'workflow_run', 'workflow_outcome', 'wait_for_workflow', 'workflow_history', 'describe_workflow', 'watch', 'schedule', 'schedule_many', 'retry_policy', 'retry_policy_from_jsonb', 'args', 'payloads', 'to_payloads', 'execute', 'outcome', 'describe', 'wait_for_close', 'node_of', 'run_uuid', 'run_of']),
  'what another part needs stays');
SELECT is(relations_of('r_producer'), '{}', 'and nothing else');
SELECT taskq.grant_access('r_monitor', 'producer');
SELECT taskq.revoke_access('r_monitor', 'producer');
SELECT is(routines_of('r_monitor'), sorted(ARRAY['describe_workflow', 'workflow_run', 'workflow_outcome', 'workflow_history', 'wait_for_workflow', 'describe', 'outcome', 'wait_for_close', 'node_of', 'run_uuid', 'run_of', 'payloads', :internal]), 'a monitor stays one');
SELECT taskq.revoke_access('r_monitor', 'worker');
SELECT is(routines_of('r_monitor'), sorted(ARRAY['describe_workflow', 'workflow_run', 'workflow_outcome', 'workflow_history', 'wait_for_workflow', 'describe', 'outcome', 'wait_for_close', 'node_of', 'run_uuid', 'run_of', 'payloads', :internal]), 'also without having been a worker');
SELECT is(has_schema_privilege('r_monitor', 'taskq', 'USAGE'), true, 'with the schema');

-- names that need quotes; errors
SELECT lives_ok($$SELECT taskq.grant_access('"r Weird"', 'worker')$$, 'a role whose name needs quotes');
SELECT cmp_ok(array_length(routines_of('"r Weird"'), 1), '>', 15, 'has got it');
SELECT lives_ok($$SELECT taskq.revoke_access('"r Weird"', 'worker')$$, 'and loses it');
SELECT throws_ok($$SELECT taskq.grant_access('r_worker', 'admin')$$, '22023', NULL, 'an unknown part');
SELECT throws_ok($$SELECT taskq.grant_access('r_worker', NULL)$$, '22004', NULL, 'no part');
SELECT throws_ok($$SELECT taskq.grant_access(NULL, 'worker')$$, '22004', NULL, 'no role');
SELECT throws_ok($$SELECT taskq.revoke_access('r_worker', 'admin')$$, '22023', NULL, 'an unknown part to revoke');
SELECT throws_ok($$SELECT taskq.grant_access('r_missing', 'worker')$$, '42704', NULL, 'a role that does not exist');

SELECT * FROM finish();
ROLLBACK;
