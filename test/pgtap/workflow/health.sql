-- docs/reference.md, "health": what it says of workflows.  Counts are what is committed,
-- so this file commits; its queues start with "health".

\ir ../include/helpers.psql
SELECT * FROM no_plan();

-- a check as the calls of this session see it: its status, and what it says
CREATE FUNCTION health(name text) RETURNS text
LANGUAGE sql AS $$ SELECT status || ': ' || detail || CASE WHEN status <> 'ok' AND hint IS NULL THEN ', without a hint' ELSE '' END FROM taskq.health WHERE check_name = name $$;
CREATE FUNCTION start(id text) RETURNS bigint
LANGUAGE sql AS $$ SELECT run_id FROM taskq.start_workflow(id, 'W', workflow_id => id, task_timeout => '120 s') $$;
CREATE FUNCTION task(queue text) RETURNS uuid
LANGUAGE sql AS $$ SELECT task_token FROM taskq.poll_workflow_task(queue, 'worker') $$;

SELECT is((SELECT string_agg(check_name || ' ' || status, ', ' ORDER BY check_name) FROM taskq.health WHERE check_name ~ 'workflow|history'),
  'history_sizes ok, workflow_inboxes ok, workflow_tasks ok, workflow_workers ok', 'all is well');

-- ----------------------------------------------------------------------
-- Tasks that fail again and again
-- ----------------------------------------------------------------------
SELECT start('health-fails') AS run, start('health-fails-more') AS more \gset
SELECT format('SELECT taskq.fail_workflow_task(task(%L), ''WORKFLOW_WORKER_UNHANDLED_FAILURE'')', queue) FROM generate_series(1, 8), unnest('{health-fails,health-fails-more}'::text[]) queue \gexec
SELECT is(health('workflow_tasks'), 'ok: no workflow task fails again and again', 'eight failures');
SELECT taskq.fail_workflow_task(task('health-fails'), 'WORKFLOW_WORKER_UNHANDLED_FAILURE') \g /dev/null
SELECT is(health('workflow_tasks'), format('warning: workflow tasks of 1 run(s) fail again and again, one of them, of run %s, is at attempt 10', :run), 'nine');
SELECT taskq.fail_workflow_task(task('health-fails-more'), 'WORKFLOW_WORKER_UNHANDLED_FAILURE') \g /dev/null
SELECT taskq.fail_workflow_task(task('health-fails-more'), 'WORKFLOW_WORKER_UNHANDLED_FAILURE') \g /dev/null
SELECT task('health-fails-more') AS token \gset
SELECT is(health('workflow_tasks'), format('warning: workflow tasks of 2 run(s) fail again and again, one of them, of run %s, is at attempt 11', :more), 'two, of which one is started: the worst is named');
SELECT failed_cause FROM taskq.complete_workflow_task(:'token', '[]') \g /dev/null
SELECT failed_cause FROM taskq.complete_workflow_task(task('health-fails'), '[]') \g /dev/null
SELECT is(health('workflow_tasks'), 'ok: no workflow task fails again and again', 'mended');

-- ----------------------------------------------------------------------
-- Histories near the limit
-- ----------------------------------------------------------------------
BEGIN;
UPDATE taskq.open SET next_event_id = 40960 WHERE run_id = :run;
SELECT is(health('history_sizes'), 'ok: no history of a running workflow is near the limits', 'less than 80 % of the events');
UPDATE taskq.open SET next_event_id = 40961 WHERE run_id = :run;
SELECT is(health('history_sizes'), format('warning: histories of 1 run(s) are near the limits, one of them, of run %s, at 80 %%', :run), '80 %');
UPDATE taskq.open SET history_size = 49 * 1024 * 1024 WHERE run_id = :more;
SELECT is(health('history_sizes'), format('warning: histories of 2 run(s) are near the limits, one of them, of run %s, at 98 %%', :more), '49 MB');
ROLLBACK;

-- ----------------------------------------------------------------------
-- Mail
-- ----------------------------------------------------------------------
SELECT start('health-mail') AS mail \gset
SELECT task('health-mail') AS token \gset
BEGIN;
SELECT taskq.signal_workflow('health-mail', 'first') \g /dev/null
SELECT set_clock('20 s') \g /dev/null
SELECT taskq.signal_workflow('health-mail', 'second') \g /dev/null
SELECT is(health('workflow_inboxes'), format('ok: an event has waited to be told to run %s for 00:00:20', :mail), 'events that wait for the end of a task');
SELECT set_clock('16 min') \g /dev/null
SELECT is(health('workflow_inboxes'), format('warning: an event has waited to be told to run %s for 00:16:00', :mail), '... for longer than any takes');
SELECT set_clock('0') \g /dev/null
COMMIT;
SELECT failed_cause FROM taskq.complete_workflow_task(:'token', '[]') \g /dev/null
SELECT is(health('workflow_inboxes'), 'ok: no event waits for a workflow', 'told');

-- ----------------------------------------------------------------------
-- Nobody polls
-- ----------------------------------------------------------------------
SELECT start('health-lonely') \g /dev/null
SELECT new('health-lonely activities') \g /dev/null
SELECT is(health('workflow_workers'), 'ok: no workflow task has waited for long where nobody polls', 'a workflow task without workers');
SELECT set_clock('6 min') \g /dev/null
SELECT matches(health('workflow_workers'), '^warning: a workflow task of queue "health-[a-z]*" has waited for 00:0[56]:[0-9]*, and nobody polls there$', '... for six minutes');
SELECT count(task(task_queue)) FROM taskq.task_queues WHERE kind = 'workflow' \g /dev/null
SELECT is(health('workflow_workers'), 'ok: no workflow task has waited for long where nobody polls', 'somebody polls');
SELECT set_clock('0') \g /dev/null

SELECT taskq.delete_workflow(run_id => run_id) FROM taskq.workflows WHERE workflow_id LIKE 'health-%' \g /dev/null
SELECT taskq.delete(run_id => run_id) FROM taskq.activities WHERE task_queue LIKE 'health-%' AND status = 'running' \g /dev/null
SELECT * FROM finish();
DROP SCHEMA t CASCADE;
