-- A run that was woken is done.
SELECT task_token IS NOT NULL AS got, task_token, history
  FROM (SELECT) AS one_row LEFT JOIN taskq.poll_workflow_task('q') ON true \gset
\if :got
SELECT closed FROM taskq.complete_workflow_task(:task_token, '[{"commandType": "COMMAND_TYPE_COMPLETE_WORKFLOW_EXECUTION", "completeWorkflowExecutionCommandAttributes": {"result": {"payloads": [{"metadata": {"encoding": "anNvbi9wbGFpbg=="}, "data": "InNlbnQi"}]}}}]');
\else
\sleep 2 ms
\endif
