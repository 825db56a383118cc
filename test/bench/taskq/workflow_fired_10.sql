-- Runs that were woken are done, by the ten.
SELECT count(*) > 0 AS got, array_agg(task_token) AS tokens, string_agg(history::text, '') AS history
  FROM taskq.poll_workflow_task('q', max_tasks => 10) \gset
\if :got
SELECT count(*) FROM taskq.complete_workflow_tasks((
	SELECT array_agg(jsonb_build_object('task_token', token, 'commands', '[{"commandType": "COMMAND_TYPE_COMPLETE_WORKFLOW_EXECUTION", "completeWorkflowExecutionCommandAttributes": {"result": {"payloads": [{"metadata": {"encoding": "anNvbi9wbGFpbg=="}, "data": "InNlbnQi"}]}}}]'::jsonb))
	  FROM unnest(:tokens::uuid[]) AS token));
\else
\sleep 2 ms
\endif
