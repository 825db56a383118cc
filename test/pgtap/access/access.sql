-- docs/reference.md, "Access": who may do what.

BEGIN;
\ir ../include/helpers.psql
SELECT * FROM no_plan();

CREATE ROLE taskq_nobody;
CREATE ROLE taskq_producer;
CREATE ROLE taskq_worker;
CREATE ROLE taskq_operator;
CREATE ROLE taskq_monitor;
CREATE ROLE taskq_developer;
SELECT taskq.grant_access(('taskq_' || part)::regrole, part) FROM unnest('{producer,worker,operator,monitor,developer}'::text[]) part \g /dev/null

-- the parts, as docs/reference.md has them
CREATE TABLE part (name text, routines text);
INSERT INTO part VALUES
('producer', 'args describe describe_workflow execute node_of outcome payloads retry_policy retry_policy_from_jsonb run_of run_uuid schedule schedule_many signal_with_start_workflow signal_with_start_workflow_request signal_workflow signal_workflow_request start_workflow start_workflow_request to_payloads wait_for_close wait_for_workflow watch workflow_history workflow_outcome workflow_run'),
('developer', 'current_task record_heartbeat register_function unregister_function'),
('worker', 'args channel command_cancel command_cancel_timer command_complete command_continue_as_new command_fail command_fail_with command_modify_properties command_record_marker command_request_cancel_activity command_schedule_activity command_start_timer command_upsert_search_attributes complete complete_and_poll complete_by_id complete_many complete_workflow_task complete_workflow_tasks current_task describe fail fail_by_id fail_many fail_with fail_with_by_id fail_with_many fail_workflow_task heartbeat heartbeat_by_id heartbeat_many listen node_of outcome payloads pending_activity poll poll_many poll_workflow_task record_heartbeat release release_many release_workflow_task report_canceled report_canceled_by_id reset_sticky retry_policy retry_policy_from_jsonb run_of run_uuid signal_workflow signal_workflow_request to_payloads unlisten wait_for_task wait_for_tasks worker_channel worker_gone workflow_history'),
('operator', 'configure_queue delete delete_many delete_workflow describe describe_workflow node_of outcome pause pause_many payloads request_cancel request_cancel_many request_cancel_workflow request_cancel_workflow_request reset reset_many reset_sticky retry retry_many retry_policy run_of run_uuid stat_reset terminate terminate_many terminate_workflow terminate_workflow_request unpause unpause_many update_options update_options_many wait_for_close wait_for_workflow watch workflow_history workflow_outcome workflow_run'),
('monitor', 'describe describe_workflow node_of outcome payloads run_of run_uuid wait_for_close wait_for_workflow workflow_history workflow_outcome workflow_run');
SELECT is((SELECT string_agg(DISTINCT proname::text, ' ' ORDER BY proname::text) FROM pg_proc p WHERE pronamespace = 'taskq'::regnamespace
    AND has_function_privilege('taskq_' || name, p.oid, 'EXECUTE') AND obj_description(p.oid, 'pg_proc') NOT LIKE 'internal: %'),
  routines, name || ': exactly the functions of that part') FROM part;
SELECT is((SELECT string_agg(relname::text, ' ' ORDER BY relname) FROM pg_class c WHERE relnamespace = 'taskq'::regnamespace AND relkind = 'v'
    AND has_table_privilege('taskq_' || name, c.oid, 'SELECT')),
  CASE WHEN name IN ('operator', 'monitor') THEN 'activities health pollers stat_task_queues task_queue_priorities task_queues workflow_events workflow_timers workflows' WHEN name = 'developer' THEN 'functions' END,
  name || ': exactly the views of that part') FROM part;
SELECT is((SELECT count(*) FROM pg_class c, unnest('{SELECT,INSERT,UPDATE,DELETE,TRUNCATE,REFERENCES,TRIGGER}'::text[]) privilege
    WHERE relnamespace = 'taskq'::regnamespace AND relkind = 'r' AND has_table_privilege('taskq_' || name, c.oid, privilege)), 0,
  name || ': tables are never granted') FROM part;
