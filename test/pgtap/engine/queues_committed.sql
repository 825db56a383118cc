-- docs/reference.md: what counts only once it is committed: max_started, task_queues,
-- pollers, statistics, waiting.

\ir ../include/helpers.psql
SELECT * FROM no_plan();

-- wait_for_task and wait_for_close: arguments
SELECT throws_ok('CALL taskq.wait_for_task(''q'', ''1 s'')', '25001', NULL, 'wait_for_task in a transaction block or function: 25001');
SELECT throws_ok('CALL taskq.wait_for_close(1, ''1 s'')', '25001', NULL, 'wait_for_close: likewise');

-- timeout 0 looks once
SELECT new('wait') AS run \gset
CALL taskq.wait_for_task('wait', '0') \gset
SELECT ok(:'ready'::boolean, 'wait_for_task: a task is due');
CALL taskq.wait_for_task('nothing here', '0') \gset
SELECT ok(NOT :'ready'::boolean, 'wait_for_task: none is');
CALL taskq.wait_for_task('nothing here', '10 ms') \gset
SELECT ok(NOT :'ready'::boolean, 'wait_for_task: none until the time is up');
SELECT taskq.configure_queue('wait', '{"paused": true}') \g /dev/null
CALL taskq.wait_for_task('wait', '0') \gset
SELECT ok(NOT :'ready'::boolean, 'wait_for_task: a paused queue has none');
SELECT taskq.configure_queue('wait', '{"paused": false, "queue_rate_limit": 0}') \g /dev/null
CALL taskq.wait_for_task('wait', '0') \gset
SELECT ok(NOT :'ready'::boolean, 'wait_for_task: rate limits count');
SELECT taskq.configure_queue('wait', '{"queue_rate_limit": null}') \g /dev/null
CALL taskq.wait_for_close(:run, '0') \gset
SELECT is(:'status', 'running'::text, 'wait_for_close: at the timeout the status as it is');
SELECT taskq.pause(run_id => :run);
CALL taskq.wait_for_close(:run, '0') \gset
SELECT is(:'status', 'paused'::text, 'wait_for_close: paused, too');
SELECT taskq.unpause(run_id => :run);
SELECT taskq.complete(take('wait'), '{"a": 1}');
CALL taskq.wait_for_close(:run) \gset
SELECT is(:'status' || :'result', 'completed{"a": 1}'::text, 'wait_for_close: status and result');
SELECT new('wait') AS run2 \gset
SELECT taskq.terminate(run_id => :run2, reason => 'r');
CALL taskq.wait_for_close(:run2) \gset
SELECT is(:'status' || :'failure', 'terminated{"kind": "terminated", "message": "r"}'::text, 'wait_for_close: status and failure');

-- max_started: strict, counts for the queue an attempt was taken from
SELECT taskq.configure_queue('max', '{"max_started": 3}') \g /dev/null
SELECT new('max', 'max' || i) FROM generate_series(1, 6) i \g /dev/null
CREATE TABLE started AS SELECT * FROM taskq.poll('max', max_tasks => 2);
SELECT is((SELECT count(*) FROM started), 2, 'max_started: below it');
INSERT INTO started SELECT * FROM taskq.poll('max', max_tasks => 5);
SELECT is((SELECT count(*) FROM started), 3, 'max_started: no more than that');
SELECT is(take('max'), NULL, 'max_started: reached');
CALL taskq.wait_for_task('max', '0') \gset
SELECT ok(NOT :'ready'::boolean, 'wait_for_task: max_started counts');
BEGIN;
SELECT taskq.complete(task_token) FROM started LIMIT 1 \g /dev/null
ROLLBACK;
SELECT is(take('max'), NULL, 'max_started: a rolled-back completion makes no room');
SELECT taskq.complete(task_token) FROM started WHERE activity_id = 'max1' \g /dev/null
BEGIN;
SELECT isnt(take('max'), NULL, 'max_started: a completion makes room');
ROLLBACK;
SELECT isnt(take('max'), NULL, 'max_started: a rolled-back poll gives it back');
SELECT taskq.update_options('max2', options => '{"task_queue": "elsewhere"}') \g /dev/null
SELECT is(take('max'), NULL, 'max_started: an attempt counts for the queue it was taken from');
SELECT is((SELECT started_count FROM taskq.task_queues WHERE task_queue = 'max'), 3, '... task_queues says so, too');
SELECT taskq.fail_by_id('max2', 'x');
SELECT isnt(take('max'), NULL, 'max_started: ... until it ends');
SELECT taskq.configure_queue('max', '{"max_started": 1}') \g /dev/null
SELECT is((SELECT started_count FROM taskq.task_queues WHERE task_queue = 'max'), 3, 'max_started: lowering it kills nothing');
SELECT taskq.terminate('max3'), taskq.delete('max4') \g /dev/null
SELECT is(take('max'), NULL, 'max_started: still reached');
SELECT taskq.configure_queue('max', '{"max_started": 2}') \g /dev/null
SELECT isnt(take('max'), NULL, 'max_started: terminate and delete made room');
SELECT new('max'), new('max'), taskq.configure_queue('max', '{"max_started": 0}') \g /dev/null
SELECT is((SELECT count(*) FROM taskq.poll('max', max_tasks => 9)), 2, 'max_started: 0 is no limit');

-- task_queues and task_queue_priorities
SELECT new('tq', 'tq' || i) FROM generate_series(1, 5) i \g /dev/null
SELECT new('tq', 'tq delayed', delay => '1 h') \g /dev/null
SELECT taskq.pause('tq1'), taskq.update_options('tq2', options => '{"priority": 1}') \g /dev/null
SELECT take('tq') \g /dev/null
SELECT is((SELECT (backlog_count, delayed_count, started_count, paused_count, paused, poller_count)::text FROM taskq.task_queues WHERE task_queue = 'tq'),
  '(3,1,1,1,f,1)', 'task_queues: backlog, delayed, started, paused');
