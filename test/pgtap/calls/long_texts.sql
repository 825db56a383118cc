-- Texts of any length, wherever a call takes one: what it says of them is short.

BEGIN;
\ir ../include/helpers.psql
SELECT * FROM no_plan();
SET client_min_messages = warning;

-- something of that type, as long as can be
CREATE FUNCTION long(type regtype) RETURNS text
LANGUAGE sql AS $$
  SELECT CASE type
    WHEN 'text'::regtype THEN $q$repeat('x', 100000)$q$ WHEN 'text[]'::regtype THEN $q$ARRAY[repeat('x', 100000)]$q$
    WHEN 'jsonb'::regtype THEN $q$jsonb_build_object(repeat('x', 100000), 1)$q$ WHEN 'jsonb[]'::regtype THEN $q$ARRAY[jsonb_build_object(repeat('x', 100000), 1)]$q$
    WHEN 'uuid'::regtype THEN 'gen_random_uuid()' WHEN 'uuid[]'::regtype THEN 'ARRAY[gen_random_uuid()]' WHEN 'bigint[]'::regtype THEN '''{1}'''
    WHEN 'bigint'::regtype THEN '1' WHEN 'int'::regtype THEN '1' WHEN 'interval'::regtype THEN '''1 s''' ELSE 'NULL' END
$$;

-- each text of each function, with what else is required
SELECT ok(length(told(format('SELECT * FROM taskq.%I(%s)', p.proname, c.arguments))) < 1000, format('%s: %s', p.proname, p.proargnames[given]))
FROM pg_proc p, generate_series(1, p.pronargs) given,
  LATERAL (SELECT string_agg(quote_ident(p.proargnames[n]) || ' => ' || long(p.proargtypes[n - 1]), ', ') AS arguments
           FROM generate_series(1, p.pronargs) n WHERE n <= p.pronargs - p.pronargdefaults OR n = given) c
WHERE p.pronamespace = 'taskq'::regnamespace AND p.prokind = 'f' AND long(p.proargtypes[given - 1]) ~ 'repeat'
ORDER BY p.proname, given;

-- and where they are inside of something, or among others
SELECT run_id AS run, workflow_id AS workflow FROM taskq.start_workflow('long-w', 'W', workflow_id => 'w') \gset
SELECT task_token AS token FROM taskq.poll_workflow_task('long-w') \gset
SELECT run_id AS activity FROM taskq.schedule('long-a', 't', start_to_close_timeout => '1 min') \gset
SELECT ok(length(told(said.call)) BETWEEN 1 AND 1000, v.call)
FROM (VALUES
  ('describe($x, $a)'), ('pending_activity(''w'', $x)'), ('describe_workflow($x, $r)'), ('workflow_outcome($x, $r)'), ('terminate_workflow($x)'), ('delete_workflow($x)'),
  ('signal_workflow($x, ''s'')'), ('reset_sticky($x, $r)'), ('request_cancel_workflow_request(jsonb_build_object(''workflowExecution'', jsonb_build_object(''workflowId'', $x)))'),
  ('fail_workflow_task(''$t'', $x)'), ('update_options(run_id => $a, options => jsonb_build_object($x, 1))'),
  ('update_options(run_id => $a, options => jsonb_build_object(''start_to_close_timeout'', $x))'), ('update_options(run_id => $a, options => jsonb_build_object(''start_at'', $x))'),
  ('update_options(run_id => $a, options => jsonb_build_object(''retry_policy'', jsonb_build_object($x, 1)))'),
  ('configure_queue(''long-a'', jsonb_build_object($x, 1))'), ('retry_policy_from_jsonb(jsonb_build_object($x, 1))'), ('retry_policy_from_jsonb(jsonb_build_object(''initial_interval'', $x))'),
  ('complete_workflow_task(''$t'', jsonb_build_array(jsonb_build_object(''commandType'', $x)))')) v (call),
  LATERAL (SELECT 'SELECT taskq.' || replace(replace(replace(replace(v.call, '$x', $q$repeat('x', 100000)$q$), '$r', :'run'), '$a', :'activity'), '$t', :'token') AS call) said;
SELECT is((SELECT length(failed_message) < 1000 FROM taskq.complete_workflow_tasks(ARRAY[jsonb_build_object('task_token', :'token', repeat('x', 100000), 1)])), true, 'a member of a completion');
SELECT is(told(format($$SELECT taskq.fail_workflow_task('%s', repeat('ä', 100))$$, :'token')),
  format('22023 unrecognized cause "%s..." Causes are those of the protocol, such as WORKFLOW_TASK_FAILED_CAUSE_NON_DETERMINISTIC_ERROR.', repeat('ä', 50)), 'what is cut is text');

-- many commands
SELECT is(told(format($$SELECT taskq.complete_workflow_task('%s', jsonb_build_array(taskq.command_complete()) || (SELECT jsonb_agg(taskq.command_record_marker('m')) FROM generate_series(1, %s)))$$, :'token', n)),
  format('22023 invalid command sequence: [CompleteWorkflowExecution%s%s], command CompleteWorkflowExecution must be the last command.', repeat(', RecordMarker', least(n, 19)), CASE WHEN n > 19 THEN ', ...' ELSE '' END),
  format('%s commands after the last', n))
FROM unnest('{1,19,20,40000}'::int[]) n;

SELECT * FROM finish();
ROLLBACK;
