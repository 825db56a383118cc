SELECT count(*) FROM taskq.schedule_many('q', 'email.send', array_fill('{"kind": "email.send", "user_id": 48213, "to": "someone@example.com", "template": "welcome-v2", "body": "Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusmod tempor incididunt ut labore et dolor"}'::jsonb, ARRAY[50]), start_to_close_timeout => '30 s');
SELECT coalesce(array_agg(task_token), '{}') AS tokens, string_agg(input::text, '') AS payload
  FROM taskq.poll('q', max_tasks => 50) \gset
SELECT count(*) FROM taskq.complete_many(:tokens);
