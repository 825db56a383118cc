-- docs/semantics.md: queues, polling, order; and the batches of docs/reference.md.

BEGIN;
\ir ../include/helpers.psql
SELECT * FROM no_plan();

-- 7.1: names
SELECT is_empty('SELECT * FROM taskq.poll(''never used'')', '7.1: a poll on a never-used name: no rows');
SELECT new('Case') \g /dev/null
SELECT is(take('case'), NULL, '7.1: names are case-sensitive');
SELECT isnt(take('Case'), NULL, '7.1: ... and exact');
SELECT new('a"b''c\d; --') \g /dev/null
SELECT isnt(take('a"b''c\d; --'), NULL, '7.1: any text is a name');
SELECT new(repeat('ü', 500)) \g /dev/null
SELECT isnt(take(repeat('ü', 500)), NULL, '7.1: 1000 bytes');
SELECT throws_ok('SELECT * FROM taskq.poll(NULL)', '22004', 'task_queue is not set', 'poll: task queue NULL');
SELECT throws_ok('SELECT * FROM taskq.poll('''')', '22023', 'missing task queue name', 'poll: task queue empty');
SELECT throws_ok('SELECT * FROM taskq.poll(repeat(''x'', 1001))', '22023', 'task_queue exceeds length limit', 'poll: task queue too long');
SELECT throws_ok('SELECT * FROM taskq.poll(''/_sys/x'')', '22023', 'task queue name cannot start with reserved prefix /_sys/', 'poll: reserved prefix');

-- 7.2: arguments of poll
SELECT throws_ok(format('SELECT * FROM taskq.poll(''q'', max_tasks => %s)', n), '22023', 'max_tasks must be at least 1', 'poll: max_tasks ' || n)
  FROM unnest('{0,-1,-2147483648}'::text[]) n;
SELECT throws_ok('SELECT * FROM taskq.poll(''q'', max_tasks => NULL)', '22004', 'max_tasks is not set', 'poll: max_tasks NULL');
SELECT throws_ok('SELECT * FROM taskq.poll(''q'', repeat(''x'', 1001))', '22023', 'identity exceeds length limit', 'poll: identity too long');
SELECT throws_ok(format('SELECT * FROM taskq.poll(''q'', max_tasks_per_second => %L)', n), '22023', NULL, 'poll: max_tasks_per_second ' || n)
  FROM unnest('{0,-1,NaN,Infinity,-Infinity}'::text[]) n;
SELECT lives_ok('SELECT * FROM taskq.poll(''q'', max_tasks => 2147483647)', 'poll: the greatest max_tasks');

-- 7.2: identity
SET LOCAL application_name = 'my app';
SELECT new('id') AS run \gset
SELECT count(*) FROM taskq.poll('id') \g /dev/null
SELECT is((SELECT last_worker_identity FROM a(:run)), pg_backend_pid() || '@' || coalesce(host(inet_client_addr()), 'local') || '/my app',
  '7.2: identity defaults to pid@client/application_name');
SELECT new('id') AS run \gset
SELECT count(*) FROM taskq.poll('id', 'me') \g /dev/null
SELECT is((SELECT last_worker_identity FROM a(:run)), 'me', '7.2: or as given');

-- 7.2: what a poll returns
SELECT run_id AS run FROM taskq.schedule('r', 'type', '{"i": 1}', 'id', '1 h', '30 min', '20 min', '1 min', NULL, '10 min', 2, 'key', 3,
  header => '{"h": 1}') \gset
SELECT schedule_time, execution_time FROM a(:run) \gset
SELECT set_clock('10 min');
CREATE TABLE polled AS SELECT * FROM taskq.poll('r', 'me');
SELECT is((SELECT to_jsonb(p) - '{task_token,scheduled_time,current_attempt_scheduled_time,started_time}'::text[] FROM polled p), jsonb_build_object(
  'run_id', :run, 'activity_id', 'id', 'activity_type', 'type', 'task_queue', 'r', 'input', '{"i": 1}'::jsonb, 'header', '{"h": 1}'::jsonb,
  'heartbeat_details', NULL, 'attempt', 1, 'schedule_to_close_timeout', '01:00:00', 'start_to_close_timeout', '00:20:00', 'heartbeat_timeout', '00:01:00',
  'priority', 2, 'fairness_key', 'key'), '7.2: all that was given');
SELECT ok((SELECT scheduled_time = :'schedule_time' AND current_attempt_scheduled_time = :'execution_time' AND started_time >= current_attempt_scheduled_time FROM polled),
  '7.2: scheduled_time, current_attempt_scheduled_time, started_time');
SELECT taskq.fail(task_token, 'x', next_retry_delay => '1 min') FROM polled \g /dev/null
SELECT last_attempt_complete_time + interval '1 min' AS due FROM a(:run) \gset
SELECT set_clock('15 min');
SELECT ok((SELECT scheduled_time = :'schedule_time' AND current_attempt_scheduled_time = :'due' FROM taskq.poll('r')),
  '7.2: scheduled_time never changes, current_attempt_scheduled_time is that of the retry');
SELECT set_clock('0');
SELECT new('r2') \g /dev/null
SELECT is((SELECT to_jsonb(p) - '{task_token,run_id,scheduled_time,current_attempt_scheduled_time,started_time}'::text[] FROM taskq.poll('r2') p),
  '{"activity_id": null, "activity_type": "test", "task_queue": "r2", "input": null, "header": null, "heartbeat_details": null, "attempt": 1,
    "schedule_to_close_timeout": null, "start_to_close_timeout": "01:00:00", "heartbeat_timeout": null, "priority": null, "fairness_key": null}',
  '7.2: what was not given is NULL');

-- 7.2: max_tasks
SELECT new('m') FROM generate_series(1, 5) \g /dev/null
SELECT is((SELECT count(*) FROM taskq.poll('m')), 1, '7.2: one task by default');
SELECT is((SELECT count(*) FROM taskq.poll('m', max_tasks => 3)), 3, '7.2: max_tasks at most');
SELECT is((SELECT count(*) FROM taskq.poll('m', max_tasks => 3)), 1, '7.2: what there is');
SELECT is((SELECT count(*) FROM taskq.poll('m', max_tasks => 3)), 0, '7.2: never the same task twice');
SELECT new('cur') FROM generate_series(1, 5) \g /dev/null
DECLARE c CURSOR FOR SELECT run_id FROM taskq.poll('cur', max_tasks => 5);
FETCH 1 FROM c \g /dev/null
SELECT is((SELECT count(*) FROM taskq.activities WHERE task_queue = 'cur' AND run_state = 'started'), 5, 'a cursor over poll claims all its rows at the first fetch');
CLOSE c;

-- 7.3: order: priority level, then dispatch time, then run_id
CREATE FUNCTION put(queue text, name text, priority int = NULL, delay interval = NULL) RETURNS void
LANGUAGE sql AS $$
  SELECT run_id FROM taskq.schedule(queue, 'test', to_jsonb(name), start_to_close_timeout => '1 h', priority => priority, start_delay => delay)
$$;
CREATE FUNCTION order_of(queue text) RETURNS text
LANGUAGE sql AS $$ SELECT string_agg(input #>> '{}', ' ') FROM taskq.poll(queue, max_tasks => 100) $$;
SELECT put('fifo', i::text) FROM generate_series(1, 12) i \g /dev/null
SELECT is(order_of('fifo'), '1 2 3 4 5 6 7 8 9 10 11 12', '7.3: FIFO');
SELECT put('prio', p::text, p) FROM unnest(ARRAY[5, 3, 1, 4, 2]) p \g /dev/null
SELECT is(order_of('prio'), '1 2 3 4 5', '7.5: lower priority numbers first');
SELECT put('default', '4', 4), put('default', 'none'), put('default', 'zero', 0), put('default', '2', 2), put('default', '3', 3) \g /dev/null
SELECT is(order_of('default'), '2 none zero 3 4', '7.5: no priority, and 0, are 3');
SELECT put('clip', '9', 9), put('clip', '5', 5), put('clip', '2147483647', 2147483647), put('clip', '4', 4) \g /dev/null
SELECT is(order_of('clip'), '4 9 5 2147483647', '7.5: values above 5 are clipped');
SELECT put('delay', 'late', delay => '2 min'), put('delay', 'early', delay => '1 min'), put('delay', 'now') \g /dev/null
SELECT is(order_of('delay'), 'now', '7.3: start delays hold');
SELECT set_clock('1 h');
SELECT is(order_of('delay'), 'early late', '7.3: by dispatch time, not by run_id');
SELECT set_clock('0');
SELECT put('retry', 'a') \g /dev/null
SELECT taskq.fail(take('retry'), 'x');
SELECT set_clock('500 ms');
SELECT put('retry', 'b') \g /dev/null
SELECT set_clock('1 h');
SELECT put('retry', 'c') \g /dev/null
SELECT is(order_of('retry'), 'b a c', '7.3: a retry is in the line where its back-off ends');
SELECT set_clock('0');
SELECT put('mixed', p || '-' || i, p) FROM generate_series(1, 3) i, generate_series(1, 3) p \g /dev/null
SELECT is(order_of('mixed'), '1-1 1-2 1-3 2-1 2-2 2-3 3-1 3-2 3-3', '7.3: priority first, FIFO inside');
SELECT put('one by one', p || '-' || i, p) FROM generate_series(1, 3) i, generate_series(1, 3) p \g /dev/null
SELECT is((SELECT string_agg((SELECT input #>> '{}' FROM taskq.poll('one by one', 'w' || i)), ' ' ORDER BY i) FROM generate_series(1, 9) i),
  '1-1 1-2 1-3 2-1 2-2 2-3 3-1 3-2 3-3', '7.3: the same one by one');
-- what is paused or not due does not stand in the way
SELECT put('skip', i::text) FROM generate_series(1, 4) i \g /dev/null
SELECT taskq.pause(run_id => run_id) FROM taskq.activities WHERE task_queue = 'skip' AND input IN ('"1"', '"3"') \g /dev/null
SELECT is(order_of('skip'), '2 4', '7.3: paused ones are passed over');
SELECT taskq.unpause(run_id => run_id) FROM taskq.activities WHERE task_queue = 'skip' AND status = 'paused' ORDER BY run_id \g /dev/null
SELECT is(order_of('skip'), '1 3', '7.3: ... and come later');

-- batches
CREATE FUNCTION batch(queue text, n int) RETURNS uuid[]
LANGUAGE plpgsql AS $$
BEGIN
  PERFORM new(queue) FROM generate_series(1, n);
  RETURN (SELECT array_agg(task_token) FROM taskq.poll(queue, max_tasks => n));
END
$$;
-- n rows of a batch as text, in order
CREATE FUNCTION rows_of(query text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
  result text;
BEGIN
  EXECUTE format('SELECT string_agg(concat_ws('' '', VARIADIC ARRAY(SELECT coalesce(value, ''-'') FROM jsonb_each_text(to_jsonb(b) - ''task_token'' - ''n'' - ''error'') ORDER BY key)),
    '', '' ORDER BY n) FROM (SELECT *, row_number() OVER () AS n FROM %s) b', query) INTO result;
  RETURN result;
END
$$;

-- complete_many
SELECT batch('cm', 3) AS tokens \gset
SELECT is((SELECT array_agg(task_token ORDER BY n) FROM (SELECT task_token, row_number() OVER () AS n
    FROM taskq.complete_many((:'tokens'::uuid[])[3:3] || (:'tokens'::uuid[])[1:1] || '{00000000-0000-0000-0000-000000000000}'::uuid[] || (:'tokens'::uuid[])[2:2])) x),
  (:'tokens'::uuid[])[3:3] || (:'tokens'::uuid[])[1:1] || '{00000000-0000-0000-0000-000000000000}'::uuid[] || (:'tokens'::uuid[])[2:2],
  'complete_many: one row per token, in the order of input');
SELECT is((SELECT count(*) FROM taskq.activities WHERE task_queue = 'cm' AND status = 'completed' AND result IS NULL), 3, 'complete_many: results NULL is all NULL');
SELECT batch('cm2', 3) AS tokens \gset
SELECT is(rows_of(format('taskq.complete_many(%L, ARRAY[''1'', NULL, ''null'']::jsonb[], ''me'')', :'tokens')), 'true, true, true', 'complete_many: with results');
SELECT is((SELECT string_agg(coalesce(result::text, '-') || last_worker_identity, ' ' ORDER BY run_id) FROM taskq.activities WHERE task_queue = 'cm2'), '1me -me nullme',
  'complete_many: each its own result');
SELECT is(rows_of(format('taskq.complete_many(%L)', :'tokens')), 'false, false, false', 'complete_many: stale tokens never raise');
SELECT batch('cm3', 1) AS tokens \gset
SELECT is(rows_of(format('taskq.complete_many(%L::uuid[] || %L::uuid[])', :'tokens', :'tokens')), 'true, false', 'complete_many: a token given twice is judged in order');

-- fail_many
SELECT batch('fm', 3) AS tokens \gset
SELECT taskq.complete((:'tokens'::uuid[])[2]);
SELECT is(rows_of(format('taskq.fail_many(%L, ''m'', ''T'', identity => ''me'')', :'tokens')), 'true in_progress, false -, true in_progress', 'fail_many: ok and retry_state');
SELECT is((SELECT string_agg(last_failure ->> 'message' || attempt || last_worker_identity, ' ') FROM taskq.activities WHERE task_queue = 'fm' AND status = 'running'), 'm2me m2me',
  'fail_many: the same failure for all');
SELECT batch('fm2', 2) AS tokens \gset
SELECT is(rows_of(format('taskq.fail_many(%L, ''m'', non_retryable => true)', :'tokens')), 'true non_retryable_failure, true non_retryable_failure', 'fail_many: for good');
SELECT batch('fm3', 2) AS tokens \gset
SELECT is(rows_of(format('taskq.fail_many(%L::uuid[] || %L::uuid[], ''m'')', :'tokens', :'tokens')), 'true in_progress, true in_progress, false -, false -', 'fail_many: a token given twice');
SELECT throws_ok('SELECT * FROM taskq.fail_many(''{}'', next_retry_delay => ''-1 s'')', '22023', 'invalid next_retry_delay: must not be negative', 'fail_many: arguments are checked');
SELECT batch('fm4', 2) AS tokens \gset
SELECT count(*) FROM taskq.fail_many(:'tokens', 'm', details => '1', next_retry_delay => '7 s', stack_trace => 's', cause => '{}', last_heartbeat_details => '2') \g /dev/null
SELECT is((SELECT string_agg(concat_ws(' ', current_retry_interval, heartbeat_details, last_failure ->> 'stack_trace'), ', ') FROM taskq.activities WHERE task_queue = 'fm4'),
  '00:00:07 2 s, 00:00:07 2 s', 'fail_many: all arguments');

-- what was refused has its SQLSTATE
SELECT is((SELECT string_agg(concat_ws(' ', ok, error), ', ') FROM taskq.complete_many(ARRAY[gen_random_uuid(), gen_random_uuid()])),
  'f TQ001, f TQ001', 'complete_many: error');
SELECT is((SELECT string_agg(concat_ws(' ', ok, error), ', ') FROM taskq.fail_many(ARRAY[gen_random_uuid()])), 'f TQ001', 'fail_many: error');
SELECT is((SELECT string_agg(concat_ws(' ', ok, error), ', ') FROM taskq.release_many(ARRAY[gen_random_uuid()])), 'f TQ001', 'release_many: error');
SELECT is((SELECT string_agg(concat_ws(' ', ok, error), ', ') FROM taskq.heartbeat_many(ARRAY[gen_random_uuid()])), 'f TQ001', 'heartbeat_many: error');
SELECT batch('ids', 3) AS tokens \gset
SELECT is((SELECT string_agg(concat_ws(' ', ok, error), ', ') FROM taskq.complete_many(:'tokens', NULL, 'all', '{a,NULL,c}')), 't, t, t', 'complete_many: identities, no error');
SELECT is((SELECT string_agg(last_worker_identity, ' ' ORDER BY run_id) FROM taskq.activities WHERE task_queue = 'ids'), 'a all c', 'complete_many: each its own identity, or that of all');
SELECT throws_ok('SELECT * FROM taskq.complete_many(ARRAY[gen_random_uuid()], NULL, NULL, ''{a,b}'')', '22023', 'task_tokens and identities must have the same length', 'complete_many: identities, length');
SELECT throws_ok('SELECT * FROM taskq.complete_many(ARRAY[gen_random_uuid()], NULL, NULL, ARRAY[''''])', '22023', 'identity must not be empty', 'complete_many: an empty identity');

