SELECT task_token IS NOT NULL AS got, task_token, run_id, activity_type, input, attempt
  FROM (SELECT) AS one_row LEFT JOIN taskq.poll('q') ON true \gset
\if :got
SELECT taskq.complete(:task_token);
\endif
