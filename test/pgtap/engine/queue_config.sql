-- docs/semantics.md: configure_queue, rate limits, pausing, max_started, max_backlog.

\ir ../include/helpers.psql

BEGIN;
SELECT * FROM no_plan();

-- arguments
SELECT throws_ok('SELECT taskq.configure_queue(NULL, ''{}'')', '22004', 'task_queue is not set', 'task queue NULL');
SELECT throws_ok('SELECT taskq.configure_queue('''', ''{}'')', '22023', 'missing task queue name', 'task queue empty');
SELECT throws_ok('SELECT taskq.configure_queue(''q'', NULL)', '22004', 'config is not set', 'config NULL');
SELECT throws_ok(format('SELECT taskq.configure_queue(''q'', %L)', j), '22023', 'config must be a JSON object', 'config ' || j) FROM unnest(ARRAY['null', '[]', '1', '"paused"']) j;
SELECT throws_ok('SELECT taskq.configure_queue(''q'', ''{}'', identity => repeat(''x'', 1001))', '22023', 'identity exceeds length limit', 'identity too long');
SELECT throws_ok(format('SELECT taskq.configure_queue(''refused'', %L)', config), '22023', message, config)
FROM (VALUES
  ('{"queueRateLimit": 1}', 'unrecognized queue setting "queueRateLimit"'),
  ('{"": 1}', 'unrecognized queue setting ""'),
  ('{"queue_rate_limit": -1}', 'invalid value for queue setting "queue_rate_limit"'),
  ('{"queue_rate_limit": "1"}', 'invalid value for queue setting "queue_rate_limit"'),
  ('{"queue_rate_limit": true}', 'invalid value for queue setting "queue_rate_limit"'),
  ('{"queue_rate_limit": 1e400}', 'invalid value for queue setting "queue_rate_limit"'),
  ('{"fairness_key_rate_limit": -0.1}', 'invalid value for queue setting "fairness_key_rate_limit"'),
  ('{"fairness_key_rate_limit": []}', 'invalid value for queue setting "fairness_key_rate_limit"'),
  ('{"fairness_weights": []}', 'invalid value for queue setting "fairness_weights"'),
  ('{"fairness_weights": 1}', 'invalid value for queue setting "fairness_weights"'),
  ('{"fairness_weights": {"a": "1"}}', 'invalid value for queue setting "fairness_weights"'),
  ('{"fairness_weights": {"a": -1}}', 'invalid value for queue setting "fairness_weights"'),
  ('{"fairness_weights": {"a": 0}}', 'invalid value for queue setting "fairness_weights"'),
  ('{"fairness_weights": {"a": {}}}', 'invalid value for queue setting "fairness_weights"'),
  ('{"fairness_weights": {"": 1}}', 'invalid fairness key in queue setting "fairness_weights"'),
  ('{"paused": 1}', 'invalid value for queue setting "paused"'),
  ('{"paused": "true"}', 'invalid value for queue setting "paused"'),
  ('{"max_started": -1}', 'invalid value for queue setting "max_started"'),
  ('{"max_started": 1.5}', 'invalid value for queue setting "max_started"'),
  ('{"max_started": 1e10}', 'invalid value for queue setting "max_started"'),
  ('{"max_backlog": -1}', 'invalid value for queue setting "max_backlog"'),
  ('{"max_backlog": "1"}', 'invalid value for queue setting "max_backlog"'),
  ('{"retention": 1}', 'invalid value for queue setting "retention"'),
  ('{"retention": "soon"}', 'invalid retention: "soon" is not an interval'),
  ('{"retention": "-1 s"}', 'invalid retention: must not be negative'),
  ('{"retention": "1 mon"}', 'invalid retention: must not contain months, whose length varies'),
  ('{"paused": true, "max_started": -1}', 'invalid value for queue setting "max_started"')) v (config, message);
SELECT throws_ok(format('SELECT taskq.configure_queue(''refused'', %L)', jsonb_build_object('fairness_weights', jsonb_build_object(repeat('x', 65), 1))), '22023',
  'invalid fairness key in queue setting "fairness_weights"', 'a fairness key of 65 bytes');
SELECT throws_ok(format('SELECT taskq.configure_queue(''refused'', %L)', jsonb_build_object('fairness_weights', (SELECT jsonb_object_agg(i, 1) FROM generate_series(1, 1001) i))),
  '22023', 'too many fairness weights', '1001 fairness weights');
SELECT is_empty('SELECT * FROM taskq.task_queues WHERE task_queue = ''refused''', 'what is refused changes nothing');

