-- docs/semantics.md: heartbeats, and what is too large (5.6).

BEGIN;
\ir ../include/helpers.psql
SELECT * FROM no_plan();

-- 5.1: effects
SELECT new('1', hb => '1 min') AS run \gset
SELECT take('1', 'poller') AS token \gset
SELECT is(show(:run, 'heartbeat_details last_heartbeat_time total_heartbeat_count'), '- - 0', '5.1: none yet');
SELECT is((SELECT h::text FROM taskq.heartbeat(:'token', '{"a": 1, "b": 2}') h), '(f,f,f)', '5.1: the answer');
SELECT is(show(:run, 'heartbeat_details total_heartbeat_count run_state attempt last_failure'), '{"a": 1, "b": 2} 1 started 1 -', '5.1: details and count');
SELECT ok((SELECT last_heartbeat_time >= last_started_time FROM a(:run)), '5.1: recorded_time = now');
SELECT taskq.heartbeat(:'token', '{"c": 3}');
SELECT is(show(:run, 'heartbeat_details total_heartbeat_count'), '{"c": 3} 2', '5.1: details are replaced wholesale');
SELECT taskq.heartbeat(:'token', 'null');
SELECT is((SELECT heartbeat_details FROM a(:run)), 'null', '5.1: JSON null is kept');
SELECT taskq.heartbeat(:'token');
SELECT is(show(:run, 'heartbeat_details total_heartbeat_count'), '- 4', '5.1: NULL replaces, too');
SELECT taskq.heartbeat_by_id(run_id => :run, details => '5', identity => 'other');
SELECT is(show(:run, 'heartbeat_details total_heartbeat_count'), '5 5', '5.1: by id');

-- it returns one row, wherever it is called
SELECT is((SELECT count(*) FROM taskq.heartbeat(:'token')), 1::bigint, 'one row from a function in FROM');
SELECT is((SELECT count(*) FROM (SELECT taskq.heartbeat(:'token'), generate_series(1, 2)) s), 2::bigint, 'beside another set');
SELECT is((SELECT string_agg(h::text, ' ') FROM generate_series(1, 3) i, taskq.heartbeat(:'token', to_jsonb(i)) h), '(f,f,f) (f,f,f) (f,f,f)', 'for each row');
SELECT is(show(:run, 'heartbeat_details total_heartbeat_count'), '3 10', 'and is called so often');

-- 5.2: flags, one at most
SELECT new('2', '2') AS run \gset
SELECT take('2') AS token \gset
SELECT taskq.pause('2');
SELECT is((SELECT h::text FROM taskq.heartbeat(:'token', '1') h), '(f,t,f)', '5.2: pause requested');
SELECT is((SELECT heartbeat_details FROM a(:run)), '1', '5.2: details are stored even when a flag is returned');
SELECT taskq.reset('2');
SELECT is((SELECT h::text FROM taskq.heartbeat(:'token') h), '(f,f,t)', '5.2: reset requested');
SELECT taskq.request_cancel('2');
SELECT is((SELECT h::text FROM taskq.heartbeat(:'token') h), '(t,f,f)', '5.2: cancel requested');

-- 5.4: without a heartbeat timeout they are recorded as well
SELECT new('4') AS run \gset
SELECT taskq.heartbeat(take('4'), '"here"');
SELECT is(show(:run, 'heartbeat_timeout heartbeat_details total_heartbeat_count'), '- here 1', '5.4: recorded without a heartbeat timeout');

