-- taskq.task_queues, task_queue_priorities, pollers: counts after each step,
-- rates, limits, what is listed.  Counts are what is committed, so this file
-- commits; its queues start with "v85".

\ir ../include/helpers.psql
SELECT * FROM no_plan();

-- counts of a queue: backlog delayed started paused
CREATE FUNCTION counts(queue text) RETURNS text
LANGUAGE sql AS $$
  SELECT concat_ws(' ', backlog_count, delayed_count, started_count, paused_count) FROM taskq.task_queues WHERE task_queue = queue
$$;
CREATE FUNCTION levels(queue text) RETURNS text
LANGUAGE sql AS $$
  SELECT string_agg(backlog_count::text, ' ' ORDER BY priority) FROM taskq.task_queue_priorities WHERE task_queue = queue
$$;

SELECT is(counts('v85 a'), NULL, 'a queue that was never used is not listed');
SELECT new('v85 a', 'v85 1') AS run1 \gset
SELECT is(counts('v85 a'), '1 0 0 0', 'schedule');
SELECT new('v85 a', 'v85 2', delay => '1 h') AS run2 \gset
SELECT is(counts('v85 a'), '1 1 0 0', 'schedule with a start delay');
SELECT take('v85 a') AS token \gset
SELECT is(counts('v85 a'), '0 1 1 0', 'poll');
SELECT taskq.request_cancel('v85 1');
SELECT is(counts('v85 a'), '0 1 1 0', 'cancel requested: it runs');
SELECT taskq.complete(:'token');
SELECT is(counts('v85 a'), '0 1 0 0', 'complete');
SELECT taskq.pause('v85 2');
SELECT is(counts('v85 a'), '0 0 0 1', 'pause');
SELECT taskq.unpause('v85 2');
SELECT is(counts('v85 a'), '0 1 0 0', 'unpause within the delay');
SELECT set_clock('2 h');
SELECT is(counts('v85 a'), '1 0 0 0', 'the delay is over');
SELECT taskq.fail(take('v85 a'), 'x', next_retry_delay => '1 h');
SELECT is(counts('v85 a'), '0 1 0 0', 'fail: back-off');
SELECT set_clock('4 h');
SELECT is(counts('v85 a'), '1 0 0 0', 'the back-off is over');
SELECT take('v85 a') AS token \gset
SELECT taskq.pause('v85 2');
SELECT is(counts('v85 a'), '0 0 1 0', 'pause requested: it runs');
SELECT taskq.fail(:'token', 'x');
SELECT is(counts('v85 a'), '0 0 0 1', 'its end: paused');
SELECT taskq.unpause('v85 2', skip_backoff => true);
SELECT is(counts('v85 a'), '1 0 0 0', 'unpause');
SELECT take('v85 a') AS token \gset
SELECT taskq.update_options('v85 2', options => '{"task_queue": "v85 b"}');
SELECT is(counts('v85 a'), '0 0 1 0', 'moved while it runs: counts for the old queue');
SELECT taskq.fail(:'token', 'x', next_retry_delay => '1 h');
SELECT is(counts('v85 b'), '0 1 0 0', 'then for the new one');
SELECT taskq.terminate('v85 2');
SELECT is(counts('v85 b'), NULL, 'a queue with nothing in it is not listed');
SELECT is(counts('v85 a'), '0 0 0 0', 'one that was polled is');
SELECT set_clock('0');

-- not the own uncommitted changes
SELECT new('v85 own') AS run \gset
BEGIN;
SELECT new('v85 own');
SELECT is(counts('v85 own'), '1 0 0 0', 'an own uncommitted task is not counted');
SELECT is(levels('v85 own'), '0 0 1 0 0', 'nor by priority');
SAVEPOINT s;
SELECT new('v85 own');
SELECT new('v85 unseen');
SELECT take('v85 own') AS token \gset
SELECT is(counts('v85 own'), '1 0 0 0', 'nor an own start in a savepoint');
SELECT is(counts('v85 unseen'), NULL, 'nor a new queue listed');
RELEASE s;
SELECT taskq.complete(:'token');
SELECT is(counts('v85 own'), '1 0 0 0', 'nor an own end');
COMMIT;
SELECT is(counts('v85 own'), '2 0 0 0', 'all of it at the commit');
SELECT taskq.terminate(run_id => run_id) FROM taskq.activities WHERE task_queue LIKE 'v85 %' AND status = 'running';

-- priorities
SELECT run_id FROM unnest(ARRAY[1, 1, 2, NULL, 5, 9]) p,
  taskq.schedule('v85 p', 't', start_to_close_timeout => '1 h', priority => p);
SELECT is(levels('v85 p'), '2 1 1 0 2', 'backlog by priority');
SELECT is((SELECT count(*) FROM taskq.task_queue_priorities WHERE task_queue = 'v85 p'), 5, 'five rows per queue');
SELECT is((SELECT array_agg(DISTINCT backlog_age IS NULL ORDER BY backlog_age IS NULL) FROM taskq.task_queue_priorities
  WHERE task_queue = 'v85 p'), ARRAY[false, true], 'an age where there is a backlog');

-- backlog_age: since the oldest due task's dispatch time
SELECT set_clock('-1 h');
SELECT new('v85 age') AS run \gset
SELECT set_clock('0');
SELECT new('v85 age');
SELECT ok((SELECT backlog_age BETWEEN interval '1 h' AND interval '1 h 1 min' FROM taskq.task_queues WHERE task_queue = 'v85 age'),
  'backlog_age');
