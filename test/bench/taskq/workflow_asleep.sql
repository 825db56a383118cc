-- So many runs that sleep until the second after :until, or about.
SELECT count(*) FROM (SELECT taskq.start_workflow('q', 'sleeper') FROM generate_series(1, :each)) AS started;
SELECT count(*)
  FROM taskq.complete_workflow_tasks((
	SELECT coalesce(array_agg(jsonb_build_object('task_token', task_token, 'commands',
		jsonb_build_array(taskq.command_start_timer('1',
			to_timestamp(:until) + random() * interval '1 s' - clock_timestamp())))), '{}')
	  FROM taskq.poll_workflow_task('q', max_tasks => 200)));