SELECT ok(has_schema_privilege('taskq_' || name, 'taskq', 'USAGE') AND NOT has_schema_privilege('taskq_' || name, 'taskq', 'CREATE'), name || ': may use the schema') FROM part;
SELECT ok(NOT has_schema_privilege('taskq_nobody', 'taskq', 'USAGE'), 'nobody else may');

-- and it works
GRANT USAGE ON SCHEMA t, public TO PUBLIC;
SET LOCAL ROLE taskq_producer;
SELECT run_id AS run FROM taskq.schedule('q', 'test', start_to_close_timeout => '1 h', activity_id => 'a', retry_policy => taskq.retry_policy(maximum_attempts => 5)) \gset
SELECT lives_ok('SELECT * FROM taskq.describe(''a'')', 'producer: describe');
SELECT lives_ok(format('SELECT * FROM taskq.outcome(%s)', :run), 'producer: outcome');
SELECT throws_ok('SELECT * FROM taskq.activities', '42501', NULL, 'producer: not the view');
SELECT throws_ok('SELECT * FROM taskq.poll(''q'')', '42501', NULL, 'producer: not poll');
SELECT throws_ok('SELECT taskq.terminate(''a'')', '42501', NULL, 'producer: not terminate');
SET LOCAL ROLE taskq_worker;
SELECT task_token AS token FROM taskq.poll('q', 'w') \gset
SELECT lives_ok(format('SELECT taskq.heartbeat(%L)', :'token'), 'worker: heartbeat');
SELECT is(taskq.fail(:'token', 'x'), 'in_progress', 'worker: fail');
SELECT lives_ok('SELECT taskq.channel(''q'')', 'worker: channel');
SELECT throws_ok('SELECT taskq.schedule(''q'', ''test'', start_to_close_timeout => ''1 h'')', '42501', NULL, 'worker: not schedule');
SELECT lives_ok('SELECT * FROM taskq.describe(''a'')', 'worker: describe');
SELECT throws_ok('SELECT * FROM taskq.activities', '42501', NULL, 'worker: not the view');
SET LOCAL ROLE taskq_operator;
SELECT lives_ok('SELECT taskq.pause(''a'')', 'operator: pause');
SELECT lives_ok('SELECT taskq.unpause(''a'')', 'operator: unpause');
SELECT lives_ok('SELECT taskq.reset(''a'')', 'operator: reset');
SELECT lives_ok('SELECT taskq.update_options(''a'', options => ''{"priority": 1}'')', 'operator: update_options');
SELECT lives_ok('SELECT taskq.terminate(''a'')', 'operator: terminate');
SELECT lives_ok(format('SELECT taskq.retry(%s)', :run), 'operator: retry');
SELECT lives_ok('SELECT taskq.delete(''a'')', 'operator: delete');
SELECT lives_ok('SELECT taskq.configure_queue(''q'', ''{"paused": false}'')', 'operator: configure_queue');
SELECT lives_ok('SELECT taskq.stat_reset(''q'')', 'operator: stat_reset');
SELECT throws_ok('SELECT taskq.schedule(''q'', ''test'', start_to_close_timeout => ''1 h'')', '42501', NULL, 'operator: not schedule');
SELECT throws_ok('SELECT taskq.set_node(1)', '42501', NULL, 'operator: not set_node');
SELECT throws_ok('SELECT taskq.grant_access(''taskq_nobody'', ''monitor'')', '42501', NULL, 'operator: not grant_access');
SET LOCAL ROLE taskq_monitor;
SELECT lives_ok('SELECT * FROM taskq.' || v, 'monitor: ' || v) FROM unnest('{activities,workflows,workflow_events,workflow_timers,task_queues,task_queue_priorities,pollers,stat_task_queues,health}'::text[]) v;
SELECT throws_ok('SELECT taskq.stat_reset()', '42501', NULL, 'monitor: not stat_reset');
SELECT throws_ok('SELECT taskq.delete(''a'')', '42501', NULL, 'monitor: not delete');
SELECT throws_ok('SELECT * FROM taskq.open', '42501', NULL, 'monitor: not the tables');
SET LOCAL ROLE taskq_nobody;
SELECT throws_ok('SELECT * FROM taskq.health', '42501', NULL, 'nobody: nothing');
SELECT throws_ok('SELECT taskq.poll(''q'')', '42501', NULL, 'nobody: nothing');
RESET ROLE;

