-- A worker that is busy does one task in one transaction with what it tells.  Wants -D got=false.
\if :got
BEGIN;
INSERT INTO effects (input) VALUES (:input);
SELECT task_token IS NOT NULL AS got, task_token, input
  FROM (SELECT) AS one_row LEFT JOIN taskq.complete_and_poll(ARRAY[:task_token]::uuid[], NULL, 'q') ON true \gset
COMMIT;
\else
SELECT task_token IS NOT NULL AS got, task_token, input
  FROM (SELECT) AS one_row LEFT JOIN taskq.poll('q') ON true \gset
\endif
