-- docs/reference.md: poll_many, for many workers in one statement.

BEGIN;
\ir ../include/helpers.psql
SELECT * FROM no_plan();

-- who got what, "slot:activity" in the order of slots
CREATE FUNCTION got(queues text[], identities text[] = NULL, rates float8[] = NULL) RETURNS text
LANGUAGE sql AS $$
  SELECT string_agg(slot || ':' || (task).activity_id, ' ' ORDER BY slot) FROM taskq.poll_many(queues, identities, max_tasks_per_second => rates)
$$;
CREATE FUNCTION fill(queue text, n int) RETURNS void
LANGUAGE sql AS $$ SELECT new(queue, queue || i) FROM generate_series(1, n) i $$;

-- each gets one, of its queue, in the order given
SELECT fill('a', 2), fill('b', 3) \g /dev/null
SELECT is(got('{b,a,b,none,a,a}', '{w1,w2,w3,w4,w5,w6}'), '1:b1 2:a1 3:b2 5:a2', 'one for each that there is one for');
SELECT is((SELECT string_agg(concat_ws(' ', activity_id, last_worker_identity, run_state), ', ' ORDER BY activity_id) FROM taskq.activities WHERE task_queue IN ('a', 'b')),
  'a1 w2 started, a2 w5 started, b1 w1 started, b2 w3 started, b3 scheduled', 'by its own identity');
SELECT is(got('{b,b}'), '1:b3', 'who comes first gets the last one');
SELECT is(got('{a,b,none}'), NULL, 'nothing left');
SELECT is((SELECT string_agg(task_queue || ' ' || identity, ', ' ORDER BY task_queue, identity) FROM taskq.pollers WHERE identity ~ '^w[0-9]$'),
  'a w2, a w5, a w6, b w1, b w3, none w4', 'all are listed as pollers');
SELECT is((SELECT count(*) FROM taskq.pollers WHERE task_queue = 'b'), 3, 'the default identity once, however often');

-- all that poll returns
SELECT fill('whole', 2) \g /dev/null
SELECT (taskq.poll('whole', 'w')).* \gset one_
SELECT (task).* FROM taskq.poll_many('{whole}', '{w}') \gset two_
SELECT lives_ok(format('SELECT taskq.complete(%L)', token), 'the token works') FROM unnest(ARRAY[:'one_task_token', :'two_task_token']::uuid[]) token;
SELECT is((SELECT array_agg(key ORDER BY key) FROM jsonb_each((SELECT to_jsonb(task) FROM (SELECT fill('w2', 1)) f, LATERAL taskq.poll_many('{w2}', '{w}'))) WHERE value <> 'null'),
  ARRAY['activity_id', 'activity_type', 'attempt', 'current_attempt_scheduled_time', 'run_id', 'scheduled_time', 'start_to_close_timeout', 'started_time', 'task_queue', 'task_token'],
  'the columns of poll');
