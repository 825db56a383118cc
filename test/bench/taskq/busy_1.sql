-- Wants -D got=false: a worker that is busy holds a task from one transaction to the next.
SELECT run_id FROM taskq.schedule('q', 'email.send', '{"kind": "email.send", "user_id": 48213, "to": "someone@example.com", "template": "welcome-v2", "body": "Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusmod tempor incididunt ut labore et dolor"}', start_to_close_timeout => '30 s');
\if :got
SELECT task_token IS NOT NULL AS got, task_token, run_id, activity_type, input, attempt
  FROM (SELECT) AS one_row LEFT JOIN taskq.complete_and_poll(ARRAY[:task_token]::uuid[], NULL, 'q') ON true \gset
\else
SELECT task_token IS NOT NULL AS got, task_token, run_id, activity_type, input, attempt
  FROM (SELECT) AS one_row LEFT JOIN taskq.poll('q') ON true \gset
\endif