-- keys: absent keeps, null unsets, weights merge
SELECT is(taskq.configure_queue('c', '{"queue_rate_limit": 5, "fairness_weights": {"a": 2, "b": 3}, "retention": "1 day"}', 'because', 'me'),
  '{"queue_rate_limit": 5, "fairness_weights": {"a": 2, "b": 3}, "retention": "1 day"}', 'configure_queue returns the effective config');
SELECT is(taskq.configure_queue('c', '{"paused": true, "fairness_weights": {"b": null, "c": 4}}'),
  '{"queue_rate_limit": 5, "fairness_weights": {"a": 2, "c": 4}, "retention": "1 day", "paused": true}', 'absent keeps; weights merge, a null weight removes one');
SELECT is(taskq.configure_queue('c', '{"fairness_weights": null, "paused": false}'), '{"queue_rate_limit": 5, "retention": "1 day", "paused": false}',
  'null for the whole removes all');
SELECT is(taskq.configure_queue('c', '{"queue_rate_limit": null, "retention": null, "max_started": null}'), '{"paused": false}', 'null unsets');
SELECT is(taskq.configure_queue('c', '{}'), '{"paused": false}', '{} changes nothing');
SELECT is(taskq.configure_queue('other', '{"fairness_key_rate_limit": 0.5, "max_started": 0, "max_backlog": 2147483647, "queue_rate_limit": 0}'),
  '{"fairness_key_rate_limit": 0.5, "max_started": 0, "max_backlog": 2147483647, "queue_rate_limit": 0}', 'each queue has its own');
SELECT taskq.configure_queue('c', '{"max_backlog": 3}', 'because', 'me') \g /dev/null
SELECT is((SELECT (config, config_reason, config_update_identity, paused)::text FROM taskq.task_queues WHERE task_queue = 'c'),
  '("{""paused"": false, ""max_backlog"": 3}",because,me,f)', 'task_queues shows the config, reason and identity');
SELECT ok((SELECT config_update_time BETWEEN now() AND clock_timestamp() FROM taskq.task_queues WHERE task_queue = 'c'), '... and when');

-- pausing (7.7)
SELECT new('p'), new('p', 'p') \g /dev/null
SELECT taskq.configure_queue('p', '{"paused": true}') \g /dev/null
SELECT is(take('p'), NULL, 'paused: nothing is handed out');
SELECT new('p') \g /dev/null
SELECT is((SELECT count(*) FROM taskq.activities WHERE task_queue = 'p' AND run_state = 'scheduled'), 3, 'paused: tasks still accumulate');
SELECT lives_ok('SELECT taskq.complete_by_id(''p'')', 'paused: completing goes on');
SELECT taskq.configure_queue('p', '{"paused": false}') \g /dev/null
SELECT is((SELECT count(*) FROM taskq.poll('p', max_tasks => 9)), 2, 'not paused any more: all of them');

-- rate limits: the burst is one second's worth, at least one task
CREATE FUNCTION put(queue text, n int, key text = NULL, priority int = NULL) RETURNS void
LANGUAGE sql AS $$
  SELECT count(*) FROM generate_series(1, n) i, taskq.schedule(queue, i::text, start_to_close_timeout => '1 day', fairness_key => key, priority => priority)
$$;
CREATE FUNCTION polled(queue text, rate float8 = NULL, n int = 100) RETURNS bigint
LANGUAGE sql AS $$ SELECT count(*) FROM taskq.poll(queue, max_tasks => n, max_tasks_per_second => rate) $$;
SELECT put('r5', 25), taskq.configure_queue('r5', '{"queue_rate_limit": 5}') \g /dev/null
SELECT is(polled('r5', 50), 5, '25 tasks at 5/s: the first 5 at once, although the worker asked for 50/s');
SELECT put('r001', 9), taskq.configure_queue('r001', '{"queue_rate_limit": 0.001}') \g /dev/null
SELECT is(polled('r001'), 1, 'one per 1000 s: one at once');
SELECT is(polled('r001'), 0, '... not one more');
SELECT set_clock('999 s');
SELECT is(polled('r001'), 0, '... not before 1000 s');
SELECT set_clock('1100 s');
SELECT is(polled('r001'), 1, '... one after 1000 s');
SELECT set_clock('10000 s');
SELECT is(polled('r001'), 1, '... and no more than the burst after a long time');
SELECT is(polled('r001'), 0, '... not one more');
SELECT set_clock('0');
SELECT put('r0', 3), taskq.configure_queue('r0', '{"queue_rate_limit": 0}') \g /dev/null
SELECT is(polled('r0'), 0, '0 stops dispatch, also the burst');
SELECT taskq.configure_queue('r0', '{"queue_rate_limit": 100}') \g /dev/null
SELECT is(polled('r0'), 3, '... from 0 upwards takes effect at once');

