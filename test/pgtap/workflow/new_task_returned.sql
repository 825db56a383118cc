-- complete_workflow_task(return_new_task => true): the next task comes with the answer only
-- where a poll would get it without any limit; else it waits, and the answer has none.

BEGIN;
\ir ../include/helpers.psql
SELECT * FROM no_plan();

-- a workflow, and the token of its first task
CREATE FUNCTION task(id text) RETURNS uuid
LANGUAGE sql AS $$
  SELECT taskq.start_workflow('q', 'W', workflow_id => id);
  SELECT task_token FROM taskq.poll_workflow_task('q', 'w');
$$;
-- complete it, and ask for the next one: its token
CREATE FUNCTION next(token uuid, sticky text = NULL) RETURNS uuid
LANGUAGE sql AS $$
  SELECT (new_task).task_token FROM taskq.complete_workflow_task(token, '[]', sticky, '10 s', force_new_task => true, return_new_task => true)
$$;
CREATE FUNCTION configure(config jsonb) RETURNS void
LANGUAGE sql AS $$ SELECT taskq.configure_queue('q', config, kind => 'workflow') $$;
CREATE FUNCTION pending(id text) RETURNS text
LANGUAGE sql AS $$ SELECT (pending_task).state FROM taskq.workflows WHERE workflow_id = id $$;
CREATE FUNCTION running() RETURNS bigint
LANGUAGE sql AS $$ SELECT started_count FROM taskq.task_queues WHERE task_queue = 'q' AND kind = 'workflow' $$;

SELECT task('a') AS a \gset
SELECT next(:'a') AS a \gset
SELECT isnt(:'a'::text, '', 'the next task comes with the answer');
SELECT is(pending('a'), 'started', '... and is started');

-- paused
SELECT configure('{"paused": true}') \g /dev/null
SELECT is(next(:'a'), NULL, 'none from a paused queue');
SELECT is(pending('a'), 'scheduled', '... where it waits');
SELECT is((SELECT count(*) FROM taskq.poll_workflow_task('q', 'w')), 0, '... as a poll says, too');
SELECT configure('{"paused": false}') \g /dev/null
SELECT task_token AS a FROM taskq.poll_workflow_task('q', 'w') \gset
SELECT is(pending('a'), 'started', '... until the pause is over');

-- in a batch
SELECT configure('{"paused": true}') \g /dev/null
SELECT is((SELECT (ok, closed, new_task IS NULL)::text FROM taskq.complete_workflow_tasks(ARRAY[jsonb_build_object('task_token', :'a', 'commands', '[]'::jsonb, 'force_new_task', true, 'return_new_task', true)])),
  '(t,f,t)', 'nor in a batch');
SELECT configure('{"paused": false}') \g /dev/null
SELECT task_token AS a FROM taskq.poll_workflow_task('q', 'w') \gset

-- a task in the worker's own queue, which is not configured
SELECT count(*) FROM taskq.poll_workflow_task('own', 'w', sticky_for => 'q') \g /dev/null
SELECT configure('{"paused": true}') \g /dev/null
SELECT isnt(next(:'a', 'own')::text, NULL, 'a paused queue of workflows is nothing to the sticky one of a worker, as in polls');
SELECT taskq.terminate_workflow('a') \g /dev/null

SELECT * FROM finish();
ROLLBACK;
