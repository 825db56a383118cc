-- docs/reference.md: the shape of the SQL surface.  Names, order, types and defaults are
-- what clients are written against.

BEGIN;
\ir ../include/helpers.psql
SELECT * FROM no_plan();

-- types
SELECT enum_has_labels('taskq', name, string_to_array(labels, ' '), 'enum ' || name)
FROM (VALUES
  ('activity_status', 'running paused completed failed canceled terminated timed_out'),
  ('run_state', 'scheduled started cancel_requested pause_requested paused'),
  ('timeout_type', 'schedule_to_start start_to_close schedule_to_close heartbeat'),
  ('retry_state', 'in_progress non_retryable_failure timeout maximum_attempts_reached retry_policy_not_set internal_server_error cancel_requested'),
  ('task_kind', 'activity workflow'),
  ('id_reuse_policy', 'allow_duplicate allow_duplicate_failed_only reject_duplicate'),
  ('id_conflict_policy', 'fail use_existing'),
  ('workflow_id_conflict_policy', 'fail use_existing terminate_existing'),
  ('workflow_status', 'running completed failed canceled terminated continued_as_new timed_out')) v (name, labels);

-- columns of composite types and views, in order
CREATE FUNCTION columns_of(relation text) RETURNS text
LANGUAGE sql AS $$
  SELECT string_agg(attname || ' ' || replace(replace(replace(replace(format_type(atttypid, atttypmod), 'taskq.', ''), 'timestamp with time zone', 'timestamptz'),
    'double precision', 'float8'), 'integer', 'int'), ', ' ORDER BY attnum)
  FROM pg_attribute WHERE attrelid = format('taskq.%I', relation)::regclass AND attnum > 0 AND NOT attisdropped
$$;
SELECT is(columns_of(name), columns, name)
FROM (VALUES
('retry_policy', 'initial_interval interval, backoff_coefficient float8, maximum_interval interval, maximum_attempts int, non_retryable_error_types text[], jitter float8'),
('activity_task', 'task_token uuid, run_id bigint, activity_id text, activity_type text, task_queue text, input jsonb, header jsonb, '
  'heartbeat_details jsonb, attempt int, scheduled_time timestamptz, current_attempt_scheduled_time timestamptz, started_time timestamptz, '
  'schedule_to_close_timeout interval, start_to_close_timeout interval, heartbeat_timeout interval, priority int, fairness_key text'),
('scheduled_run', 'run_id bigint, activity_id text, created boolean'),
('activities', 'run_id bigint, activity_id text, activity_type text, task_queue text, status activity_status, run_state run_state, attempt int, '
  'input jsonb, header jsonb, result jsonb, failure jsonb, retry_state retry_state, last_failure jsonb, heartbeat_details jsonb, '
  'last_heartbeat_time timestamptz, total_heartbeat_count bigint, last_worker_identity text, schedule_time timestamptz, execution_time timestamptz, '
  'expiration_time timestamptz, first_started_time timestamptz, last_started_time timestamptz, last_attempt_complete_time timestamptz, '
  'current_retry_interval interval, next_attempt_schedule_time timestamptz, close_time timestamptz, execution_duration interval, '
  'schedule_to_close_timeout interval, schedule_to_start_timeout interval, start_to_close_timeout interval, heartbeat_timeout interval, '
  'retry_policy jsonb, start_delay interval, priority int, fairness_key text, fairness_weight float8, cancel_reason text, summary text, '
  'search_attributes jsonb, state_transition_count int, workflow_run_id bigint, scheduled_event_id bigint'),
('pending_task', 'state text, attempt int, since timestamptz'),
('workflows', 'workflow_id text, run_id bigint, run_uuid uuid, workflow_type text, task_queue text, status workflow_status, start_time timestamptz, '
  'execution_time timestamptz, close_time timestamptz, execution_duration interval, history_length bigint, history_size_bytes bigint, '
  'parent_workflow_id text, parent_run_id bigint, root_run_id bigint, first_run_id bigint, attempt int, cron_schedule text, memo jsonb, '
  'search_attributes jsonb, result jsonb, failure jsonb, cancel_requested boolean, pending_activities int, pending_timers int, pending_children int, '
  'pending_task pending_task, sticky_task_queue text'),
('workflow_events', 'run_id bigint, workflow_id text, event_id bigint, event_time timestamptz, event_type text, attributes jsonb, user_metadata jsonb, '
  'extra jsonb, summary text'),
('workflow_timers', 'run_id bigint, workflow_id text, timer_id text, started_event_id bigint, fire_time timestamptz'),
('task_queues', 'task_queue text, backlog_count bigint, backlog_age interval, delayed_count bigint, started_count bigint, paused_count bigint, '
  'tasks_add_rate float8, tasks_dispatch_rate float8, rate_limit float8, rate_limit_source text, rate_limiting_active boolean, paused boolean, '
  'config jsonb, config_reason text, config_update_identity text, config_update_time timestamptz, poller_count bigint, kind task_kind'),
('task_queue_priorities', 'task_queue text, priority int, backlog_count bigint, backlog_age interval, kind task_kind'),
('pollers', 'task_queue text, identity text, last_access_time timestamptz, rate_per_second float8, waiting boolean, kind task_kind'),
('stat_task_queues', 'task_queue text, scheduled bigint, started bigint, completed bigint, failed bigint, retried bigint, canceled bigint, '
  'terminated bigint, timed_out_schedule_to_start bigint, timed_out_start_to_close bigint, timed_out_schedule_to_close bigint, '
  'timed_out_heartbeat bigint, heartbeats bigint, empty_polls bigint, schedule_to_start_histogram bigint[], execution_histogram bigint[], '
  'stats_reset timestamptz, released bigint, kind task_kind'),
('functions', 'activity_type text, task_queue text, function text, run_as regrole, concurrency int, problem text'),
('health', 'check_name text, status text, detail text, hint text')) v (name, columns);

