-- Activities that the worker of a workflow task asks to get at once: only where a poll
-- would get them without any limit; else they are queued.

BEGIN;
\ir ../include/helpers.psql
SELECT * FROM no_plan();

-- a workflow schedules one, eagerly; what comes back at once
CREATE FUNCTION eager(id text, eager boolean = true) RETURNS jsonb
LANGUAGE sql AS $$
  SELECT taskq.start_workflow('q', 'W', workflow_id => id);
  SELECT (taskq.complete_workflow_task(p.task_token,
    jsonb_build_array(jsonb_set(taskq.command_schedule_activity('A', '{"n": 1}', start_to_close_timeout => '10 s', activity_id => 'a', task_queue => 'aq'),
      '{scheduleActivityTaskCommandAttributes,requestEagerExecution}', to_jsonb(eager))), identity => 'w')).eager_activities
  FROM taskq.poll_workflow_task('q', 'w') p
$$;

SELECT eager('w1') -> 0 AS given \gset
SELECT is(:'given'::jsonb - '{task_token,run_id,scheduled_time,started_time}'::text[],
  '{"activity_id": "a", "activity_type": "A", "task_queue": "aq", "scheduled_event_id": "5", "attempt": 1, "input": {"n": 1}, "start_to_close_timeout": "10s"}',
  'an eager activity comes with the answer');
SELECT is((a.run_state, a.last_worker_identity)::text, '(started,w)', 'it is started, by the worker of the workflow task')
FROM taskq.activities a WHERE run_id = (:'given'::jsonb ->> 'run_id')::bigint;
SELECT is(eager('w2', false), NULL, 'one that nobody asked for does not');
SELECT lives_ok(format('SELECT taskq.complete(%L)', :'given'::jsonb ->> 'task_token'), 'its token is good');
SELECT is((SELECT array_agg(event_type ORDER BY event_id) FROM taskq.workflow_history(taskq.workflow_run('w1')) WHERE event_id > 4),
  '{activity_task_scheduled}', 'inside a transaction the close waits in the inbox');

-- whether or not it is known how many run
SELECT isnt(eager('w3'), NULL, 'another one runs');
SELECT taskq.configure_queue('aq', '{"max_started": 1}') \g /dev/null
SELECT is(eager('w4'), NULL, 'nothing is started at once where max_started has no room');
SELECT taskq.configure_queue('aq', '{"paused": true}') \g /dev/null
SELECT is(eager('w5'), NULL, 'nor from a paused queue');
SELECT taskq.configure_queue('aq', '{"queue_rate_limit": 1000}') \g /dev/null
SELECT is(eager('w6'), NULL, 'nor where a rate limit could be missed');
SELECT is((SELECT count(*) FROM taskq.activities WHERE task_queue = 'aq' AND run_state = 'scheduled'), 4, 'those wait for a poll');

SELECT * FROM finish();
ROLLBACK;
