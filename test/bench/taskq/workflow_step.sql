-- A signal to one of so many runs, an activity, and the two tasks that these make.  Wants
-- -D n=0 -D runs=...; the runs are w0, w1 and so on, their worker is "worker".
\set n (:n + 1) % :runs
SELECT taskq.signal_workflow('w' || :n, 'go', '{"amount": 5}');
SELECT task_token IS NOT NULL AS got, task_token, history
  FROM (SELECT) AS one_row LEFT JOIN taskq.poll_workflow_task('worker', sticky_for => 'q') ON true \gset
SELECT closed FROM taskq.complete_workflow_task(:task_token, '[{"commandType": "COMMAND_TYPE_SCHEDULE_ACTIVITY_TASK", "scheduleActivityTaskCommandAttributes": {"activityId": "1", "activityType": {"name": "email.send"}, "taskQueue": {"name": "q"}, "input": {"payloads": [{"metadata": {"encoding": "anNvbi9wbGFpbg=="}, "data": "eyJraW5kIjogImVtYWlsLnNlbmQiLCAidXNlcl9pZCI6IDQ4MjEzLCAidG8iOiAic29tZW9uZUBleGFtcGxlLmNvbSIsICJ0ZW1wbGF0ZSI6ICJ3ZWxjb21lLXYyIiwgImJvZHkiOiAiTG9yZW0gaXBzdW0gZG9sb3Igc2l0IGFtZXQsIGNvbnNlY3RldHVyIGFkaXBpc2NpbmcgZWxpdCwgc2VkIGRvIGVpdXNtb2QgdGVtcG9yIGluY2lkaWR1bnQgdXQgbGFib3JlIGV0IGRvbG9yIn0="}]}, "startToCloseTimeout": "30s"}}]', sticky_task_queue => 'worker', sticky_schedule_to_start_timeout => '10 s');
SELECT task_token, input FROM taskq.poll('q') \gset
SELECT taskq.complete(:task_token, '"sent"');
SELECT task_token IS NOT NULL AS got, task_token, history
  FROM (SELECT) AS one_row LEFT JOIN taskq.poll_workflow_task('worker', sticky_for => 'q') ON true \gset
SELECT closed FROM taskq.complete_workflow_task(:task_token, '[]', sticky_task_queue => 'worker', sticky_schedule_to_start_timeout => '10 s');