-- functions and procedures: arguments with defaults, and the result
CREATE TABLE api (name text, arguments text, result text);
INSERT INTO api VALUES
('retry_policy', 'initial_interval interval = NULL, backoff_coefficient float8 = NULL, maximum_interval interval = NULL, '
  'maximum_attempts int = NULL, non_retryable_error_types text[] = NULL, jitter float8 = NULL',
  'taskq.retry_policy'),
('retry_policy_from_jsonb', 'policy jsonb',
  'taskq.retry_policy'),
('args', 'VARIADIC args jsonb[]',
  'jsonb'),
('payloads', 'payloads jsonb',
  'jsonb'),
('to_payloads', 'VARIADIC args jsonb[]',
  'jsonb'),
('command_schedule_activity', 'activity_type text, input jsonb = NULL, start_to_close_timeout interval = NULL, schedule_to_close_timeout interval = NULL, '
  'schedule_to_start_timeout interval = NULL, heartbeat_timeout interval = NULL, activity_id text = NULL, task_queue text = NULL, '
  'retry_policy taskq.retry_policy = NULL, header jsonb = NULL, priority int = NULL, fairness_key text = NULL, fairness_weight float8 = NULL, '
  'eager boolean = NULL, summary text = NULL',
  'jsonb'),
('command_start_timer', 'timer_id text, start_to_fire interval, summary text = NULL',
  'jsonb'),
('command_cancel_timer', 'timer_id text',
  'jsonb'),
('command_request_cancel_activity', 'scheduled_event_id bigint',
  'jsonb'),
('command_complete', 'result jsonb = NULL',
  'jsonb'),
('command_fail', 'message text, type text = NULL, details jsonb = NULL, non_retryable boolean = false',
  'jsonb'),
('command_fail_with', 'failure jsonb',
  'jsonb'),
('command_cancel', 'details jsonb = NULL',
  'jsonb'),
('command_continue_as_new', 'workflow_type text = NULL, input jsonb = NULL, task_queue text = NULL, run_timeout interval = NULL, '
  'task_timeout interval = NULL, backoff interval = NULL, retry_policy taskq.retry_policy = NULL, header jsonb = NULL, memo jsonb = NULL, '
  'search_attributes jsonb = NULL',
  'jsonb'),
('command_record_marker', 'marker_name text, details jsonb = NULL, failure jsonb = NULL, header jsonb = NULL',
  'jsonb'),
