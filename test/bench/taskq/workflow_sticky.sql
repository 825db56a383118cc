-- A workflow with one activity, by a worker that has it cached and polls a queue of its own.
SELECT run_id FROM taskq.start_workflow('q', 'email', '{"kind": "email.send", "user_id": 48213, "to": "someone@example.com", "template": "welcome-v2", "body": "Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusmod tempor incididunt ut labore et dolor"}');
SELECT task_token IS NOT NULL AS got, task_token, history, previous_started_event_id > 0 AS again
  FROM (SELECT) AS one_row LEFT JOIN taskq.poll_workflow_task('q') ON true \gset
\if :got
\if :again
SELECT closed FROM taskq.complete_workflow_task(:task_token, '[{"commandType": "COMMAND_TYPE_COMPLETE_WORKFLOW_EXECUTION", "completeWorkflowExecutionCommandAttributes": {"result": {"payloads": [{"metadata": {"encoding": "anNvbi9wbGFpbg=="}, "data": "InNlbnQi"}]}}}]');
\else
SELECT closed FROM taskq.complete_workflow_task(:task_token, '[{"commandType": "COMMAND_TYPE_SCHEDULE_ACTIVITY_TASK", "scheduleActivityTaskCommandAttributes": {"activityId": "1", "activityType": {"name": "email.send"}, "taskQueue": {"name": "q"}, "input": {"payloads": [{"metadata": {"encoding": "anNvbi9wbGFpbg=="}, "data": "eyJraW5kIjogImVtYWlsLnNlbmQiLCAidXNlcl9pZCI6IDQ4MjEzLCAidG8iOiAic29tZW9uZUBleGFtcGxlLmNvbSIsICJ0ZW1wbGF0ZSI6ICJ3ZWxjb21lLXYyIiwgImJvZHkiOiAiTG9yZW0gaXBzdW0gZG9sb3Igc2l0IGFtZXQsIGNvbnNlY3RldHVyIGFkaXBpc2NpbmcgZWxpdCwgc2VkIGRvIGVpdXNtb2QgdGVtcG9yIGluY2lkaWR1bnQgdXQgbGFib3JlIGV0IGRvbG9yIn0="}]}, "startToCloseTimeout": "30s"}}]', 'worker-' || :client_id, '10 s');
\endif
\endif
SELECT task_token IS NOT NULL AS got, task_token, input
  FROM (SELECT) AS one_row LEFT JOIN taskq.poll('q') ON true \gset
\if :got
SELECT taskq.complete(:task_token, '"sent"');
\endif
SELECT task_token IS NOT NULL AS got, task_token, history, previous_started_event_id > 0 AS again
  FROM (SELECT) AS one_row LEFT JOIN taskq.poll_workflow_task('worker-' || :client_id, sticky_for => 'q') ON true \gset
\if :got
\if :again
SELECT closed FROM taskq.complete_workflow_task(:task_token, '[{"commandType": "COMMAND_TYPE_COMPLETE_WORKFLOW_EXECUTION", "completeWorkflowExecutionCommandAttributes": {"result": {"payloads": [{"metadata": {"encoding": "anNvbi9wbGFpbg=="}, "data": "InNlbnQi"}]}}}]');
\else
SELECT closed FROM taskq.complete_workflow_task(:task_token, '[{"commandType": "COMMAND_TYPE_SCHEDULE_ACTIVITY_TASK", "scheduleActivityTaskCommandAttributes": {"activityId": "1", "activityType": {"name": "email.send"}, "taskQueue": {"name": "q"}, "input": {"payloads": [{"metadata": {"encoding": "anNvbi9wbGFpbg=="}, "data": "eyJraW5kIjogImVtYWlsLnNlbmQiLCAidXNlcl9pZCI6IDQ4MjEzLCAidG8iOiAic29tZW9uZUBleGFtcGxlLmNvbSIsICJ0ZW1wbGF0ZSI6ICJ3ZWxjb21lLXYyIiwgImJvZHkiOiAiTG9yZW0gaXBzdW0gZG9sb3Igc2l0IGFtZXQsIGNvbnNlY3RldHVyIGFkaXBpc2NpbmcgZWxpdCwgc2VkIGRvIGVpdXNtb2QgdGVtcG9yIGluY2lkaWR1bnQgdXQgbGFib3JlIGV0IGRvbG9yIn0="}]}, "startToCloseTimeout": "30s"}}]', 'worker-' || :client_id, '10 s');
\endif
\endif