-- heartbeat_many: ok, then the three flags in alphabetical order of columns: paused, reset, cancel, ok
SELECT batch('hm', 4) AS tokens \gset
SELECT taskq.pause(run_id => run_id) FROM taskq.activities WHERE task_queue = 'hm' ORDER BY run_id LIMIT 1 \g /dev/null
SELECT taskq.reset(run_id => run_id) FROM (SELECT run_id FROM taskq.activities WHERE task_queue = 'hm' ORDER BY run_id OFFSET 1 LIMIT 1) x \g /dev/null
SELECT taskq.request_cancel(run_id => run_id) FROM (SELECT run_id FROM taskq.activities WHERE task_queue = 'hm' ORDER BY run_id OFFSET 2 LIMIT 1) x \g /dev/null
SELECT is((SELECT string_agg(concat_ws(' ', ok, cancel_requested, activity_paused, activity_reset), ', ' ORDER BY ordinality)
    FROM taskq.heartbeat_many(:'tokens'::uuid[] || gen_random_uuid(), '{1,2,3,4,5}') WITH ORDINALITY),
  't f t f, t f f t, t t f f, t f f f, f f f f', 'heartbeat_many: ok and flags of each');
SELECT is((SELECT string_agg(heartbeat_details::text, ' ' ORDER BY run_id) FROM taskq.activities WHERE task_queue = 'hm'), '1 2 3 4', 'heartbeat_many: each its own details');
SELECT is((SELECT string_agg(ok::text, ' ') FROM taskq.heartbeat_many(:'tokens'::uuid[] || :'tokens'::uuid[])), 'true true true true true true true true',
  'heartbeat_many: a token given twice: both true');