('command_upsert_search_attributes', 'search_attributes jsonb',
  'jsonb'),
('command_modify_properties', 'memo jsonb',
  'jsonb'),
('schedule', 'task_queue text, activity_type text, input jsonb = NULL, activity_id text = NULL, schedule_to_close_timeout interval = NULL, '
  'schedule_to_start_timeout interval = NULL, start_to_close_timeout interval = NULL, heartbeat_timeout interval = NULL, '
  'retry_policy taskq.retry_policy = NULL, start_delay interval = NULL, priority int = NULL, fairness_key text = NULL, '
  'fairness_weight float8 = NULL, id_reuse_policy taskq.id_reuse_policy = ''allow_duplicate'', '
  'id_conflict_policy taskq.id_conflict_policy = ''fail'', request_id text = NULL, header jsonb = NULL, summary text = NULL, '
  'search_attributes jsonb = NULL, identity text = NULL, start_at timestamptz = NULL',
  'SETOF taskq.scheduled_run'),
('schedule_many', 'task_queue text, activity_type text, inputs jsonb[], activity_ids text[] = NULL, schedule_to_close_timeout interval = NULL, '
  'schedule_to_start_timeout interval = NULL, start_to_close_timeout interval = NULL, heartbeat_timeout interval = NULL, '
  'retry_policy taskq.retry_policy = NULL, start_delay interval = NULL, priority int = NULL, fairness_key text = NULL, '
  'fairness_weight float8 = NULL, id_reuse_policy taskq.id_reuse_policy = ''allow_duplicate'', '
  'id_conflict_policy taskq.id_conflict_policy = ''fail'', request_id text = NULL, header jsonb = NULL, summary text = NULL, '
  'search_attributes jsonb = NULL, identity text = NULL, start_at timestamptz = NULL',
  'SETOF taskq.scheduled_run'),
('poll', 'task_queue text, identity text = NULL, max_tasks bigint = 1, max_tasks_per_second float8 = NULL',
  'SETOF taskq.activity_task'),
('wait_for_task', 'IN task_queue text, IN timeout interval = ''00:01:00'', INOUT ready boolean = NULL, IN kind taskq.task_kind = ''activity'', IN sticky_for text = NULL',
  'procedure'),
('wait_for_tasks', 'IN task_queues text[], IN timeout interval = ''00:01:00'', INOUT task_queue text = NULL, IN kinds taskq.task_kind[] = NULL, IN normal_names text[] = NULL',
  'procedure'),
('channel', 'task_queue text, kind taskq.task_kind = ''activity'', sticky_for text = NULL',
  'text'),
('listen', 'listener text, task_queues text[], kind taskq.task_kind = ''activity'', normal_names text[] = NULL',
  'text'),
('unlisten', 'listener text, task_queues text[] = NULL, kind taskq.task_kind = ''activity'', normal_names text[] = NULL',
  'void'),
('watch', 'run_ids bigint[]',
  'text[]'),
('worker_channel', 'identity text',
  'text'),
('poll_many', 'task_queues text[], identities text[], kinds taskq.task_kind[] = NULL, normal_names text[] = NULL, max_tasks_per_second float8[] = NULL, '
  'OUT slot int, OUT task taskq.activity_task, OUT retry_policy jsonb',
  'SETOF record'),
('complete', 'task_token uuid, result jsonb = NULL, identity text = NULL',
  'void'),
('fail', 'task_token uuid, message text = NULL, error_type text = NULL, details jsonb = NULL, non_retryable boolean = false, '
  'next_retry_delay interval = NULL, stack_trace text = NULL, cause jsonb = NULL, last_heartbeat_details jsonb = NULL, '
  'identity text = NULL',
  'taskq.retry_state'),
('report_canceled', 'task_token uuid, details jsonb = NULL, identity text = NULL',
  'void'),
('release', 'task_token uuid, delay interval = NULL, last_heartbeat_details jsonb = NULL, identity text = NULL',
  'void'),
('heartbeat', 'task_token uuid, details jsonb = NULL, identity text = NULL',
  'SETOF taskq.heartbeat_response'),
