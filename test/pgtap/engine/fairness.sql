-- docs/semantics.md: priority and fairness.  Priorities alone are in engine/queues.sql.

BEGIN;
\ir ../include/helpers.psql
SELECT * FROM no_plan();

-- n tasks of a key
CREATE FUNCTION put(queue text, key text, n int, weight float8 = NULL, priority int = NULL) RETURNS void
LANGUAGE sql AS $$
  SELECT count(*) FROM generate_series(1, n) i, taskq.schedule(queue, 'test', to_jsonb(coalesce(key, '-') || i), start_to_close_timeout => '1 h',
    fairness_key => key, fairness_weight => weight, priority => priority)
$$;
-- the next n tasks, polled one by one; as text, or as counts of keys
CREATE FUNCTION next(queue text, n int) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
  result text[];
BEGIN
  FOR i IN 1..n LOOP
    result := result || (SELECT input #>> '{}' FROM taskq.poll(queue));
  END LOOP;
  RETURN array_to_string(result, ' ');
END
$$;
CREATE FUNCTION counts(tasks text) RETURNS text
LANGUAGE sql AS $$
  SELECT string_agg(key || n, ' ' ORDER BY key) FROM (
    SELECT regexp_replace(task, '\d', '', 'g') AS key, count(*) AS n FROM string_to_table(tasks, ' ') task GROUP BY 1) c
$$;

-- keys of the same weight take turns, one by one or in one poll
SELECT put('equal', 'a', 9), put('equal', 'b', 9), put('equal', 'c', 9) \g /dev/null
SELECT is(next('equal', 9), 'a1 b1 c1 a2 b2 c2 a3 b3 c3', 'equal keys take turns');
SELECT is((SELECT string_agg(input #>> '{}', ' ') FROM taskq.poll('equal', max_tasks => 9)), 'a4 b4 c4 a5 b5 c5 a6 b6 c6', '... in one poll, too');
SELECT put('none', NULL, 3), put('none', 'a', 3), put('none', '', 3) \g /dev/null
SELECT is(counts(next('none', 4)), '-2 a2', 'no key is a key of its own, and the empty one is the same');

-- in proportion to weight
SELECT put('weights', 'a', 40, 2), put('weights', 'b', 40, 1), put('weights', 'c', 40, 0.5) \g /dev/null
SELECT is(counts(next('weights', 35)), 'a20 b10 c5', 'throughput in proportion to weight');
SELECT is(counts(next('weights', 35)), 'a20 b10 c5', '... and again');
SELECT put('small', 'a', 40, 4), put('small', 'b', 40) \g /dev/null
SELECT is(counts(next('small', 25)), 'a20 b5', 'the default weight is 1');
SELECT put('clamp', 'a', 40, 1e-9), put('clamp', 'b', 40, 0.001) \g /dev/null
SELECT is(counts(next('clamp', 20)), 'a10 b10', 'weights below 0.001 count as that');
SELECT put('clamp2', 'a', 40, 1e9), put('clamp2', 'b', 40, 1000) \g /dev/null
SELECT is(counts(next('clamp2', 20)), 'a10 b10', 'weights above 1000 count as that');

-- a new key overtakes a long backlog of another, but gets no more than its share
SELECT put('new', 'a', 100) \g /dev/null
SELECT is(counts(next('new', 50)), 'a50', 'a backlog of one key');
SELECT put('new', 'b', 20) \g /dev/null
SELECT is(counts(next('new', 20)), 'a10 b10', 'a new key shares at once, and does not catch up');

-- an idle key earns no credit
SELECT put('idle', 'a', 100), put('idle', 'b', 5) \g /dev/null
SELECT is(counts(next('idle', 10)), 'a5 b5', 'two keys');
SELECT is(counts(next('idle', 30)), 'a30', '... one is idle');
SELECT put('idle', 'b', 20) \g /dev/null
SELECT is(counts(next('idle', 20)), 'a10 b10', '... and back: equal shares');

-- inside one key FIFO
SELECT put('fifo', 'a', 20), put('fifo', 'b', 20) \g /dev/null
SELECT is((SELECT string_agg(task, ' ' ORDER BY n) FROM string_to_table(next('fifo', 20), ' ') WITH ORDINALITY s (task, n) WHERE task LIKE 'b%'),
  'b1 b2 b3 b4 b5 b6 b7 b8 b9 b10', 'inside one key FIFO');

-- within a priority level only
SELECT put('level', 'a', 3, 1000, 2), put('level', 'b', 3, 0.001, 1) \g /dev/null
SELECT is(next('level', 6), 'b1 b2 b3 a1 a2 a3', 'priority first, fairness within a level');

-- precedence: the queue's weight, then the task's, then 1
SELECT put('override', 'a', 60, 1), put('override', 'b', 60, 1) \g /dev/null
SELECT taskq.configure_queue('override', '{"fairness_weights": {"b": 3}}') \g /dev/null
SELECT is(counts(next('override', 20)), 'a5 b15', 'the queue''s weight overrides the task''s');
SELECT taskq.configure_queue('override', '{"fairness_weights": {"b": null}}') \g /dev/null
SELECT is(counts(next('override', 20)), 'a10 b10', '... until it is removed');

-- without regard to how many of a key run
SELECT put('running', 'a', 50), put('running', 'b', 10) \g /dev/null
SELECT count(*) FROM taskq.poll('running', max_tasks => 20) \g /dev/null
SELECT put('running', 'b', 10) \g /dev/null
SELECT is(counts(next('running', 10)), 'a5 b5', 'running attempts do not count');

-- a rolled-back poll gives virtual time back
SELECT put('rollback', 'a', 20), put('rollback', 'b', 20) \g /dev/null
SELECT next('rollback', 2) \g /dev/null
SAVEPOINT s;
SELECT next('rollback', 3) \g /dev/null
ROLLBACK TO s;
SELECT is(next('rollback', 4), 'a2 b2 a3 b3', 'a rolled-back poll has not happened');

SELECT * FROM finish();
ROLLBACK;
