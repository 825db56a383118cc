-- docs/reference.md, Limits: numbers that are small as jsonb and very long as
-- text must not make a task that nobody can be shown.

BEGIN;
\ir ../include/helpers.psql
SELECT * FROM no_plan();

CREATE FUNCTION numbers(number text, n int) RETURNS jsonb LANGUAGE sql AS $$ SELECT ('[' || repeat(number || ',', n - 1) || '1]')::jsonb $$;

SELECT throws_ok($$SELECT FROM taskq.schedule('q', 't', numbers('1e130000', 9000), start_to_close_timeout => '1 h')$$, '22023', 'input exceeds length limit');
SELECT throws_ok($$SELECT FROM taskq.schedule('q', 't', numbers('-1e130000', 9000), start_to_close_timeout => '1 h')$$, '22023', 'input exceeds length limit');
SELECT throws_ok($$SELECT FROM taskq.schedule('q', 't', numbers('1e-16000', 20000), start_to_close_timeout => '1 h')$$, '22023', 'input exceeds length limit');
SELECT throws_ok($$SELECT FROM taskq.schedule('q', 't', header => jsonb_build_object('a', jsonb_build_object('b', numbers('1e130000', 9000))), start_to_close_timeout => '1 h')$$,
  '22023', 'header exceeds length limit');
SELECT lives_ok($$SELECT FROM taskq.schedule('q', 't', numbers('1e130000', 500), start_to_close_timeout => '1 h')$$, 'some are taken');
SELECT lives_ok($$SELECT FROM taskq.schedule('q', 't', numbers('123456.789', 80000), start_to_close_timeout => '1 h')$$, 'and any number of ordinary ones');
SELECT is((SELECT array_agg(length(input::text) ORDER BY run_id) FROM taskq.poll('q', max_tasks => 10)), '{64871500,959991}', 'and can be shown');

-- what a worker reports is as with other payloads that are too large
SELECT new('result') AS run \gset
SELECT taskq.complete(take('result'), numbers('1e130000', 9000));
SELECT is((SELECT concat_ws(' ', status, result, failure ->> 'message') FROM taskq.describe(run_id => :run)), 'failed Complete result exceeds size limit.', 'a result');
SELECT new('failure') AS run \gset
SELECT taskq.fail(take('failure'), 'why', details => numbers('1e130000', 9000), non_retryable => true);
SELECT is((SELECT concat_ws(' ', status, failure ->> 'message', failure -> 'cause' ->> 'message') FROM taskq.describe(run_id => :run)),
  'failed Failure exceeds size limit. why', 'a failure');
SELECT cmp_ok((SELECT length(failure::text) FROM taskq.describe(run_id => :run)), '<', 1000000, 'which is cut');

SELECT * FROM finish();
ROLLBACK;