('complete_by_id', 'activity_id text = NULL, result jsonb = NULL, run_id bigint = NULL, identity text = NULL',
  'void'),
('fail_by_id', 'activity_id text = NULL, message text = NULL, error_type text = NULL, details jsonb = NULL, non_retryable boolean = false, '
  'next_retry_delay interval = NULL, stack_trace text = NULL, cause jsonb = NULL, last_heartbeat_details jsonb = NULL, '
  'run_id bigint = NULL, identity text = NULL',
  'taskq.retry_state'),
('report_canceled_by_id', 'activity_id text = NULL, details jsonb = NULL, run_id bigint = NULL, identity text = NULL',
  'void'),
('heartbeat_by_id', 'activity_id text = NULL, details jsonb = NULL, run_id bigint = NULL, identity text = NULL',
  'SETOF taskq.heartbeat_response'),
('complete_many', 'task_tokens uuid[], results jsonb[] = NULL, identity text = NULL, identities text[] = NULL, OUT task_token uuid, OUT ok boolean, OUT error text',
  'SETOF record'),
('fail_many', 'task_tokens uuid[], message text = NULL, error_type text = NULL, details jsonb = NULL, non_retryable boolean = false, '
  'next_retry_delay interval = NULL, stack_trace text = NULL, cause jsonb = NULL, last_heartbeat_details jsonb = NULL, '
  'identity text = NULL, OUT task_token uuid, OUT ok boolean, OUT retry_state taskq.retry_state, OUT error text',
  'SETOF record'),
('fail_with', 'task_token uuid, failure jsonb, next_retry_delay interval = NULL, last_heartbeat_details jsonb = NULL, identity text = NULL',
  'taskq.retry_state'),
('fail_with_by_id', 'activity_id text = NULL, failure jsonb = NULL, next_retry_delay interval = NULL, last_heartbeat_details jsonb = NULL, '
  'run_id bigint = NULL, identity text = NULL',
  'taskq.retry_state'),
('fail_with_many', 'task_tokens uuid[], failures jsonb[], next_retry_delays interval[] = NULL, identities text[] = NULL, '
  'last_heartbeat_details jsonb[] = NULL, OUT task_token uuid, OUT ok boolean, OUT retry_state taskq.retry_state, OUT error text',
  'SETOF record'),
('release_many', 'task_tokens uuid[], delay interval = NULL, identity text = NULL, OUT task_token uuid, OUT ok boolean, OUT error text',
  'SETOF record'),
('heartbeat_many', 'task_tokens uuid[], details jsonb[] = NULL, identity text = NULL, OUT task_token uuid, OUT ok boolean, '
  'OUT cancel_requested boolean, OUT activity_paused boolean, OUT activity_reset boolean, OUT error text',
  'SETOF record'),
('complete_and_poll', 'task_tokens uuid[], results jsonb[], task_queue text, identity text = NULL, max_tasks bigint = 1, max_tasks_per_second float8 = NULL',
  'SETOF taskq.activity_task'),
('request_cancel', 'activity_id text = NULL, run_id bigint = NULL, reason text = NULL, identity text = NULL, request_id text = NULL',
  'void'),
('terminate', 'activity_id text = NULL, run_id bigint = NULL, reason text = NULL, identity text = NULL, request_id text = NULL',
  'void'),
('pause', 'activity_id text = NULL, run_id bigint = NULL, reason text = NULL, identity text = NULL, request_id text = NULL',
  'void'),
('unpause', 'activity_id text = NULL, run_id bigint = NULL, reason text = NULL, identity text = NULL, request_id text = NULL, '
  'jitter interval = NULL, skip_backoff boolean = false',
  'void'),
('reset', 'activity_id text = NULL, run_id bigint = NULL, identity text = NULL, request_id text = NULL, keep_paused boolean = false, '
  'reset_heartbeat boolean = false, restore_original_options boolean = false, jitter interval = NULL',
  'void'),
('update_options', 'activity_id text = NULL, run_id bigint = NULL, options jsonb = NULL, restore_original boolean = false, identity text = NULL, '
  'request_id text = NULL',
  'jsonb'),
('delete', 'activity_id text = NULL, run_id bigint = NULL',
  'void'),