SELECT new('policy', policy => taskq.retry_policy(maximum_attempts => 7)) \g /dev/null
SELECT retry_policy AS policy FROM taskq.poll_many('{policy}', '{w}') \gset
SELECT is((SELECT retry_policy FROM taskq.activities WHERE task_queue = 'policy'), :'policy'::jsonb, 'the retry policy, as the view shows it');
SELECT is(:'policy'::jsonb ->> 'maximum_attempts', '7', 'which was given');
SELECT new('large', input => to_jsonb(repeat('x', 100000))) AS run \gset
SELECT is((SELECT length((task).input #>> '{}') FROM taskq.poll_many('{large}', NULL)), 100000, 'an input that is stored apart');

-- a second attempt has the last heartbeat
SELECT new('again', policy => taskq.retry_policy(initial_interval => '1 ms')) AS run \gset
SELECT taskq.fail(take('again'), 'x', last_heartbeat_details => '"seen"');
SELECT set_clock('1 s');
SELECT is((SELECT (task).heartbeat_details #>> '{}' || (task).attempt FROM taskq.poll_many('{again}', NULL)), 'seen2', 'heartbeat details');
SELECT set_clock('0');

-- limits hold for all together
SELECT fill('limited', 5), taskq.configure_queue('limited', '{"max_started": 2}') \g /dev/null
SELECT is(got('{limited,limited,limited}'), '1:limited1 2:limited2', 'max_started');
SELECT is(got('{limited,limited,limited}'), NULL, 'max_started: no more');
SELECT fill('rate', 5), taskq.configure_queue('rate', '{"queue_rate_limit": 1}') \g /dev/null
SELECT is(got('{rate,rate,rate}'), '1:rate1', 'queue_rate_limit');
SELECT fill('paused', 2), taskq.configure_queue('paused', '{"paused": true}') \g /dev/null
SELECT is(got('{paused,a,paused}'), NULL, 'paused');
SELECT fill('asked', 5) \g /dev/null
SELECT is(got('{asked,asked,asked}', NULL, '{NULL,NULL,1}'), '1:asked1', 'max_tasks_per_second: of the last one');
SELECT is(got('{asked,asked,asked}', NULL, '{1,1,NULL}'), '1:asked2 2:asked3 3:asked4', 'max_tasks_per_second: which has none');

-- order within a queue: priorities
SELECT taskq.schedule('order', 't', activity_id => 'low', priority => 5, start_to_close_timeout => '1 h'), taskq.schedule('order', 't', activity_id => 'high', priority => 1, start_to_close_timeout => '1 h') \g /dev/null
SELECT is(got('{order,order}'), '1:high 2:low', 'priorities');

-- a rolled-back poll gives all back
SELECT fill('back', 2) \g /dev/null
SAVEPOINT s;
SELECT is(got('{back,back,back}'), '1:back1 2:back2', 'polled');
ROLLBACK TO s;
SELECT is(got('{back,back,back}'), '1:back1 2:back2', 'again');

-- each that got nothing is an empty poll
SELECT taskq.stat_reset();
SELECT is(got('{empty,empty,order}'), NULL, 'none');

-- many
SELECT fill('q' || i, 2) FROM generate_series(1, 300) i \g /dev/null
SELECT is((SELECT count(*) FROM taskq.poll_many((SELECT array_agg('q' || i % 300 + 1) FROM generate_series(1, 1000) i), (SELECT array_agg('w' || i) FROM generate_series(1, 1000) i))), 600,
  '1000 workers of 300 queues');
SELECT is((SELECT count(*) FROM (SELECT fill('one', 700)) f, LATERAL taskq.poll_many(array_fill('one'::text, ARRAY[1000]), NULL)), 700, '1000 workers of one');

-- arguments
SELECT is_empty('SELECT * FROM taskq.poll_many(''{}'', ''{}'')', 'nobody');
SELECT is(got('{a}', NULL), NULL, 'identities NULL');
SELECT lives_ok('SELECT * FROM taskq.poll_many(''{a,b}'', ''{w,NULL}'', ''{activity,NULL}'', ''{NULL,NULL}'', ''{NULL,2}'')', 'all arguments');
SELECT throws_ok('SELECT taskq.poll_many(' || arguments || ')', code, message, 'not: ' || arguments)
FROM (VALUES ('NULL, NULL', '22004', 'task_queues is not set'), ('''{NULL}'', NULL', '22023', 'task_queues must not contain NULL'),
  ('ARRAY[''''], NULL', '22023', NULL), ('''{/_sys/x}'', NULL', '22023', NULL), ('''{{a}}'', NULL', '22023', 'task_queues must be a one-dimensional array'),
  ('''{a}'', ''{x,y}''', '22023', 'task_queues and identities must have the same length'), ('''{a}'', ARRAY['''']', '22023', 'identity must not be empty'),
  ('''{a}'', ARRAY[repeat(''x'', 1001)]', '22023', NULL), ('''{a}'', NULL, ''{}''', '22023', 'task_queues and kinds must have the same length'),
  ('''{a}'', NULL, NULL, ''{x}''', '22023', 'queues of activities have no normal names'), ('''{a}'', NULL, NULL, NULL, ''{0}''', '22023', 'max_tasks_per_second must be a positive number'),
  ('''{a}'', NULL, NULL, NULL, ''{NaN}''', '22023', 'max_tasks_per_second must be a positive number'), ('''{a}'', NULL, NULL, NULL, ''{1,2}''', '22023', 'task_queues and max_tasks_per_second must have the same length')) v (arguments, code, message);

SELECT * FROM finish();
ROLLBACK;
