-- Identities, reasons and names of queues are checked alike by every call that
-- takes them, calls of tomorrow included.

BEGIN;
\ir ../include/helpers.psql
SELECT * FROM no_plan();

-- An argument that is not at fault.
CREATE FUNCTION innocent(argument text, type regtype) RETURNS text
LANGUAGE sql AS $$
SELECT CASE
  WHEN argument = 'config' THEN $c$'{}'$c$
  WHEN argument = 'options' THEN $c$'{"priority": 1}'$c$
  WHEN argument = 'task_queue' THEN $c$'q'$c$
  WHEN argument = 'max_tasks' THEN '1'
  WHEN argument = 'start_to_close_timeout' THEN $c$'1 h'$c$
  WHEN type = 'uuid'::regtype THEN 'gen_random_uuid()'
  WHEN type = 'uuid[]'::regtype THEN 'ARRAY[gen_random_uuid()]'
  WHEN type = 'jsonb[]'::regtype THEN $c$ARRAY['1'::jsonb]$c$
  WHEN type = 'bigint[]'::regtype THEN 'ARRAY[1::bigint]'
  WHEN type = 'bigint'::regtype THEN '1'
  WHEN type = 'text'::regtype THEN $c$'t'$c$
  ELSE 'NULL'
END
$$;

-- A call of each function with an argument of that name, which is "bad".
CREATE FUNCTION calls(argument text, bad text) RETURNS SETOF text
LANGUAGE sql AS $$
SELECT format('SELECT taskq.%I(%s)', p.proname, string_agg(format('%I => %s', a.name,
    CASE WHEN a.name = argument THEN bad ELSE innocent(a.name, a.type) || '::' || a.type END), ', ' ORDER BY a.n))
FROM pg_proc p,
  unnest(p.proargnames[1:p.pronargs], p.proargtypes::regtype[]) WITH ORDINALITY a(name, type, n)
WHERE p.pronamespace = 'taskq'::regnamespace AND p.prokind = 'f'
  AND obj_description(p.oid, 'pg_proc') NOT LIKE 'internal%' AND p.proname <> 'stat_reset'
  AND argument = ANY (p.proargnames[1:p.pronargs])
  AND (a.name = argument OR a.n <= p.pronargs - p.pronargdefaults
    OR a.name = ANY ('{run_id,start_to_close_timeout,options}'))
GROUP BY p.oid, p.proname
$$;

SELECT cmp_ok((SELECT count(*)::int FROM calls('identity', 'NULL')), '>', 20, 'calls take an identity');
SELECT throws_ok(call, '22023', 'identity must not be empty', 'empty: ' || call) FROM calls('identity', $$''$$) call;
SELECT throws_ok(call, '22023', 'identity exceeds length limit', 'too long: ' || call)
  FROM calls('identity', $$repeat('x', 1001)$$) call;

SELECT cmp_ok((SELECT count(*)::int FROM calls('reason', 'NULL')), '>', 4, 'calls take a reason');
SELECT throws_ok(call, '22023', 'reason exceeds length limit', 'too long: ' || call)
  FROM calls('reason', $$repeat('x', 2097153)$$) call;

SELECT throws_ok(call, '22023', 'missing task queue name', 'empty: ' || call) FROM calls('task_queue', $$''$$) call;
SELECT throws_ok(call, '22023', 'task queue name cannot start with reserved prefix /_sys/', 'reserved: ' || call)
  FROM calls('task_queue', $$'/_sys/x'$$) call;
SELECT throws_ok(call, '22023', 'task_queue exceeds length limit', 'too long: ' || call)
  FROM calls('task_queue', $$repeat('x', 1001)$$) call;

SELECT * FROM finish();
ROLLBACK;