('retry', 'run_id bigint',
  'SETOF taskq.scheduled_run'),
('request_cancel_many', 'run_ids bigint[], reason text = NULL, identity text = NULL, request_id text = NULL, OUT run_id bigint, OUT ok boolean, OUT error text',
  'SETOF record'),
('terminate_many', 'run_ids bigint[], reason text = NULL, identity text = NULL, request_id text = NULL, OUT run_id bigint, OUT ok boolean, OUT error text',
  'SETOF record'),
('pause_many', 'run_ids bigint[], reason text = NULL, identity text = NULL, request_id text = NULL, OUT run_id bigint, OUT ok boolean, OUT error text',
  'SETOF record'),
('unpause_many', 'run_ids bigint[], reason text = NULL, identity text = NULL, request_id text = NULL, jitter interval = NULL, '
  'skip_backoff boolean = false, OUT run_id bigint, OUT ok boolean, OUT error text',
  'SETOF record'),
('reset_many', 'run_ids bigint[], identity text = NULL, request_id text = NULL, keep_paused boolean = false, reset_heartbeat boolean = false, '
  'restore_original_options boolean = false, jitter interval = NULL, OUT run_id bigint, OUT ok boolean, OUT error text',
  'SETOF record'),
('update_options_many', 'run_ids bigint[], options jsonb = NULL, restore_original boolean = false, identity text = NULL, request_id text = NULL, '
  'OUT run_id bigint, OUT ok boolean, OUT error text',
  'SETOF record'),
('delete_many', 'run_ids bigint[], OUT run_id bigint, OUT ok boolean, OUT error text',
  'SETOF record'),
('retry_many', 'run_ids bigint[], OUT run_id bigint, OUT ok boolean, OUT error text, OUT new_run_id bigint',
  'SETOF record'),
('configure_queue', 'task_queue text, config jsonb, reason text = NULL, identity text = NULL, kind taskq.task_kind = ''activity''',
  'jsonb'),
('describe', 'activity_id text = NULL, run_id bigint = NULL',
  'SETOF taskq.activities'),
('outcome', 'run_id bigint, OUT status taskq.activity_status, OUT result jsonb, OUT failure jsonb, OUT retry_state taskq.retry_state',
  'SETOF record'),
('wait_for_close', 'IN run_id bigint = NULL, IN timeout interval = ''00:01:00'', INOUT status taskq.activity_status = NULL, INOUT result jsonb = NULL, '
  'INOUT failure jsonb = NULL, IN activity_id text = NULL',
  'procedure'),
('execute', 'IN task_queue text, IN activity_type text, IN input jsonb = NULL, IN activity_id text = NULL, IN schedule_to_close_timeout interval = NULL, '
  'IN schedule_to_start_timeout interval = NULL, IN start_to_close_timeout interval = NULL, IN heartbeat_timeout interval = NULL, '
  'IN retry_policy taskq.retry_policy = NULL, IN start_delay interval = NULL, IN priority int = NULL, IN fairness_key text = NULL, '
  'IN fairness_weight float8 = NULL, IN id_reuse_policy taskq.id_reuse_policy = ''allow_duplicate'', '
  'IN id_conflict_policy taskq.id_conflict_policy = ''fail'', IN request_id text = NULL, IN header jsonb = NULL, IN summary text = NULL, '
  'IN search_attributes jsonb = NULL, IN identity text = NULL, IN start_at timestamptz = NULL, IN timeout interval = ''00:01:00'', INOUT result jsonb = NULL',
  'procedure'),
('register_function', 'activity_type text, function regprocedure, task_queue text, run_as regrole = NULL, concurrency int = 1',
  'void'),
('unregister_function', 'activity_type text, task_queue text',
  'void'),
('record_heartbeat', 'details jsonb = NULL, OUT cancel_requested boolean, OUT activity_paused boolean, OUT activity_reset boolean',
  'record'),
('current_task', '',
  'taskq.activity_task'),
('stat_reset', 'task_queue text = NULL, kind taskq.task_kind = ''activity''',
  'void'),