-- pg_monitor from the start, never payloads
CREATE ROLE taskq_pg_monitor;
GRANT pg_monitor TO taskq_pg_monitor;
SET LOCAL ROLE taskq_pg_monitor;
SELECT lives_ok('SELECT * FROM taskq.' || v, 'pg_monitor: ' || v) FROM unnest('{task_queues,task_queue_priorities,pollers,stat_task_queues,health}'::text[]) v;
SELECT throws_ok('SELECT * FROM taskq.' || v, '42501', NULL, 'pg_monitor: no payloads: ' || v) FROM unnest('{activities,workflows,workflow_events,workflow_timers}'::text[]) v;
SELECT throws_ok('SELECT * FROM taskq.describe(''a'')', '42501', NULL, 'pg_monitor: no payloads by describe');
SELECT throws_ok('SELECT * FROM taskq.open', '42501', NULL, 'pg_monitor: no tables');
RESET ROLE;

-- revoke_access
SELECT taskq.revoke_access(('taskq_' || name)::regrole, name) FROM part \g /dev/null
SELECT is((SELECT count(*) FROM pg_proc p WHERE pronamespace = 'taskq'::regnamespace AND has_function_privilege('taskq_' || name, p.oid, 'EXECUTE')), 0,
  name || ': revoke_access takes all functions back') FROM part;
SELECT is((SELECT count(*) FROM pg_class c WHERE relnamespace = 'taskq'::regnamespace AND relkind = 'v' AND has_table_privilege('taskq_' || name, c.oid, 'SELECT')), 0,
  name || ': ... all views') FROM part;
SELECT ok(NOT has_schema_privilege('taskq_' || name, 'taskq', 'USAGE'), name || ': ... and the schema') FROM part;
SELECT lives_ok('SELECT taskq.revoke_access(''taskq_nobody'', ''worker'')', 'revoke_access of what was not granted');
SELECT taskq.grant_access('taskq_worker', 'worker'), taskq.grant_access('taskq_worker', 'producer'), taskq.revoke_access('taskq_worker', 'producer') \g /dev/null
SELECT ok(has_function_privilege('taskq_worker', 'taskq.poll(text, text, bigint, float8)', 'EXECUTE') AND has_schema_privilege('taskq_worker', 'taskq', 'USAGE'),
  'revoke_access of one part leaves the other');
CREATE ROLE "Taskq ""odd"" role";
SELECT lives_ok('SELECT taskq.grant_access(''"Taskq ""odd"" role"'', ''producer'')', 'a role with an odd name');
SELECT ok(has_function_privilege('Taskq "odd" role', 'taskq.outcome(bigint)', 'EXECUTE'), '... has been granted it');

-- arguments
SELECT throws_ok('SELECT taskq.grant_access(''taskq_nobody'', ''boss'')', '22023', NULL, 'grant_access: no such part');
SELECT throws_ok('SELECT taskq.grant_access(''taskq_nobody'', NULL)', '22004', NULL, 'grant_access: part NULL');
SELECT throws_ok('SELECT taskq.grant_access(NULL, ''worker'')', '22004', NULL, 'grant_access: role NULL');
SELECT throws_ok(format('SELECT taskq.%s_access(%L, ''worker'')', call, role), '42704', format('role with OID %s does not exist', oid), call || ': no such role: ' || role)
  FROM unnest(ARRAY['grant', 'revoke']) call, (VALUES ('-', 0), ('4294967295', 4294967295)) v (role, oid);
SELECT throws_ok('SELECT taskq.grant_access(''no_such_role'', ''worker'')', '42704', NULL, 'grant_access: no such role');
SELECT throws_ok('SELECT taskq.revoke_access(''taskq_nobody'', ''boss'')', '22023', NULL, 'revoke_access: no such part');
SELECT throws_ok('SELECT taskq.revoke_access(''taskq_nobody'', NULL)', '22004', NULL, 'revoke_access: part NULL');
SELECT throws_ok('SELECT taskq.revoke_access(NULL, ''worker'')', '22004', NULL, 'revoke_access: role NULL');

SELECT * FROM finish();
ROLLBACK;
