-- docs/internals.md: every index of taskq's tables is kept up to date, an administrator's included,
-- whenever it is created or dropped.

BEGIN;
\ir ../include/helpers.psql
SELECT * FROM no_plan();

-- the session knows the tables before they get more indexes
SELECT new('q') AS run \gset
SELECT taskq.complete(take('q'));

CREATE INDEX own_plain ON taskq.open (summary);
CREATE INDEX own_partial ON taskq.open (run_id) WHERE priority = 7 AND length(task_queue) > 1;
CREATE INDEX own_expression ON taskq.open (upper(activity_type));
CREATE INDEX own_gin ON taskq.open USING gin (input);
CREATE INDEX own_state ON taskq.open (state, run_id);	-- starts are no heap-only updates any more
CREATE INDEX own_hash ON taskq.closed_0 USING hash (task_queue);
CREATE INDEX own_closed ON taskq.closed_0 (attempt) WHERE status = 'completed';

SELECT run_id AS first FROM taskq.schedule('own', 'type a', '{"k": 1}', priority => 7, summary => 's1', start_to_close_timeout => '1 h') \gset
SELECT count(*) FROM taskq.schedule_many('own', 'type b', array_fill('{"k": 2}'::jsonb, ARRAY[300]), priority => 7, summary => 's2',
  start_to_close_timeout => '1 h');
SELECT count(*) FROM taskq.schedule_many('own', 'type c', ARRAY['{"k": 3}', '{"k": 4}']::jsonb[], ARRAY['c1', NULL], summary => 's3',
  start_to_close_timeout => '1 h');

SET LOCAL enable_seqscan = off;
SELECT is(count(*), 1::bigint, 'plain') FROM taskq.open WHERE summary = 's1';
SELECT is(count(*), 300::bigint, 'plain, many') FROM taskq.open WHERE summary = 's2';
SELECT is(count(*), 2::bigint, 'plain, many with ids') FROM taskq.open WHERE summary = 's3';
SELECT is(count(*), 301::bigint, 'partial') FROM taskq.open WHERE run_id >= :first AND priority = 7 AND length(task_queue) > 1;
SELECT is(count(*), 300::bigint, 'expression') FROM taskq.open WHERE upper(activity_type) = 'TYPE B';
SELECT is(count(*), 300::bigint, 'gin') FROM taskq.open WHERE input @> '{"k": 2}';
SELECT is(count(*), 0::bigint, 'no attempt yet') FROM taskq.open WHERE state = 2 AND run_id >= :first;

CREATE TEMP TABLE polled AS SELECT task_token FROM taskq.poll('own', max_tasks => 302);
SELECT is(count(*), 302::bigint, 'an update that is not heap-only') FROM taskq.open WHERE state = 2 AND run_id >= :first;
SELECT is(count(*), 300::bigint, 'gin after it') FROM taskq.open WHERE input @> '{"k": 2}';
SELECT is(count(*) FILTER (WHERE ok), 302::bigint, 'completed') FROM taskq.complete_many((SELECT array_agg(task_token) FROM polled));
SELECT is(count(*), 302::bigint, 'hash index of a leaf') FROM taskq.closed_0 WHERE task_queue = 'own';
SELECT is(count(*), 302::bigint, 'partial index of a leaf') FROM taskq.closed_0 WHERE attempt = 1 AND status = 'completed' AND task_queue || '' = 'own';

-- and dropped again
DROP INDEX taskq.own_gin, taskq.own_state, taskq.own_expression;
SELECT lives_ok($$ SELECT taskq.schedule('own', 'type d', '{"k": 5}', start_to_close_timeout => '1 h') $$, 'indexes are gone');
REINDEX TABLE taskq.open;
SELECT run_id AS last FROM taskq.schedule('own', 'type e', summary => 's5', start_to_close_timeout => '1 h') \gset
SELECT is(count(*), 1::bigint, 'after REINDEX') FROM taskq.open WHERE summary = 's5';
SELECT is((SELECT run_id FROM taskq.open WHERE run_id = :last), :last, 'after REINDEX: the primary key');

SELECT * FROM finish();
ROLLBACK;