('complete_workflow_task', 'task_token uuid, commands jsonb, sticky_task_queue text = NULL, sticky_schedule_to_start_timeout interval = NULL, force_new_task boolean = false, return_new_task boolean = false, query_results jsonb = NULL, messages jsonb = NULL, sdk_metadata jsonb = NULL, extra jsonb = NULL, identity text = NULL, OUT failed_cause text, OUT failed_message text, OUT closed boolean, OUT new_task taskq.workflow_task, OUT eager_activities jsonb',
  'SETOF record'),
('delete_workflow', 'workflow_id text = NULL, run_id bigint = NULL',
  'void'),
('fail_workflow_task', 'task_token uuid, cause text, failure jsonb = NULL, identity text = NULL',
  'void'),
('pending_activity', 'workflow_id text, activity_id text, workflow_run_id bigint = NULL',
  'bigint'),
('poll_workflow_task', 'task_queue text, identity text = NULL, max_tasks bigint = 1, sticky_for text = NULL',
  'SETOF taskq.workflow_task'),
('release_workflow_task', 'task_token uuid',
  'void'),
('request_cancel_workflow', 'workflow_id text = NULL, run_id bigint = NULL, first_run_id bigint = NULL, reason text = NULL, identity text = NULL, request_id text = NULL',
  'void'),
('request_cancel_workflow_request', 'request jsonb',
  'void'),
('reset_sticky', 'workflow_id text, run_id bigint = NULL',
  'void'),
('signal_with_start_workflow', 'task_queue text, workflow_type text, input jsonb = NULL, workflow_id text = NULL, execution_timeout interval = NULL, run_timeout interval = NULL, task_timeout interval = NULL, retry_policy taskq.retry_policy = NULL, start_delay interval = NULL, cron_schedule text = NULL, priority int = NULL, fairness_key text = NULL, fairness_weight float8 = NULL, id_reuse_policy taskq.id_reuse_policy = ''allow_duplicate'', id_conflict_policy taskq.workflow_id_conflict_policy = NULL, request_id text = NULL, header jsonb = NULL, memo jsonb = NULL, search_attributes jsonb = NULL, user_metadata jsonb = NULL, identity text = NULL, signal_name text = NULL, signal_input jsonb = NULL',
  'SETOF taskq.started_workflow'),
('signal_with_start_workflow_request', 'request jsonb',
  'SETOF taskq.started_workflow'),
('signal_workflow', 'workflow_id text, signal_name text, input jsonb = NULL, run_id bigint = NULL, request_id text = NULL, header jsonb = NULL, identity text = NULL',
  'void'),
('signal_workflow_request', 'request jsonb',
  'void'),
('start_workflow', 'task_queue text, workflow_type text, input jsonb = NULL, workflow_id text = NULL, execution_timeout interval = NULL, run_timeout interval = NULL, task_timeout interval = NULL, retry_policy taskq.retry_policy = NULL, start_delay interval = NULL, cron_schedule text = NULL, priority int = NULL, fairness_key text = NULL, fairness_weight float8 = NULL, id_reuse_policy taskq.id_reuse_policy = ''allow_duplicate'', id_conflict_policy taskq.workflow_id_conflict_policy = ''fail'', request_id text = NULL, header jsonb = NULL, memo jsonb = NULL, search_attributes jsonb = NULL, user_metadata jsonb = NULL, identity text = NULL',
  'SETOF taskq.started_workflow'),
('start_workflow_request', 'request jsonb',
  'SETOF taskq.started_workflow'),
('terminate_workflow', 'workflow_id text = NULL, run_id bigint = NULL, first_run_id bigint = NULL, reason text = NULL, details jsonb = NULL, identity text = NULL',
  'void'),
('terminate_workflow_request', 'request jsonb',
  'void'),
('wait_for_workflow', 'IN workflow_id text = NULL, IN run_id bigint = NULL, IN timeout interval = ''00:01:00'', INOUT status taskq.workflow_status = NULL, INOUT result jsonb = NULL, INOUT failure jsonb = NULL',
  'procedure'),
('worker_gone', 'sticky_task_queue text',
  'void'),
