-- The order in which one poll hands out: priority, then pass (virtual time of
-- the fairness key plus max(1, 1000 / weight)), then dispatch time, then run_id.

BEGIN;
\ir ../include/helpers.psql
SELECT * FROM no_plan();

-- one task, named by its summary
CREATE FUNCTION add(queue text, name text, key text = NULL, weight float8 = NULL, prio int = NULL) RETURNS void
LANGUAGE sql AS $$
  SELECT FROM taskq.schedule(queue, 'test', to_jsonb(name), start_to_close_timeout => '1 h', fairness_key => key,
    fairness_weight => weight, priority => prio)
$$;
CREATE FUNCTION polled(queue text, n int = 100) RETURNS text
LANGUAGE sql AS $$
  SELECT string_agg(p.input #>> '{}', ' ' ORDER BY ord) FROM taskq.poll(queue, 'worker', n)
    WITH ORDINALITY AS p (task_token, run_id, activity_id, activity_type, task_queue, input, header, heartbeat_details, attempt,
      scheduled_time, current_attempt_scheduled_time, started_time, schedule_to_close_timeout, start_to_close_timeout,
      heartbeat_timeout, priority, fairness_key, ord)
$$;

-- without keys: first come, first served
SELECT add('fifo', 'f' || n) FROM generate_series(1, 5) n;
SELECT is(polled('fifo'), 'f1 f2 f3 f4 f5', 'in the order of scheduling');

-- priority first
SELECT add('prio', 'p' || coalesce(p::text, 'n'), NULL, NULL, p) FROM unnest(ARRAY[5, 4, NULL, 3, 2, 1, 9, 0]) p;
SELECT is(polled('prio'), 'p1 p2 pn p3 p0 p4 p5 p9', 'priority: not given and 0 are 3, more than 5 is 5');

-- equal weights: in turn
SELECT add('turn', 'a' || n, 'a') FROM generate_series(1, 4) n;
SELECT add('turn', 'b' || n, 'b') FROM generate_series(1, 4) n;
SELECT is(polled('turn'), 'a1 b1 a2 b2 a3 b3 a4 b4', 'equal weights: in turn, ties by dispatch time');

-- weights 1, 2, 4: strides 1000, 500, 250
SELECT add('weight', 'a' || n, 'a', 1) FROM generate_series(1, 2) n;
SELECT add('weight', 'b' || n, 'b', 2) FROM generate_series(1, 4) n;
SELECT add('weight', 'c' || n, 'c', 4) FROM generate_series(1, 8) n;
SELECT is(polled('weight'), 'c1 b1 c2 c3 a1 b2 c4 c5 b3 c6 c7 a2 b4 c8', 'weights, ties by dispatch time');

-- the same, poll by poll
SELECT add('step', 'a' || n, 'a', 1) FROM generate_series(1, 2) n;
SELECT add('step', 'b' || n, 'b', 2) FROM generate_series(1, 4) n;
SELECT add('step', 'c' || n, 'c', 4) FROM generate_series(1, 8) n;
SELECT is((SELECT string_agg(polled('step', 1), ' ') FROM generate_series(1, 12)),
  'c1 b1 c2 c3 a1 b2 c4 c5 b3 c6 c7 a2', 'one poll or many: the same');

-- weights end at 0.001 and 1000; the stride is at least 1
SELECT add('end', 'a' || n, 'a', 1e9) FROM generate_series(1, 3) n;
SELECT add('end', 'b' || n, 'b', 1000) FROM generate_series(1, 3) n;
SELECT add('end', 'c' || n, 'c', 1e-9) FROM generate_series(1, 1) n;
SELECT is(polled('end'), 'a1 b1 a2 b2 a3 b3 c1', 'weights are clamped');

-- the queue's weights override
SELECT add('over', 'a' || n, 'a', 100) FROM generate_series(1, 3) n;
SELECT add('over', 'b' || n, 'b', 1) FROM generate_series(1, 3) n;
SELECT taskq.configure_queue('over', '{"fairness_weights": {"a": 1, "b": 100}}');
SELECT is(polled('over', 4), 'b1 b2 b3 a1', 'weights of the queue override those of tasks');

-- no key is a key
SELECT add('none', 'a' || n, 'a') FROM generate_series(1, 2) n;
SELECT add('none', 'n' || n) FROM generate_series(1, 2) n;
SELECT is(polled('none'), 'a1 n1 a2 n2', 'tasks without a key share one');

-- levels have their own time
SELECT add('level', 'a' || n, 'a', 1, 1) FROM generate_series(1, 2) n;
SELECT add('level', 'b' || n, 'b', 1, 1) FROM generate_series(1, 2) n;
SELECT add('level', 'c' || n, 'a', 1, 2) FROM generate_series(1, 2) n;
SELECT add('level', 'd' || n, 'b', 1, 2) FROM generate_series(1, 2) n;
SELECT is(polled('level'), 'a1 b1 a2 b2 c1 d1 c2 d2', 'priority before fairness');

-- a new key starts at the time of the last dispatch
SELECT add('new', 'a' || n, 'a') FROM generate_series(1, 10) n;
SELECT add('new', 'b' || n, 'b') FROM generate_series(1, 4) n;
SELECT is(polled('new', 8), 'a1 b1 a2 b2 a3 b3 a4 b4', 'two keys');
SELECT add('new', 'c' || n, 'c') FROM generate_series(1, 2) n;
SELECT is(polled('new'), 'a5 c1 a6 c2 a7 a8 a9 a10', 'a third one shares from then on');

-- rolled back
SELECT add('back', 'a' || n, 'a', 2) FROM generate_series(1, 4) n;
SELECT add('back', 'b' || n, 'b', 1) FROM generate_series(1, 4) n;
SAVEPOINT s;
SELECT is(polled('back', 3), 'a1 a2 b1', 'in a savepoint');
ROLLBACK TO s;
SELECT is(polled('back', 3), 'a1 a2 b1', 'the same again after its rollback');
SELECT is(polled('back', 3), 'a3 a4 b2', 'and on');

-- a key at its limit is passed over
SELECT add('limit', 'a' || n, 'a') FROM generate_series(1, 3) n;
SELECT add('limit', 'b' || n, 'b') FROM generate_series(1, 3) n;
SELECT taskq.configure_queue('limit', '{"fairness_key_rate_limit": 0.001, "fairness_weights": {"b": 1000}}');
SELECT is(polled('limit'), 'b1 a1', 'keys at their limits are passed over');

-- validation
SELECT throws_ok($$SELECT add('v', 'x', repeat('k', 65))$$, '22023', NULL, 'a key of 65 bytes');
SELECT lives_ok($$SELECT add('v', 'x', repeat('k', 64))$$, 'a key of 64 bytes');
SELECT throws_ok($$SELECT add('v', 'x', 'k', -1)$$, '22023', NULL, 'a negative weight');
SELECT throws_ok($$SELECT add('v', 'x', 'k', 'NaN')$$, '22023', NULL, 'a weight that is no number');
SELECT throws_ok($$SELECT add('v', 'x', 'k', 'Infinity')$$, '22023', NULL, 'an infinite weight');

SELECT * FROM finish();
ROLLBACK;
