-- A run that is signaled all the time; its worker has it cached.  A task that was
-- taken from it, since too much has come meanwhile, is no error.
SELECT task_token IS NOT NULL AS got, task_token, history
  FROM (SELECT) AS one_row LEFT JOIN taskq.poll_workflow_task('worker', sticky_for => 'q') ON true \gset
\if :got
\else
SELECT task_token IS NOT NULL AS got, task_token, history
  FROM (SELECT) AS one_row LEFT JOIN taskq.poll_workflow_task('q') ON true \gset
\endif
\if :got
SELECT ok FROM taskq.complete_workflow_tasks(ARRAY[jsonb_build_object('task_token', :task_token::text, 'commands', '[]'::jsonb,
	'sticky_task_queue', 'worker', 'sticky_schedule_to_start_timeout', '10 s')]);
\else
\sleep 1 ms
\endif