('workflow_history', 'run_id bigint, after_event_id bigint = 0, until_event_id bigint = NULL, max_bytes int = NULL, newest_first boolean = false, OUT event_id bigint, OUT event_time timestamptz, OUT event_type text, OUT attributes jsonb, OUT user_metadata jsonb, OUT extra jsonb',
  'SETOF record'),
('workflow_outcome', 'workflow_id text = NULL, run_id bigint = NULL, follow_runs boolean = true',
  'SETOF taskq.workflow_end'),
('workflow_run', 'workflow_id text',
  'bigint'),
('replay', 'run_id bigint',
  'boolean'),
('complete_workflow_tasks', 'completions jsonb[], OUT slot int, OUT ok boolean, OUT error text, OUT failed_cause text, OUT failed_message text, OUT closed boolean, '
  'OUT new_task taskq.workflow_task, OUT eager_activities jsonb',
  'SETOF record'),
('describe_workflow', 'workflow_id text = NULL, run_id bigint = NULL',
  'json'),
('node_of', 'run_id bigint',
  'integer'),
('node_of', 'task_token uuid',
  'integer'),
('run_uuid', 'run_id bigint',
  'uuid'),
('run_of', 'run_uuid uuid',
  'bigint'),
('set_node', 'node int',
  'void'),
('grant_access', 'role regrole, access text',
  'void'),
('revoke_access', 'role regrole, access text',
  'void');
CREATE VIEW routines AS
SELECT p.oid, proname::text AS name, p AS proc,
  regexp_replace(replace(replace(replace(regexp_replace(pg_get_function_arguments(oid), '::[a-z_. ]+(\[\])?', '', 'g'),
    ' DEFAULT ', ' = '), 'double precision', 'float8'), 'timestamp with time zone', 'timestamptz'), '\yinteger\y', 'int', 'g') AS arguments,
  coalesce(pg_get_function_result(oid), 'procedure') AS result
FROM pg_proc p WHERE pronamespace = 'taskq'::regnamespace;
SELECT is((SELECT string_agg(result, ' and ') FROM routines r WHERE r.name = a.name AND r.arguments = a.arguments), a.result,
  format('%s(%s)', a.name, split_part(a.arguments, ' ', 1))) FROM api a;
-- whatever else is there is marked as internal
SELECT is((SELECT string_agg(name, ', ') FROM routines r WHERE NOT EXISTS (SELECT FROM api a WHERE a.name = r.name AND a.arguments = r.arguments)
    AND coalesce(obj_description(oid, 'pg_proc'), '') NOT LIKE 'internal: %'), NULL, 'nothing but internal functions beyond the API');
SELECT is((SELECT string_agg(relname, ', ') FROM pg_class c WHERE relnamespace = 'taskq'::regnamespace AND relkind IN ('v', 'm', 'r', 'p', 'S', 'f')
    AND relname NOT IN ('activities', 'workflows', 'workflow_events', 'workflow_timers', 'task_queues', 'task_queue_priorities', 'pollers', 'stat_task_queues', 'health', 'functions')
    AND coalesce(obj_description(oid, 'pg_class'), '') NOT LIKE 'internal: %'), NULL, 'nothing but internal relations beyond the API');

-- several result columns: exactly one row, and (f(...)).* calls once
SELECT is((SELECT string_agg(name, ', ' ORDER BY name) FROM routines r WHERE (proc).proretset AND (proc).prorows = 1 AND name IN
    ('schedule', 'heartbeat', 'heartbeat_by_id', 'retry', 'outcome', 'describe')), 'describe, heartbeat, heartbeat_by_id, outcome, retry, schedule',
  'SETOF ... ROWS 1');
SELECT count(*) FROM (SELECT (taskq.schedule('once', 'test', start_to_close_timeout => '1 s')).*) x \g /dev/null
SELECT is((SELECT count(*) FROM taskq.activities WHERE task_queue = 'once'), 1, '(schedule(...)).* schedules once');
SELECT is((SELECT string_agg(name, ', ') FROM routines WHERE (proc).proisstrict AND name IN (SELECT name FROM api) AND name NOT IN ('node_of', 'run_uuid', 'run_of', 'payloads')), NULL,
  'a NULL argument is never a silent NULL result');