SELECT taskq.pause(run_id => :run);
SELECT ok((SELECT backlog_age < interval '1 min' FROM taskq.task_queues WHERE task_queue = 'v85 age'), 'a paused one does not count');
SELECT take('v85 age') AS token \gset
SELECT is((SELECT backlog_age FROM taskq.task_queues WHERE task_queue = 'v85 age'), NULL, 'no backlog, no age');

-- rates: of the last 30 s
SELECT count(*) FROM taskq.schedule_many('v85 rate', 't', array_fill(NULL::jsonb, ARRAY[60]), start_to_close_timeout => '1 h');
SELECT count(*) FROM taskq.poll('v85 rate', max_tasks => 30);
SELECT ok((SELECT tasks_add_rate BETWEEN 1.6 AND 2.0001 AND tasks_dispatch_rate BETWEEN 0.8 AND 1.0001 FROM taskq.task_queues
  WHERE task_queue = 'v85 rate'), 'rates');
BEGIN;
SELECT count(*) FROM taskq.schedule_many('v85 rate', 't', array_fill(NULL::jsonb, ARRAY[600]), start_to_close_timeout => '1 h');
ROLLBACK;
SELECT ok((SELECT tasks_add_rate <= 2.0001 FROM taskq.task_queues WHERE task_queue = 'v85 rate'), 'only what is committed');

-- limits, configuration
SELECT results_eq($$SELECT rate_limit, rate_limit_source, rate_limiting_active, paused, config FROM taskq.task_queues WHERE task_queue = 'v85 rate'$$,
  $$VALUES (NULL::float8, NULL::text, false, false, NULL::jsonb)$$, 'no limit');
SELECT taskq.configure_queue('v85 config', '{"queue_rate_limit": 0.5, "paused": true}', 'why', 'who');
SELECT results_eq($$SELECT backlog_count, rate_limit, rate_limit_source, rate_limiting_active, paused, config_reason, config_update_identity, poller_count
  FROM taskq.task_queues WHERE task_queue = 'v85 config'$$,
  $$VALUES (0::bigint, 0.5::float8, 'api', false, true, 'why', 'who', 0::bigint)$$, 'a queue is listed once it is configured');

-- pollers
SELECT count(*) FROM taskq.poll('v85 poll', 'first', max_tasks_per_second => 2.5);
SELECT count(*) FROM taskq.poll('v85 poll', 'second');
SELECT results_eq($$SELECT identity, rate_per_second, waiting, clock_timestamp() - last_access_time < interval '1 min' FROM taskq.pollers
  WHERE task_queue = 'v85 poll' ORDER BY 1$$,
  $$VALUES ('first', 2.5::float8, false, true), ('second', NULL, false, true)$$, 'pollers');
SELECT is((SELECT poller_count FROM taskq.task_queues WHERE task_queue = 'v85 poll'), 2, 'a queue is listed once it has a poller');
SELECT count(*) FROM taskq.poll('v85 poll', repeat('é', 300));
SELECT is((SELECT identity FROM taskq.pollers WHERE task_queue = 'v85 poll' AND identity LIKE 'é%'), repeat('é', 100),
  'identities are cut to 200 bytes');
SELECT count(*) FROM taskq.poll('v85 poll', 'x' || repeat('é', 300));
SELECT is((SELECT identity FROM taskq.pollers WHERE task_queue = 'v85 poll' AND identity LIKE 'xé%'), 'x' || repeat('é', 99),
  'at a whole character');
SELECT count(*) FROM taskq.poll('v85 default');
SELECT matches((SELECT identity FROM taskq.pollers WHERE task_queue = 'v85 default'),
  '^' || pg_backend_pid() || '@[^/]+/' || current_setting('application_name') || '$', 'the default identity');

-- statistics of this file's queues
SELECT results_eq($$SELECT scheduled, started, completed, failed, retried, canceled, terminated, empty_polls FROM taskq.stat_task_queues
  WHERE task_queue = 'v85 a'$$,
  $$VALUES (2::bigint, 4::bigint, 1::bigint, 0::bigint, 2::bigint, 0::bigint, 0::bigint, 0::bigint)$$, 'stat_task_queues');
SELECT taskq.stat_reset('v85 a');
SELECT is((SELECT scheduled + started + completed + retried FROM taskq.stat_task_queues WHERE task_queue = 'v85 a'), 0, 'stat_reset');
SELECT throws_ok($$BEGIN READ ONLY; SELECT taskq.stat_reset()$$, NULL, 'stat_reset writes');

-- health
SELECT results_eq('SELECT count(*)::int, count(detail)::int FROM taskq.health',
  'SELECT count(DISTINCT check_name)::int, count(*)::int FROM taskq.health', 'health: checks');
SELECT is_empty($$SELECT * FROM taskq.health WHERE status NOT IN ('ok', 'warning', 'critical') OR (status <> 'ok') <> (hint IS NOT NULL)$$,
  'health: a hint where it is not ok');
SELECT is_empty($$SELECT * FROM taskq.health WHERE status = 'critical'$$, 'health: nothing is critical');

SELECT * FROM finish();
SELECT taskq.delete(run_id => run_id) FROM taskq.activities WHERE task_queue LIKE 'v85 %';
DROP SCHEMA t CASCADE;