-- only what is handed out consumes tokens; a rollback gives them back
SELECT taskq.configure_queue('empty', '{"queue_rate_limit": 0.001}') \g /dev/null
SELECT is(polled('empty'), 0, 'a poll that finds nothing');
SELECT put('empty', 3) \g /dev/null
SELECT is(polled('empty'), 1, '... takes no token');
SELECT put('undo', 3), taskq.configure_queue('undo', '{"queue_rate_limit": 0.001}') \g /dev/null
SAVEPOINT s;
SELECT is(polled('undo'), 1, 'a poll ...');
ROLLBACK TO s;
SELECT is(polled('undo'), 1, '... that is rolled back gives its token back');

-- the rate that a worker asks for: last poll wins, a poll without one removes it
SELECT put('w', 9) \g /dev/null
SELECT is(polled('w', 0.001), 1, 'worker rate: one at once');
SELECT is(polled('w', 0.001), 0, '... not one more');
SELECT is((SELECT (rate_limit, rate_limit_source)::text FROM taskq.task_queues WHERE task_queue = 'w'), '(0.001,worker)', '... task_queues shows it');
SELECT is(polled('w', n => 2), 2, '... a poll without a rate removes it');
SELECT is((SELECT (rate_limit, rate_limit_source)::text FROM taskq.task_queues WHERE task_queue = 'w'), '(,)', '... no limit is NULL');
SELECT taskq.configure_queue('w', '{"queue_rate_limit": 1000}') \g /dev/null
SELECT is(polled('w', 0.001, 3), 3, 'the queue''s own rate overrides it, also upwards');
SELECT is((SELECT (rate_limit, rate_limit_source)::text FROM taskq.task_queues WHERE task_queue = 'w'), '(1000,api)', '... task_queues shows it');

-- the rate of a fairness key
SELECT put('k', 5, 'a'), put('k', 5, 'b'), taskq.configure_queue('k', '{"fairness_key_rate_limit": 0.001, "fairness_weights": {"c": 3000}}') \g /dev/null
SELECT is(polled('k'), 2, 'fairness_key_rate_limit: one of each key at once');
SELECT is(polled('k'), 0, '... not one more');
SELECT put('k', 2, 'd') \g /dev/null
SELECT is(polled('k'), 1, '... a key at its limit never holds others back');
SELECT put('k', 2, 'a', 1), put('k', 2, 'e', 5) \g /dev/null
SELECT is((SELECT string_agg(fairness_key || priority, ' ') FROM taskq.poll('k', max_tasks => 9)), 'e5', '... on any level; the key''s limit counts on all of them');
SELECT put('k0', 3, 'a'), taskq.configure_queue('k0', '{"fairness_key_rate_limit": 0}') \g /dev/null
SELECT is(polled('k0'), 0, 'fairness_key_rate_limit 0 stops all');

