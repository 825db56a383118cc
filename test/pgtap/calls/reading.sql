-- docs/semantics.md: reading: taskq.activities, describe, outcome.

BEGIN;
\ir ../include/helpers.psql
SELECT * FROM no_plan();

-- describe returns the row of the view, open or closed
SELECT run_id AS run FROM taskq.schedule('q', 'test', '{"i": 1}', 'd', '1 h', '30 min', '20 min', '1 min', taskq.retry_policy('1 min'), '10 min',
  2, 'key', 3, request_id => 'r', header => '{"h": 1}', summary => 's', search_attributes => '{"a": 1}') \gset
SELECT results_eq('SELECT * FROM taskq.describe(''d'')', 'SELECT * FROM taskq.activities WHERE activity_id = ''d''', 'describe: the row of the view');
SELECT results_eq(format('SELECT * FROM taskq.describe(run_id => %s)', :run), 'SELECT * FROM taskq.activities WHERE activity_id = ''d''', 'describe: by run_id');
SELECT is((SELECT count(*) FROM taskq.describe('d', :run)), 1, 'describe: by both');

-- execution_time, expiration_time, the next attempt
SELECT ok((SELECT execution_time = schedule_time + start_delay AND expiration_time = execution_time + schedule_to_close_timeout
  AND next_attempt_schedule_time = execution_time FROM a(:run)), 'start delay: execution_time, expiration_time, next_attempt_schedule_time');
SELECT is(show(:run, 'current_retry_interval execution_duration close_time'), '- - -', 'start delay: no retry interval; open: no close_time');
SELECT set_clock('10 min');
SELECT is(show(:run, 'run_state next_attempt_schedule_time'), 'scheduled -', 'dispatched: no next attempt');
SELECT task_token AS token FROM taskq.poll('q') \gset
SELECT is(show(:run, 'run_state next_attempt_schedule_time current_retry_interval'), 'started - -', 'running: no next attempt, no interval');
SELECT taskq.fail(:'token', 'x');
SELECT is(show(:run, 'run_state current_retry_interval'), 'scheduled 00:01:00', 'back-off: the interval ...');
SELECT is((SELECT next_attempt_schedule_time - last_attempt_complete_time FROM a(:run)), '1 min', '... and the next attempt');
SELECT set_clock('12 min');
SELECT is(show(:run, 'run_state current_retry_interval next_attempt_schedule_time'), 'scheduled - -', 'back-off over: neither');
SELECT taskq.pause('d');
SELECT is(show(:run, 'run_state current_retry_interval next_attempt_schedule_time'), 'paused - -', 'paused: neither');
SELECT taskq.terminate('d');
SELECT is(show(:run, 'run_state current_retry_interval next_attempt_schedule_time'), '- - -', 'closed: neither');
SELECT results_eq('SELECT * FROM taskq.describe(''d'')', 'SELECT * FROM taskq.activities WHERE activity_id = ''d''', 'describe: the row of the view, closed');
SELECT is((SELECT execution_duration FROM a(:run)), (SELECT close_time - schedule_time FROM a(:run)), 'execution_duration = close_time - schedule_time');
SELECT is(show(:run, 'input header summary search_attributes schedule_to_close_timeout schedule_to_start_timeout start_to_close_timeout heartbeat_timeout start_delay priority fairness_key fairness_weight'),
  '{"i": 1} {"h": 1} s {"a": 1} 01:00:00 00:30:00 00:20:00 00:01:00 00:10:00 2 key 3', 'closed: all that was given stays readable');
SELECT is((SELECT taskq.retry_policy_from_jsonb(retry_policy) FROM a(:run)), ROW('1 min', 2, '100 min', 0, NULL, 0)::taskq.retry_policy, 'closed: the retry policy, too');
SELECT set_clock('0');

-- after complete-by-id of one that was never started last_started_time is set
SELECT new('never', 'never') AS run \gset
SELECT taskq.complete_by_id('never');
SELECT isnt(show(:run, 'last_started_time'), '-', 'complete by id of a never-started one sets last_started_time');
SELECT new('never2', 'never2') AS run \gset
SELECT taskq.terminate('never2');
SELECT is(show(:run, 'last_started_time first_started_time last_attempt_complete_time last_worker_identity'), '- - - -', 'closed without a start: none of these');

-- outcome
SELECT new('o', 'o') AS run \gset
SELECT is((SELECT o::text FROM taskq.outcome(:run) o), '(running,,,)', 'outcome: running');
SELECT taskq.pause('o');
SELECT is((SELECT o::text FROM taskq.outcome(:run) o), '(paused,,,)', 'outcome: paused');
SELECT taskq.unpause('o');
SELECT taskq.complete(take('o'), 'null');
SELECT is((SELECT o::text FROM taskq.outcome(:run) o), '(completed,null,,)', 'outcome: completed');
SELECT new('o2', policy => taskq.retry_policy(maximum_attempts => 1)) AS run \gset
SELECT taskq.fail(take('o2'), 'x');
SELECT is((SELECT o::text FROM taskq.outcome(:run) o), '(failed,,"{""kind"": ""application"", ""message"": ""x""}",maximum_attempts_reached)', 'outcome: failed');
SELECT is((SELECT (status, result, failure, retry_state)::text FROM a(:run)), (SELECT o::text FROM taskq.outcome(:run) o), 'outcome: the same as in the view');

-- strongly consistent: in the transaction itself
SELECT new('s') AS run \gset
SELECT is((SELECT count(*) FROM taskq.activities WHERE run_id = :run), 1, 'the caller''s own changes are seen');

-- the obvious questions are answered by an index
CREATE FUNCTION plan_of(query text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
  line text;
  result text := '';
BEGIN
  FOR line IN EXECUTE 'EXPLAIN ' || query LOOP
    result := result || line || E'\n';
  END LOOP;
  RETURN result;
END
$$;
-- enough rows that one index is better than another, whatever was here before
SELECT count(*) FROM taskq.schedule_many('many', 't', array_fill(NULL::jsonb, ARRAY[1000]), start_to_close_timeout => '1 h');
ANALYZE taskq.open;
SET LOCAL enable_seqscan = off;
SET LOCAL enable_mergejoin = off;
SET LOCAL enable_hashjoin = off;
SELECT unalike(plan_of(format('SELECT * FROM taskq.activities WHERE run_id = %s', :run)), '%Seq Scan%', 'by run_id: by index');
SELECT unalike(plan_of('SELECT * FROM taskq.activities WHERE activity_id = ''x'''), '%Seq Scan%', 'by activity_id: by index');
SELECT alike(plan_of('SELECT * FROM taskq.activities WHERE task_queue = ''x'' AND status = ''running'''), '%open_ready%', 'by queue and status: by index');
RESET enable_seqscan;

-- counting as the customer does
SELECT new('c1', 'c1') AS run \gset
SELECT taskq.terminate('c1');
SELECT new('c1') \g /dev/null
SELECT results_eq('SELECT status::text, count(*)::int FROM taskq.activities WHERE task_queue = ''c1'' GROUP BY status ORDER BY 1',
  'VALUES (''running'', 1), (''terminated'', 1)', 'GROUP BY status');

SELECT * FROM finish();
ROLLBACK;
