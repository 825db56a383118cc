-- A view of queues that is asked for one looks at no other, and says the same.

BEGIN;
\ir ../include/helpers.psql
SELECT * FROM no_plan();

SELECT new('q' || i % 3 || CASE WHEN i > 6 THEN ' é' ELSE '' END, delay => CASE WHEN i % 2 = 0 THEN interval '1 h' END) FROM generate_series(1, 9) i \g /dev/null
SELECT taskq.configure_queue('set', '{"paused": true}') \g /dev/null
SELECT count(take('q' || i)) FROM generate_series(0, 2) i \g /dev/null

CREATE FUNCTION plan_of(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
  RETURN QUERY EXECUTE 'EXPLAIN (VERBOSE, COSTS off) ' || query;
END $$;

-- the calls in the plan of a query, and what they are given
CREATE FUNCTION calls_of(query text) RETURNS text LANGUAGE sql AS $$
  SELECT string_agg(replace(call, ' COLLATE "POSIX"', ''), ' ' ORDER BY call COLLATE "C")
  FROM plan_of(query) line, substring(line FROM 'Function Call: taskq\.((?:queue_counts|poller_states|queue_statistics)\(.*\))') call
$$;

CREATE VIEW kinds AS SELECT * FROM (VALUES
  ('task_queues', 'poller_states(%1$s) queue_counts(%1$s)'), ('task_queue_priorities', 'poller_states(%1$s) queue_counts(%1$s)'),
  ('pollers', 'poller_states(%1$s)'), ('stat_task_queues', 'queue_statistics(%1$s)')) k(name, calls);

SELECT is(calls_of('SELECT * FROM taskq.' || name), format(calls, 'NULL::text'), name || ': of all queues') FROM kinds;
SELECT is(calls_of(format('SELECT * FROM taskq.%s WHERE %s', name, condition)), format(calls, '''q1''::text'), name || ': of one, ' || condition)
  FROM kinds, unnest(ARRAY['task_queue = ''q1''', '''q1'' = task_queue', 'task_queue = ''q1''::varchar', 'task_queue = ''q1'' AND length(task_queue) > 1',
    'task_queue IN (''q1'')', 'task_queue = ''q1'' COLLATE "POSIX"', 'task_queue = lower(''Q1'')']) condition;
SELECT is(calls_of(format('SELECT * FROM taskq.%s WHERE %s', name, condition)), format(calls, 'NULL::text'), name || ': of several, ' || condition)
  FROM kinds, unnest(ARRAY['task_queue <> ''q1''', 'task_queue = ''q1'' OR task_queue = ''q2''', 'task_queue LIKE ''q%''', 'task_queue = ''q'' || random()',
    'lower(task_queue) = ''q1''', 'task_queue >= ''q1''']) condition;
SELECT is(calls_of(format('SELECT (SELECT count(*) FROM taskq.%s WHERE task_queue = q) FROM unnest(ARRAY[''q1'', ''q2'']) q', name)), format(calls, 'q.q'),
  name || ': of one for each row of another') FROM kinds;
SELECT is(calls_of('SELECT * FROM taskq.queue_counts(''q2'') WHERE task_queue = ''q1'''), 'queue_counts(''q2''::text)', 'who asks for one himself gets that');

-- under this collation other texts are equal
DO $$ BEGIN
  CREATE COLLATION any_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
EXCEPTION WHEN feature_not_supported THEN
  CREATE COLLATION any_case FROM "C";
END $$;
SELECT is((SELECT count(*) FROM taskq.task_queues WHERE task_queue = 'Q1' COLLATE any_case),
  (SELECT count(*) FROM taskq.task_queues q WHERE q.task_queue::text || '' = 'Q1' COLLATE any_case), 'a collation under which other texts are equal');

-- what it says: with a constant, a parameter, a row of another table
CREATE FUNCTION one(queue text) RETURNS SETOF taskq.task_queues LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan AS $$
BEGIN
  RETURN QUERY SELECT * FROM taskq.task_queues WHERE task_queue = queue;
END $$;
CREATE FUNCTION without_age(q taskq.task_queues) RETURNS jsonb LANGUAGE sql AS $$ SELECT to_jsonb(q) - 'backlog_age' $$;

SELECT cmp_ok((SELECT count(*) FROM taskq.task_queues), '>=', 1::bigint, 'there are queues');
SELECT is((SELECT without_age(o) FROM one(q.task_queue) o), without_age(q), 'task_queues: ' || q.task_queue) FROM taskq.task_queues q;
SELECT results_eq(format('SELECT priority, backlog_count FROM taskq.task_queue_priorities WHERE task_queue = %L ORDER BY 1', q.task_queue),
  format('SELECT priority, backlog_count FROM taskq.task_queue_priorities WHERE task_queue || '''' = %L ORDER BY 1', q.task_queue),
  'task_queue_priorities: ' || q.task_queue) FROM taskq.task_queues q;
SELECT is((SELECT to_jsonb(o) FROM taskq.stat_task_queues o WHERE o.task_queue = q.task_queue AND o.kind = q.kind), to_jsonb(q), 'stat_task_queues: ' || q.task_queue)
  FROM taskq.stat_task_queues q;
SELECT is((SELECT count(*) FROM one(name)), 0, 'no such queue: ' || coalesce(left(name, 10), 'NULL'))
  FROM unnest(ARRAY['nobody', '', NULL, repeat('x', 5000), '/_sys/x']) name;

SELECT * FROM finish();
ROLLBACK;