SELECT is((SELECT string_agg(name, ', ') FROM routines WHERE (proc).prosecdef), NULL, 'nothing is SECURITY DEFINER');

-- immutable: node_of, in an index if need be
SELECT is((SELECT string_agg(DISTINCT (proc).provolatile::text, '') FROM routines WHERE name = 'node_of'), 'i', 'node_of is immutable');
SELECT is(taskq.node_of(1::bigint), 0, 'node_of: a run of node 0');
SELECT is(taskq.node_of((5::bigint << 48) + 7), 5, 'node_of: a run of node 5');
SELECT is(taskq.node_of(NULL::bigint), NULL::int, 'node_of: NULL');
SELECT new('node') AS run \gset
SELECT is(taskq.node_of(:run), 0, 'node_of: a run of this database');
SELECT is(taskq.node_of(take('node')), 0, 'node_of: a token of this database');

-- everything is commented
SELECT is((SELECT string_agg(d, ', ') FROM (
    SELECT relname::text AS d FROM pg_class c WHERE relnamespace = 'taskq'::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'S', 'f') AND obj_description(oid, 'pg_class') IS NULL
    UNION ALL SELECT p.oid::regprocedure::text FROM pg_proc p WHERE pronamespace = 'taskq'::regnamespace AND obj_description(oid, 'pg_proc') IS NULL
    UNION ALL SELECT typname FROM pg_type y WHERE typnamespace = 'taskq'::regnamespace AND typelem = 0 AND obj_description(oid, 'pg_type') IS NULL
      AND NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = y.typrelid AND c.relkind <> 'c')
    UNION ALL SELECT 'schema' FROM pg_namespace WHERE nspname = 'taskq' AND obj_description(oid, 'pg_namespace') IS NULL
    UNION ALL SELECT 'extension' FROM pg_extension WHERE extname = 'taskq' AND obj_description(oid, 'pg_extension') IS NULL) x),
  NULL, 'COMMENT ON every object of the schema');

-- nothing is granted to PUBLIC
SELECT is((SELECT string_agg(d, ', ') FROM (
    SELECT relname::text AS d FROM pg_class, aclexplode(coalesce(relacl, acldefault(CASE relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", relowner)))
      WHERE relnamespace = 'taskq'::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'S', 'f') AND grantee = 0
    UNION ALL SELECT p.oid::regprocedure::text FROM pg_proc p, aclexplode(coalesce(proacl, acldefault('f', proowner))) WHERE pronamespace = 'taskq'::regnamespace AND grantee = 0
    UNION ALL SELECT 'schema' FROM pg_namespace, aclexplode(coalesce(nspacl, acldefault('n', nspowner))) WHERE nspname = 'taskq' AND grantee = 0
    UNION ALL SELECT attname::text FROM pg_attribute, aclexplode(attacl) WHERE attrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'taskq'::regnamespace) AND grantee = 0) x),
  NULL, 'nothing is granted to PUBLIC');

-- settings
SELECT is((SELECT string_agg(name, ' ' ORDER BY name) FROM pg_settings WHERE name IN ('taskq.retention', 'taskq.max_payload_size', 'taskq.notify_interval',
    'taskq.default_initial_interval', 'taskq.default_backoff_coefficient', 'taskq.default_maximum_interval', 'taskq.default_maximum_attempts')),
  'taskq.default_backoff_coefficient taskq.default_initial_interval taskq.default_maximum_attempts taskq.default_maximum_interval taskq.max_payload_size taskq.notify_interval taskq.retention',
  'settings');
SELECT is((SELECT string_agg(boot_val || coalesce(unit, ''), ' ' ORDER BY name) FROM pg_settings WHERE name IN ('taskq.retention', 'taskq.max_payload_size', 'taskq.notify_interval')),
  '2048kB 20ms 259200s', 'their defaults');
SELECT is((SELECT string_agg(name, ' ') FROM pg_settings WHERE name LIKE 'taskq.%' AND coalesce(short_desc, '') = ''), NULL, 'each has a description');
SELECT throws_ok('SET taskq.no_such_setting = 1', '42602', NULL, 'the prefix is reserved');

SELECT * FROM finish();
ROLLBACK;