-- 5.5: details survive, and reach the next attempt
SELECT new('5', '5') AS run \gset
SELECT task_token AS token, heartbeat_details IS NULL AS none FROM taskq.poll('5') \gset
SELECT ok(:'none', '5.5: the first attempt gets none');
SELECT taskq.heartbeat(:'token', '"checkpoint"');
SELECT taskq.fail(:'token', 'x');
SELECT is(show(:run, 'heartbeat_details total_heartbeat_count'), 'checkpoint 1', '5.5: they survive a failure');
SELECT taskq.pause('5');
SELECT taskq.unpause('5');
SELECT set_clock('1 h');
SELECT task_token AS token, heartbeat_details FROM taskq.poll('5') \gset
SELECT is(:'heartbeat_details'::jsonb, '"checkpoint"', '5.5: the next attempt gets them');
SELECT taskq.fail(:'token', 'x', last_heartbeat_details => '"final"');
SELECT is(show(:run, 'heartbeat_details total_heartbeat_count attempt'), 'final 2 3', '5.5: last_heartbeat_details of a failure are one more heartbeat');
SELECT set_clock('2 h');
SELECT is((SELECT heartbeat_details FROM taskq.poll('5')), '"final"', '5.5: ... and reach the next attempt');
SELECT taskq.fail_by_id('5', 'x', last_heartbeat_details => 'null');
SELECT is((SELECT heartbeat_details FROM a(:run)), 'null', '5.5: ... also JSON null, by id');
SELECT set_clock('3 h');
SELECT taskq.fail(take('5'), 'x', non_retryable => true);
SELECT is((SELECT (heartbeat_details, total_heartbeat_count)::text FROM a(:run)), '(null,3)', '5.5: they stay readable after the close');
SELECT set_clock('0');
SELECT new('5b') AS run \gset
SELECT take('5b') AS token \gset
SELECT taskq.heartbeat(:'token', '1');
SELECT taskq.complete(:'token', '2');
SELECT is(show(:run, 'heartbeat_details result'), '1 2', '5.5: complete stores no details');
SELECT new('5c') AS run \gset
SELECT taskq.fail(take('5c'), 'x', last_heartbeat_details => '7', non_retryable => true);
SELECT is(show(:run, 'heartbeat_details total_heartbeat_count'), '7 1', '5.5: a checkpoint in a final failure');
SELECT new('5d', '5d') AS run \gset
SELECT take('5d') AS token \gset
SELECT taskq.heartbeat(:'token', '1');
SELECT taskq.reset('5d', reset_heartbeat => true);
SELECT taskq.fail(:'token', 'x', last_heartbeat_details => '2');
SELECT is(show(:run, 'heartbeat_details total_heartbeat_count'), '- 2', '5.5: ... unless reset_heartbeat, which comes after it');

-- 5.6: sizes.  A WARNING each, which the plain call below catches.
SET LOCAL taskq.max_payload_size = '1kB';
SET LOCAL client_min_messages = error;
CREATE FUNCTION large() RETURNS jsonb LANGUAGE sql AS $$ SELECT jsonb_build_object('x', repeat('x', 1025 - 17)) $$;
CREATE FUNCTION fits() RETURNS jsonb LANGUAGE sql AS $$ SELECT jsonb_build_object('x', repeat('x', 1024 - 17)) $$;
SELECT new('fits', 'fits') AS run \gset
SELECT take('fits') AS token \gset
SELECT is((SELECT h::text FROM taskq.heartbeat(:'token', fits()) h), '(f,f,f)', '5.6: heartbeat details of exactly the limit');
SELECT taskq.complete(:'token', fits());
SELECT is((SELECT status FROM a(:run)), 'completed', '5.6: a result of exactly the limit');

SELECT new('hb') AS run \gset
SELECT take('hb') AS token \gset
SELECT taskq.heartbeat(:'token', '"small"');
SELECT is((SELECT h::text FROM taskq.heartbeat(:'token', large()) h), '(t,f,f)', '5.6: heartbeat details too large: cancel_requested');
SELECT is(show(:run, 'status retry_state heartbeat_details total_heartbeat_count'), 'failed non_retryable_failure small 1', '5.6: ... the attempt is failed for good');
SELECT is((SELECT failure FROM a(:run)), '{"kind": "server", "message": "Heartbeat details exceed size limit.", "non_retryable": true}', '5.6: ... by the server');
SELECT throws_ok(format('SELECT taskq.heartbeat(%L)', :'token'), 'TQ001', NULL, '5.6: ... and its token is void');
SELECT new('hb2', 'hb2') AS run \gset
SELECT take('hb2') AS token \gset
SELECT is((SELECT h::text FROM taskq.heartbeat_by_id('hb2', large()) h), '(t,f,f)', '5.6: by id likewise');

SELECT new('res') AS run \gset
SELECT take('res') AS token \gset
SELECT lives_ok(format('SELECT taskq.complete(%L, t.large())', :'token'), '5.6: a result too large: the call returns');
SELECT is(show(:run, 'status retry_state result'), 'failed non_retryable_failure -', '5.6: ... the attempt is failed for good');
SELECT is((SELECT failure FROM a(:run)), '{"kind": "server", "message": "Complete result exceeds size limit.", "non_retryable": true}', '5.6: ... by the server');
SELECT new('res2', 'res2') AS run \gset
SELECT throws_ok('SELECT taskq.complete_by_id(''res2'', t.large())', 'TQ001', NULL, '5.6: by id, when no attempt runs: there is none to fail');
SELECT is((SELECT status FROM a(:run)), 'running', '5.6: ... nothing happens');
SELECT new('res3', 'res3') AS run \gset
SELECT take('res3') AS token \gset
SELECT taskq.reset('res3');
SELECT taskq.complete(:'token', large());
SELECT is(show(:run, 'status attempt'), 'running 1', '5.6: a requested reset wins over that, too');

