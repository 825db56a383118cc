-- A workflow gives no reason when it cancels an activity: what a worker hands back then is
-- canceled without details.

\ir ../include/helpers.psql
SELECT * FROM no_plan();

SELECT run_id AS run FROM taskq.start_workflow('canceled', 'W', workflow_id => 'canceled activities') \gset
SELECT task_token FROM taskq.poll_workflow_task('canceled', 'decider') \gset
SELECT is((SELECT failed_cause FROM taskq.complete_workflow_task(:'task_token', jsonb_build_array(
  taskq.command_schedule_activity('ask', activity_id => 'a', start_to_close_timeout => '1 h', task_queue => 'canceled')))), NULL, 'an activity');
SELECT task_token AS held FROM taskq.poll('canceled', 'clerk') \gset
SELECT taskq.signal_workflow('canceled activities', 'enough');
SELECT task_token FROM taskq.poll_workflow_task('canceled', 'decider') \gset
SELECT is((SELECT failed_cause FROM taskq.complete_workflow_task(:'task_token', jsonb_build_array(taskq.command_request_cancel_activity(5)))), NULL, 'which is canceled');
SELECT is((SELECT concat_ws(' ', run_state, cancel_reason) FROM taskq.activities WHERE workflow_run_id = :run), 'cancel_requested', 'without a reason');
SELECT taskq.release(:'held');
SELECT is((SELECT attributes - 'identity' FROM taskq.workflow_history(:run) WHERE event_type = 'activity_task_canceled'),
  '{"scheduledEventId": "5", "startedEventId": "11", "latestCancelRequestedEventId": "10"}', '... and its end has no details');
SELECT ok(taskq.replay(:run), 'the run is what its history says');

SELECT taskq.terminate_workflow('canceled activities');
SELECT * FROM finish();
DROP SCHEMA t CASCADE;