SELECT is((SELECT string_agg(coalesce(heartbeat_details::text, '-') || total_heartbeat_count, ' ') FROM taskq.activities WHERE task_queue = 'hm'), '-3 -3 -3 -3',
  'heartbeat_many: details NULL is all NULL, and each counts');

-- complete_and_poll
SELECT batch('cap', 2) AS tokens \gset
SELECT new('cap') FROM generate_series(1, 3) \g /dev/null
SELECT is((SELECT count(*) FROM taskq.complete_and_poll(:'tokens', '{1,2}', 'cap', 'me', 2)), 2, 'complete_and_poll: up to max_tasks new tasks');
SELECT is((SELECT string_agg(coalesce(status::text || coalesce(result::text, ''), ''), ' ' ORDER BY run_id) FROM taskq.activities WHERE task_queue = 'cap'),
  'completed1 completed2 running running running', 'complete_and_poll: the old ones are completed');
SET LOCAL client_min_messages = error;
SELECT is((SELECT count(*) FROM taskq.complete_and_poll(:'tokens', NULL, 'cap')), 1, 'complete_and_poll: stale tokens do not raise');
SET LOCAL client_min_messages = warning;
SELECT is((SELECT count(*) FROM taskq.complete_and_poll('{}', NULL, 'cap')), 0, 'complete_and_poll: nothing to complete, nothing to do');
SELECT throws_ok('SELECT * FROM taskq.complete_and_poll(''{}'', NULL, NULL)', '22004', 'task_queue is not set', 'complete_and_poll: task queue NULL');
SELECT throws_ok('SELECT * FROM taskq.complete_and_poll(''{}'', NULL, ''q'', max_tasks => 0)', '22023', NULL, 'complete_and_poll: max_tasks 0');
SELECT batch('cap2', 1) AS tokens \gset
SELECT throws_ok(format('SELECT * FROM taskq.complete_and_poll(%L, NULL, '''')', :'tokens'), '22023', NULL, 'complete_and_poll: an invalid poll ...');
SELECT is((SELECT status FROM taskq.activities WHERE task_queue = 'cap2'), 'running', '... completes nothing');

-- all of them: bad arrays
CREATE TABLE many (name text, sql text);
INSERT INTO many VALUES
('complete_many', 'SELECT * FROM taskq.complete_many(%s)'),
('fail_many', 'SELECT * FROM taskq.fail_many(%s)'),
('heartbeat_many', 'SELECT * FROM taskq.heartbeat_many(%s)'),
('complete_and_poll', 'SELECT * FROM taskq.complete_and_poll(%s, NULL, ''q'')');
SELECT throws_ok(format(sql, 'NULL'), '22004', 'task_tokens is not set', name || ': tokens NULL') FROM many;
SELECT is_empty(format(sql, '''{}'''), name || ': no tokens, no rows') FROM many;
SELECT throws_ok(format(sql, '''{NULL}'''), '22023', 'task_tokens must not contain NULL', name || ': a NULL token') FROM many;
SELECT throws_ok(format(sql, 'ARRAY[ARRAY[gen_random_uuid()], ARRAY[gen_random_uuid()]]'), '22023', 'task_tokens must be a one-dimensional array', name || ': two dimensions') FROM many;
SELECT throws_ok('SELECT * FROM taskq.complete_many(ARRAY[gen_random_uuid()], ''{1,2}'')', '22023', 'task_tokens and results must have the same length', 'complete_many: lengths');
SELECT throws_ok('SELECT * FROM taskq.complete_many(ARRAY[gen_random_uuid()], ''{}'')', '22023', 'task_tokens and results must have the same length', 'complete_many: lengths, none');
SELECT throws_ok('SELECT * FROM taskq.complete_many(ARRAY[gen_random_uuid()], ''{{1}}'')', '22023', 'results must be a one-dimensional array', 'complete_many: results of two dimensions');
SELECT throws_ok('SELECT * FROM taskq.heartbeat_many(ARRAY[gen_random_uuid()], ''{1,2}'')', '22023', 'task_tokens and details must have the same length', 'heartbeat_many: lengths');
SELECT throws_ok('SELECT * FROM taskq.complete_and_poll(ARRAY[gen_random_uuid()], ''{1,2}'', ''q'')', '22023', 'task_tokens and results must have the same length',
  'complete_and_poll: lengths');

-- channels
SELECT matches(taskq.channel(name), '^[a-z][a-z0-9_]{0,62}$', 'channel: a lower-case ASCII name of at most 63 bytes')
  FROM unnest(ARRAY['q', 'Q', repeat('x', 1000), 'ü "''']) name;
SELECT is((SELECT count(DISTINCT taskq.channel(name)) FROM unnest(ARRAY['q', 'Q', 'q ']) name), 3, 'channel: one for each queue');
SELECT is(taskq.channel('q'), taskq.channel('q'), 'channel: always the same');
SELECT isnt(taskq.channel('q'), taskq.worker_channel('q'), 'worker_channel: not that of a queue of the same name');
SELECT matches(taskq.worker_channel('some identity/1'), '^[a-z][a-z0-9_]{0,62}$', 'worker_channel: likewise');
SELECT throws_ok('SELECT taskq.channel(NULL)', '22004', NULL, 'channel: NULL');
SELECT throws_ok('SELECT taskq.channel('''')', '22023', NULL, 'channel: empty');
SELECT throws_ok('SELECT taskq.worker_channel(NULL)', '22004', NULL, 'worker_channel: NULL');

SELECT * FROM finish();
ROLLBACK;