SELECT new('can', 'can') AS run \gset
SELECT take('can') AS token \gset
SELECT taskq.request_cancel('can');
SELECT lives_ok(format('SELECT taskq.report_canceled(%L, t.large())', :'token'), '5.6: cancel details too large: the call returns');
SELECT is((SELECT failure FROM a(:run)), '{"kind": "server", "message": "Cancel details exceed size limit.", "non_retryable": true}', '5.6: ... failed by the server');
SELECT is((SELECT status FROM a(:run)), 'failed', '5.6: ... FAILED');

SELECT new('fail') AS run \gset
SELECT is(taskq.fail(take('fail'), 'm', details => large()), 'non_retryable_failure', '5.6: a failure too large is non-retryable');
SELECT is((SELECT failure FROM a(:run)), '{"kind": "server", "message": "Failure exceeds size limit.", "non_retryable": true,
  "cause": {"kind": "application", "message": "m", "truncated": true}}', '5.6: ... and replaced, with what fits as its cause');
SELECT new('fail2') AS run \gset
SELECT taskq.fail(take('fail2'), repeat('m', 100000), stack_trace => repeat('s', 100000));
SELECT ok((SELECT failure #>> '{cause,message}' ~ '^m{100,}$' AND failure #>> '{cause,stack_trace}' ~ '^s{50,}$' FROM a(:run)), '5.6: ... message and stack cut');
SELECT ok((SELECT pg_column_size(failure || '{}') <= 1024 FROM a(:run)), '5.6: ... to the limit');
SELECT new('check') AS run \gset
SELECT is(taskq.fail(take('check'), 'x', last_heartbeat_details => large()), 'in_progress', '5.6: last_heartbeat_details too large: the failure is processed normally');
SELECT is(show(:run, 'attempt heartbeat_details total_heartbeat_count'), '2 - 0', '5.6: ... the details are dropped');

SELECT new('many') FROM generate_series(1, 3) \g /dev/null
CREATE TABLE batch AS SELECT task_token, row_number() OVER () AS n FROM taskq.poll('many', max_tasks => 3);
SELECT is((SELECT string_agg(concat_ws(' ', ok, cancel_requested, activity_paused), ', ' ORDER BY ordinality)
    FROM taskq.heartbeat_many((SELECT array_agg(task_token ORDER BY n) FROM batch), ARRAY['1', large(), NULL]) WITH ORDINALITY),
  't f f, t t f, t f f', '5.6: heartbeat_many: only the large one');
SELECT is((SELECT string_agg(ok::text, ' ' ORDER BY ordinality)
    FROM taskq.complete_many((SELECT array_agg(task_token ORDER BY n) FROM batch), ARRAY['1', '2', large()]) WITH ORDINALITY),
  'true false true', '5.6: complete_many: a large result is reported, as a failure');
SELECT is((SELECT string_agg(status::text, ' ' ORDER BY run_id) FROM taskq.activities WHERE task_queue = 'many'), 'completed failed failed', '5.6: ... and only that');
RESET taskq.max_payload_size;
SET LOCAL client_min_messages = warning;

-- 5.6: payloads count detoasted, below the limit nothing is lost
CREATE TABLE toasted AS SELECT jsonb_agg(md5(i::text)) AS j FROM generate_series(1, 20000) i;
SELECT new('toast', 'toast') AS run \gset
SELECT take('toast') AS token \gset
SELECT taskq.heartbeat(:'token', j) FROM toasted \g /dev/null
SELECT taskq.fail(:'token', 'x', details => j) FROM toasted \g /dev/null
SELECT ok((SELECT heartbeat_details FROM a(:run)) = (SELECT j FROM toasted), 'large details survive a retry');
SELECT set_clock('1 h');
SELECT ok((SELECT heartbeat_details FROM taskq.poll('toast')) = (SELECT j FROM toasted), '... and reach the next attempt');
SELECT taskq.fail_by_id('toast', 'x', details => j, non_retryable => true) FROM toasted \g /dev/null
SELECT ok((SELECT failure -> 'details' FROM a(:run)) = (SELECT j FROM toasted), 'large failure details are stored whole at the close');
SELECT ok((SELECT heartbeat_details FROM a(:run)) = (SELECT j FROM toasted), '... and the heartbeat details with them');
SELECT set_clock('0');

SELECT * FROM finish();
ROLLBACK;
