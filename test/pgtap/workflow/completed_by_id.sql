-- An activity of a workflow may be completed by id, whether or not a worker has it.
-- The history has a start of it in any case: of one that nobody had it is by whoever
-- has completed it, and of no poll.

\ir ../include/helpers.psql
SELECT * FROM no_plan();

CREATE FUNCTION started(run bigint) RETURNS SETOF jsonb
LANGUAGE sql AS $$ SELECT attributes FROM taskq.workflow_history(run) WHERE event_type = 'activity_task_started' ORDER BY event_id $$;

SELECT run_id AS run FROM taskq.start_workflow('byid', 'W', workflow_id => 'completed by id') \gset
SELECT task_token FROM taskq.poll_workflow_task('byid', 'decider') \gset
SELECT is((SELECT failed_cause FROM taskq.complete_workflow_task(:'task_token', jsonb_build_array(
  taskq.command_schedule_activity('ask', activity_id => 'a', start_to_close_timeout => '1 h', task_queue => 'byid'),
  taskq.command_schedule_activity('ask', activity_id => 'b', start_to_close_timeout => '1 h', task_queue => 'byid',
    retry_policy => taskq.retry_policy(initial_interval => '1 h'))))), NULL, 'two activities');

-- nobody had it
SELECT taskq.complete_by_id(run_id => taskq.pending_activity('completed by id', 'a'), result => '1', identity => 'phone');
SELECT is((SELECT array_agg(event_id || ' ' || event_type ORDER BY event_id) FROM taskq.workflow_history(:run, after_event_id => 6)),
  ARRAY['7 activity_task_started', '8 activity_task_completed', '9 workflow_task_scheduled'], 'a start, and the end');
SELECT is((SELECT started(:run)), '{"attempt": 1, "identity": "phone", "scheduledEventId": "5"}', 'started by who has completed it, and by no poll');
SELECT is((SELECT attributes ->> 'startedEventId' FROM taskq.workflow_history(:run) WHERE event_id = 8), '7', 'the end is of that start');

-- one that waits for its second attempt: what has failed before stands in its start
SELECT taskq.fail(task_token, 'busy') FROM taskq.poll('byid', 'clerk');
SELECT taskq.complete_by_id(run_id => taskq.pending_activity('completed by id', 'b'), identity => 'phone');
SELECT is((SELECT started ->> 'attempt' FROM started(:run) OFFSET 1), '2', 'of the attempt that it would have been');
SELECT is((SELECT started #>> '{lastFailure,message}' FROM started(:run) OFFSET 1), 'busy', 'with the last failure');
SELECT is((SELECT started ? 'requestId' FROM started(:run) OFFSET 1), false, 'of no poll');
SELECT ok(taskq.replay(:run), 'the run is what its history says');

-- somebody had it: its own start
SELECT task_token FROM taskq.poll_workflow_task('byid', 'decider') \gset
SELECT is((SELECT failed_cause FROM taskq.complete_workflow_task(:'task_token', jsonb_build_array(
  taskq.command_schedule_activity('ask', activity_id => 'c', start_to_close_timeout => '1 h', task_queue => 'byid')))), NULL, 'a third one');
SELECT is((SELECT count(*)::int FROM taskq.poll('byid', 'clerk')), 1, 'which is polled');
SELECT taskq.complete_by_id(run_id => taskq.pending_activity('completed by id', 'c'), identity => 'phone');
SELECT is((SELECT started ->> 'identity' FROM started(:run) OFFSET 2), 'clerk', 'started by its worker');
SELECT is((SELECT started ? 'requestId' FROM started(:run) OFFSET 2), true, 'by a poll');
SELECT ok(taskq.replay(:run), 'the run is what its history says');

SELECT taskq.terminate_workflow('completed by id');
SELECT * FROM finish();
DROP SCHEMA t CASCADE;
