-- docs/reference.md: max_tasks is bigint; more than anybody can want is all.

BEGIN;
\ir ../include/helpers.psql
SELECT * FROM no_plan();

SELECT is(count(*), 3, 'scheduled') FROM taskq.schedule_many('q', 't', '{1,2,3}', start_to_close_timeout => '1 h');
SELECT is(count(*), 1, 'a bigint') FROM taskq.poll('q', max_tasks => 1::bigint);
SELECT is(count(*), 1, 'an int') FROM taskq.poll('q', max_tasks => 1::int);
SELECT is(count(*), 1, 'a smallint') FROM taskq.poll('q', max_tasks => 1::smallint);
SELECT is(count(*), 3, 'scheduled') FROM taskq.schedule_many('q', 't', '{1,2,3}', start_to_close_timeout => '1 h');
SELECT array_agg(task_token) AS tokens FROM taskq.poll('q', max_tasks => 2147483648) \gset
SELECT is(array_length(:'tokens'::uuid[], 1), 3, 'more than an int');
SELECT is(count(*), 3, 'scheduled') FROM taskq.schedule_many('q', 't', '{1,2,3}', start_to_close_timeout => '1 h');
SELECT is(count(*), 3, 'complete_and_poll: the most') FROM taskq.complete_and_poll(:'tokens', NULL, 'q', max_tasks => 9223372036854775807);
SELECT throws_ok(format('SELECT * FROM taskq.poll(''q'', max_tasks => %s)', n), '22023', 'max_tasks must be at least 1', 'not ' || n)
  FROM unnest(ARRAY['0', '-1', '-2147483649', '(-9223372036854775808)']) n;
SELECT throws_ok(format('SELECT * FROM taskq.complete_and_poll(''{}'', ''{}'', ''q'', max_tasks => %s)', n), '22023', 'max_tasks must be at least 1',
  'complete_and_poll: not ' || n) FROM unnest(ARRAY['0', '-4294967295']) n;
SELECT throws_ok('SELECT * FROM taskq.poll(''q'', max_tasks => NULL)', '22004', NULL, 'nor NULL');

-- with a limit of the queue and shares
SELECT taskq.configure_queue('shared', '{"fairness_key_rate_limit": 1000}');
SELECT is(count(*), 2, 'scheduled') FROM unnest(ARRAY['a', 'b']) k, LATERAL taskq.schedule('shared', 't', fairness_key => k, start_to_close_timeout => '1 h');
SELECT is(count(*), 2, 'all, with shares') FROM taskq.poll('shared', max_tasks => 9223372036854775807);

SELECT * FROM finish();
ROLLBACK;
