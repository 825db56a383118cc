-- Limits of a queue as one session sees them; what sessions share is in
-- test/t/engine/rate_limit_shared.pl and engine/max_started_strict.pl.

BEGIN;
\ir ../include/helpers.psql
SELECT * FROM no_plan();

CREATE FUNCTION fill(queue text, n int, key text = NULL) RETURNS bigint
LANGUAGE sql AS $$
  SELECT count(*) FROM taskq.schedule_many(queue, 'test', array_fill(NULL::jsonb, ARRAY[n]),
    start_to_close_timeout => '1 h', fairness_key => key)
$$;
CREATE FUNCTION got(queue text, n int, rate float8 = NULL) RETURNS bigint
LANGUAGE sql AS $$ SELECT count(*) FROM taskq.poll(queue, 'worker', n, rate) $$;

-- docs/semantics.md: 25 tasks at 5/s take at least 4 s, whatever the worker asked for
SELECT fill('five', 25);
SELECT taskq.configure_queue('five', '{"queue_rate_limit": 5}');
SELECT is(got('five', 25, 50), 5, '5/s: five at once');
SELECT set_clock('3.5 s');
SELECT cmp_ok(got('five', 25, 50), '<=', 5::bigint, 'after 3.5 s no more than another burst');
SELECT set_clock('1 h');
SELECT is(got('five', 25, 50), 5, 'a long pause earns one burst');
SELECT set_clock('0');

-- a rate of one fairness key
SELECT fill('keys', 3, 'a'), fill('keys', 3, 'b'), fill('keys', 3);
SELECT taskq.configure_queue('keys', '{"fairness_key_rate_limit": 0.00001, "fairness_weights": {"b": 2000}}');
SELECT set_eq(
  $$SELECT coalesce(fairness_key, '-'), count(*)::int FROM taskq.poll('keys', max_tasks => 20) GROUP BY 1$$,
  $$VALUES ('-', 1), ('a', 1), ('b', 1)$$,
  'each key is limited to rate times weight (weights end at 1000)');
SELECT is(got('keys', 20), 0, 'all keys are at their limit');
SELECT set_clock('200 s');
SELECT results_eq($$SELECT fairness_key, count(*)::int FROM taskq.poll('keys', max_tasks => 20) GROUP BY 1$$,
  $$VALUES ('b', 1)$$, 'the weight counts');
SELECT set_clock('110000 s');
SELECT is(got('keys', 20), 3, 'tokens come back');
SELECT set_clock('0');

-- ... on all levels together
SELECT run_id FROM taskq.schedule('levels', 'test', start_to_close_timeout => '1 h', fairness_key => 'a', priority => 1);
SELECT run_id FROM taskq.schedule('levels', 'test', start_to_close_timeout => '1 h', fairness_key => 'a', priority => 5);
SELECT run_id FROM taskq.schedule('levels', 'test', start_to_close_timeout => '1 h', fairness_key => 'b', priority => 5);
SELECT taskq.configure_queue('levels', '{"fairness_key_rate_limit": 0.001}');
SELECT results_eq($$SELECT fairness_key, priority FROM taskq.poll('levels', max_tasks => 20)$$,
  $$VALUES ('a', 1), ('b', 5)$$, 'a key has one limit on all levels, and holds nobody back on any');

-- 0 stops keys
SELECT fill('zero', 3, 'a');
SELECT taskq.configure_queue('zero', '{"fairness_key_rate_limit": 0}');
SELECT is(got('zero', 3), 0, 'a rate of 0 stops all keys');

-- pause
SELECT fill('paused', 2);
SELECT taskq.configure_queue('paused', '{"paused": true}');
SELECT is(got('paused', 2), 0, 'a paused queue hands out nothing');
SELECT taskq.configure_queue('paused', '{"paused": false}');
SELECT is(got('paused', 2), 2, 'until it goes on');

-- max_started counts what the own transaction started, and what it ended only after the commit
SELECT fill('room', 5);
SELECT taskq.configure_queue('room', '{"max_started": 2}');
SELECT is(got('room', 5), 2, 'max_started');
SELECT is(got('room', 5), 0, 'in one transaction');
SELECT taskq.configure_queue('room', '{"max_started": 3}');
SELECT is(got('room', 5), 1, 'raised');

-- savepoints
SELECT fill('save', 5);
SELECT taskq.configure_queue('save', '{"max_started": 1, "queue_rate_limit": 0.001}');
SAVEPOINT s;
SELECT is(got('save', 5), 1, 'in a savepoint');
ROLLBACK TO s;
SELECT is(got('save', 5), 1, 'rolled back: all comes back');
SELECT is(got('save', 5), 0, 'once');

-- arguments
SELECT throws_ok($$SELECT taskq.poll('q', max_tasks => 0)$$, '22023', NULL, 'max_tasks 0');
SELECT throws_ok($$SELECT taskq.poll('q', max_tasks => NULL)$$, '22004', NULL, 'max_tasks NULL');
SELECT throws_ok($$SELECT taskq.poll('q', max_tasks_per_second => 0)$$, '22023', NULL, 'max_tasks_per_second 0');
SELECT throws_ok($$SELECT taskq.poll('q', max_tasks_per_second => -1)$$, '22023', NULL, 'max_tasks_per_second negative');
SELECT throws_ok($$SELECT taskq.poll('q', max_tasks_per_second => 'NaN')$$, '22023', NULL, 'max_tasks_per_second NaN');
SELECT throws_ok($$SELECT taskq.poll('q', max_tasks_per_second => 'Infinity')$$, '22023', NULL, 'max_tasks_per_second infinite');

-- max_backlog
SELECT taskq.configure_queue('full', '{"max_backlog": 2}');
SELECT lives_ok($$SELECT new('full')$$, 'first');
SELECT lives_ok($$SELECT new('full')$$, 'second');
SELECT throws_ok($$SELECT new('full')$$, 'TQ004', 'backlog limit of task queue "full" reached', 'third');

SELECT * FROM finish();
ROLLBACK;