-- max_backlog: TQ004
SELECT taskq.configure_queue('b', '{"max_backlog": 3}') \g /dev/null
SELECT put('b', 3) \g /dev/null
SELECT throws_ok('SELECT t.new(''b'')', 'TQ004', NULL, 'max_backlog: schedule raises beyond it');
SELECT throws_ok('SELECT taskq.schedule_many(''b'', ''test'', ''{1}'', start_to_close_timeout => ''1 s'')', 'TQ004', NULL, 'max_backlog: so does schedule_many');
SELECT isnt(take('b'), NULL, 'max_backlog: when one is taken ...');
SELECT lives_ok('SELECT t.new(''b'')', '... another fits');
SELECT throws_ok('SELECT t.new(''b'')', 'TQ004', NULL, '... not two');
SELECT taskq.configure_queue('b2', '{"max_backlog": 3}') \g /dev/null
SELECT throws_ok('SELECT taskq.schedule_many(''b2'', ''test'', ''{1,2,3,4}'', start_to_close_timeout => ''1 s'')', 'TQ004', NULL, 'schedule_many: more than fit');
SELECT lives_ok('SELECT taskq.schedule_many(''b2'', ''test'', ''{1,2,3}'', start_to_close_timeout => ''1 s'')', 'schedule_many: as many as fit');
SELECT taskq.configure_queue('b2', '{"max_backlog": 0}') \g /dev/null
SELECT lives_ok('SELECT t.new(''b2'')', 'max_backlog 0 is no limit');
SELECT taskq.configure_queue('b3', '{"max_backlog": 1}') \g /dev/null
SELECT lives_ok('SELECT t.new(''b3'', delay => ''1 h''), t.new(''b3'', delay => ''1 h''), t.new(''b3'', ''b3'')', 'max_backlog: delayed ones do not count');
SELECT taskq.pause('b3');
SELECT lives_ok('SELECT t.new(''b3'')', 'max_backlog: nor do paused ones');
SELECT throws_ok('SELECT t.new(''b3'')', 'TQ004', 'backlog limit of task queue "b3" reached', '... the message');

-- retention: decided at the close
SELECT taskq.configure_queue('ret', '{"retention": "0"}') \g /dev/null
SELECT new('ret', 'ret') AS run \gset
SELECT taskq.complete(take('ret'));
SELECT throws_ok(format('SELECT taskq.outcome(%s)', :run), 'TQ001', NULL, 'retention 0: outcome knows nothing');
SELECT throws_ok('SELECT taskq.describe(''ret'')', 'TQ001', NULL, '... nor does describe');
SELECT lives_ok('SELECT taskq.schedule(''ret'', ''test'', activity_id => ''ret'', start_to_close_timeout => ''1 h'', id_reuse_policy => ''reject_duplicate'')', '... nor the id policies');
SELECT taskq.configure_queue('ret2', '{"retention": "1 h"}') \g /dev/null
SELECT new('ret2', 'ret2') AS run \gset
SELECT taskq.complete(take('ret2'));
SELECT taskq.configure_queue('ret2', '{"retention": "1 day"}') \g /dev/null
SELECT set_clock('59 min');
SELECT is((SELECT status FROM taskq.describe('ret2')), 'completed', 'retention 1 h: kept until then');
SELECT set_clock('61 min');
SELECT throws_ok('SELECT taskq.describe(''ret2'')', 'TQ001', NULL, '... and not longer, whatever it is later');
SELECT set_clock('0');

-- the later one of two runs is kept for less time: after it the earlier one is the latest that there is
SELECT taskq.configure_queue('less', '{"retention": "1 h"}') \g /dev/null
SELECT new('more', 'less') AS run \gset
SELECT taskq.complete_by_id('less');
SELECT new('less', 'less');
SELECT taskq.complete_by_id('less');
SELECT set_clock('61 min');
SELECT is((SELECT run_id FROM taskq.describe('less')), :run, 'what is kept for longer is found: describe');
SELECT throws_ok('SELECT taskq.pause(''less'')', 'TQ003', NULL, '... control operations');
SELECT throws_ok('SELECT taskq.schedule(''more'', ''test'', activity_id => ''less'', start_to_close_timeout => ''1 h'', id_reuse_policy => ''reject_duplicate'')', 'TQ002', NULL, '... id policies');
SELECT taskq.delete('less');
SELECT throws_ok(format('SELECT taskq.outcome(%s)', :run), 'TQ001', NULL, '... and delete');
SELECT is_empty('SELECT * FROM taskq.activities WHERE activity_id = ''ret2''', '... nor in the view');
SELECT set_clock('0');
SELECT taskq.configure_queue('ret3', '{"retention": "30 days"}') \g /dev/null
SELECT new('ret3', 'ret3') AS run \gset
SELECT taskq.complete(take('ret3'));
SELECT set_clock('29 days');
SELECT is((SELECT status FROM taskq.describe('ret3')), 'completed', 'retention longer than the default');
SELECT set_clock('31 days');
SELECT throws_ok('SELECT taskq.describe(''ret3'')', 'TQ001', NULL, '... is over then');
SELECT set_clock('0');

SELECT * FROM finish();
ROLLBACK;
DROP SCHEMA t CASCADE;
