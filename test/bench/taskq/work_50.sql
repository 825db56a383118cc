SELECT coalesce(array_agg(task_token), '{}') AS tokens, string_agg(input::text, '') AS payload
  FROM taskq.poll('q', max_tasks => 50) \gset
SELECT count(*) FROM taskq.complete_many(:tokens);