SELECT ok((SELECT backlog_age > '0' FROM taskq.task_queues WHERE task_queue = 'tq'), 'task_queues: age of the oldest task');
SELECT is((SELECT string_agg(priority || ':' || backlog_count, ' ' ORDER BY priority) FROM taskq.task_queue_priorities WHERE task_queue = 'tq'), '1:0 2:0 3:3 4:0 5:0',
  'task_queue_priorities: one row per level');
SELECT is((SELECT backlog_age FROM taskq.task_queue_priorities WHERE task_queue = 'tq' AND priority = 1), NULL, '... no age where nothing waits');
SELECT taskq.terminate(run_id => run_id) FROM taskq.activities WHERE task_queue = 'tq' AND run_state IS NOT NULL \g /dev/null
SELECT is((SELECT (backlog_count, backlog_age, delayed_count, started_count, paused_count)::text FROM taskq.task_queues WHERE task_queue = 'tq'), '(0,,0,0,0)',
  'task_queues: nothing left; still listed for its poller');
SELECT is_empty('SELECT * FROM taskq.task_queues WHERE task_queue = ''no such queue''', 'task_queues: a queue that nobody uses is not listed');
SELECT taskq.poll('polled only', 'somebody', 1, 7.5) \g /dev/null
SELECT is((SELECT (backlog_count, poller_count, rate_limit, rate_limit_source)::text FROM taskq.task_queues WHERE task_queue = 'polled only'), '(0,1,7.5,worker)',
  'task_queues: a queue with a poller only');

-- pollers
SELECT is((SELECT (task_queue, identity, rate_per_second, waiting)::text FROM taskq.pollers WHERE task_queue = 'polled only'), '("polled only",somebody,7.5,f)', 'pollers');
SELECT ok((SELECT last_access_time BETWEEN now() - interval '1 min' AND clock_timestamp() FROM taskq.pollers WHERE task_queue = 'polled only'), 'pollers: last_access_time');
SELECT taskq.poll('polled only', 'somebody'), taskq.poll('polled only', 'another'), taskq.poll('polled only', repeat('x', 1000)) \g /dev/null
SELECT is((SELECT string_agg(coalesce(rate_per_second::text, '-') || ' ' || length(identity), ', ' ORDER BY length(identity)) FROM taskq.pollers WHERE task_queue = 'polled only'),
  '- 7, - 8, - 200', 'pollers: one row per identity, cut to 200 bytes; a poll without a rate removes it');

-- statistics: what closed how
CREATE FUNCTION stats(queue text) RETURNS text
LANGUAGE sql AS $$
  SELECT string_agg(key || '=' || value, ' ' ORDER BY key) FROM taskq.stat_task_queues s, jsonb_each_text(to_jsonb(s) - '{task_queue,stats_reset,kind}'::text[])
  WHERE task_queue = queue AND key NOT LIKE '%histogram' AND value <> '0'
$$;
SELECT new('st', 'st' || i) FROM generate_series(1, 6) i \g /dev/null
SELECT taskq.complete(take('st')) \g /dev/null
SELECT taskq.fail(take('st'), 'x', non_retryable => true) \g /dev/null
SELECT taskq.heartbeat(take('st')) \g /dev/null
SELECT taskq.fail_by_id('st3', 'x') \g /dev/null
SELECT taskq.request_cancel('st4'), taskq.terminate('st5') \g /dev/null
SELECT take('st'), take('st') \g /dev/null
BEGIN;
SELECT taskq.complete_by_id('st6');
ROLLBACK;
SELECT is(stats('st'), 'canceled=1 completed=1 empty_polls=1 failed=1 heartbeats=1 retried=1 scheduled=6 started=4 terminated=1', 'stat_task_queues');
SELECT is((SELECT (SELECT sum(n) FROM unnest(schedule_to_start_histogram) n) || ' ' || (SELECT sum(n) FROM unnest(execution_histogram) n) FROM taskq.stat_task_queues
  WHERE task_queue = 'st'), '4 3', 'stat_task_queues: histograms of the attempts that started and of those that ended');
SELECT stats_reset FROM taskq.stat_task_queues WHERE task_queue = 'st' \gset
SELECT taskq.stat_reset('st');
SELECT is(stats('st'), NULL, 'stat_reset: zero');
SELECT ok(coalesce((SELECT stats_reset > :'stats_reset' FROM taskq.stat_task_queues WHERE task_queue = 'st'), true), 'stat_reset: a new stats_reset');
SELECT isnt(stats('tq'), NULL, 'stat_reset: of that queue only');

-- health
SELECT is((SELECT string_agg(check_name || ' ' || status, ', ') FROM taskq.health WHERE status = 'critical'), NULL, 'health: nothing is critical');
SELECT is((SELECT status FROM taskq.health WHERE check_name = 'background_worker'), 'ok', 'health: the background worker is alive');
SELECT is((SELECT count(*) FROM taskq.health WHERE status NOT IN ('ok', 'warning', 'critical') OR check_name IS NULL OR detail IS NULL), 0, 'health: each check has a status and a detail');

SELECT * FROM finish();
SELECT taskq.delete(run_id => run_id) FROM taskq.activities WHERE task_queue IN ('wait', 'max', 'elsewhere', 'tq', 'st') \g /dev/null
DROP SCHEMA t CASCADE;
