-- docs/reference.md: durations and instants are exact to the microsecond, however far away, and nothing that can be said makes the view unreadable.

BEGIN;
\ir ../include/helpers.psql
SELECT * FROM no_plan();

-- 2^53 microseconds are 285 years: what is beyond does not fit into a float8
CREATE TABLE far (delay interval);
INSERT INTO far VALUES ('2501999792:59:00.740991'), ('2501999792:59:00.740993'), ('100000000 days 0.000001 s'), ('280000:00:00.123457');
CREATE FUNCTION us(duration interval) RETURNS numeric
LANGUAGE sql AS $$ SELECT extract(epoch FROM duration) * 1000000 $$;

SELECT is((us((a(run)).start_delay), us((a(run)).execution_time - (a(run)).schedule_time))::text, (us(delay), us(delay))::text, 'start_delay: ' || delay)
FROM far, LATERAL new('far', delay => delay) run;
SELECT is((a(new_run.run_id)).execution_time, at, 'start_at: ' || at)
FROM unnest(ARRAY['2400-01-01 00:00:00.123457Z', '100000-01-01 00:00:00.000001Z', '294276-12-31 23:59:59.999999Z']::timestamptz[]) at,
  LATERAL taskq.schedule('far', 't', start_to_close_timeout => '1 h', start_at => at) new_run;
SELECT is((us(v.schedule_to_close_timeout), us(v.schedule_to_start_timeout), us(v.start_to_close_timeout), us(v.heartbeat_timeout))::text,
  (us(delay), us(delay), us(delay), us(delay))::text, 'timeouts: ' || delay)
FROM far, LATERAL new('far', s2c => delay, hb => delay, stc => delay) run, a(run) v;
SELECT is(v.expiration_time, v.schedule_time + delay, 'expiration_time: ' || delay)
FROM far, LATERAL new('far', s2c => delay) run, a(run) v;
SELECT is(v.expiration_time, v.schedule_time + '1 us'::interval + delay, 'expiration_time after a start delay: ' || delay)
FROM far, LATERAL new('far', s2c => delay, delay => '1 us') run, a(run) v;

-- back-offs: of the policy, of the worker, of a release
CREATE FUNCTION backoff(run bigint, report text) RETURNS text
LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE report;
  RETURN (SELECT us(current_retry_interval) || ' ' || us(next_attempt_schedule_time - last_attempt_complete_time) FROM a(run));
END
$$;
SELECT is(backoff(new('policy ' || delay, policy => taskq.retry_policy(delay, 1)), format('SELECT taskq.fail(t.take(%L), ''x'')', 'policy ' || delay)),
  us(delay) || ' ' || us(delay), 'back-off: ' || delay) FROM far;
SELECT is(backoff(new('cap ' || delay, policy => taskq.retry_policy('1 s', 1e20, delay)),
    format('SELECT taskq.fail(t.take(%L), ''x''), t.set_clock(''1 h''), taskq.fail(t.take(%1$L), ''x''), t.set_clock(''0'')', 'cap ' || delay)),
  us(delay) || ' ' || us(delay), 'back-off at its cap: ' || delay) FROM far;
SELECT is(backoff(new('worker ' || delay), format('SELECT taskq.fail(t.take(%L), ''x'', next_retry_delay => %L)', 'worker ' || delay, delay)),
  us(delay) || ' ' || us(delay), 'next_retry_delay: ' || delay) FROM far;
SELECT is(backoff(new('release ' || delay), format('SELECT taskq.release(t.take(%L), %L)', 'release ' || delay, delay)),
  us(delay) || ' ' || us(delay), 'release: ' || delay) FROM far;
SELECT ok(us((retry_policy ->> 'initial_interval')::interval) IN (SELECT us(delay) FROM far), 'the policy as shown: ' || task_queue)
FROM taskq.activities WHERE task_queue LIKE 'policy %';

-- the same when closed
CREATE TABLE before AS SELECT run_id, start_delay, execution_time, expiration_time, schedule_to_close_timeout, schedule_to_start_timeout, start_to_close_timeout,
  heartbeat_timeout, retry_policy FROM taskq.activities WHERE task_queue ~ 'far|policy';
SELECT taskq.terminate(run_id => run_id) FROM before;
SELECT results_eq('SELECT run_id, start_delay, execution_time, expiration_time, schedule_to_close_timeout, schedule_to_start_timeout, start_to_close_timeout,
  heartbeat_timeout, retry_policy FROM taskq.activities WHERE task_queue ~ ''far|policy'' ORDER BY run_id', 'SELECT * FROM before ORDER BY run_id', 'the same when closed');

-- the end of time: deadlines beyond it are none, a first attempt beyond it is refused
SELECT is((a(new('end', s2c => days))).expiration_time IS NULL, none, 'expiration_time: ' || days)
FROM (VALUES (interval '106751991 days', true), ('106751000 days', true), ('106741000 days', false), ('100000000 days', false)) v (days, none);
SELECT new('late', 'late', delay => '1 h') AS run \gset
SELECT throws_ok(call, '22023', message, call)
FROM (VALUES ('SELECT t.new(''end'', delay => ''106751000 days'')', 'invalid start_delay: out of range'),
  ('SELECT taskq.update_options(''late'', options => ''{"start_delay": "106751000 days"}'')', 'invalid start_delay: out of range'),
  ('SELECT taskq.update_options(''late'', options => ''{"start_delay": "106751000 days", "priority": 1}'')', 'invalid start_delay: out of range')) v (call, message);
SELECT is(show(:run, 'start_delay priority state_transition_count'), '01:00:00 - 1', 'and what is refused changes nothing');
SELECT lives_ok('SELECT * FROM taskq.activities', 'all can be read');
SELECT taskq.update_options('late', options => '{"start_at": "294276-12-31 23:59:59.999999Z", "schedule_to_close_timeout": "106751991 days"}') \g /dev/null
SELECT is(show(:run, 'expiration_time') || (a(:run)).execution_time, '-294276-12-31 23:59:59.999999+00', 'the last instant') FROM (SELECT set_config('timezone', 'UTC', true)) utc;
UPDATE taskq.open SET start_delay = 9223372036854775807, schedule_to_close = -9223372036854775808 WHERE run_id = :run;
SELECT lives_ok('SELECT * FROM taskq.activities', 'even with nonsense that was written by hand');
SELECT is(show(:run, 'execution_time expiration_time'), '- -', 'an instant that there is not');

-- the protocol's instants end with the year 9999, and what expires later expires then, not at once
SELECT is((SELECT attributes ->> 'workflowExecutionExpirationTime' FROM taskq.workflow_history(run_id) WHERE event_id = 1),
  '9999-12-31T23:59:59.999999Z', 'a workflow that may take ' || timeout)
FROM unnest('{2920000 days,3300000 days,3650000 days}'::interval[]) timeout, LATERAL taskq.start_workflow('far', 'W', execution_timeout => timeout);
SELECT ok(bool_and(deadline > now() + interval '7000 years'), 'and has that time') FROM taskq.open WHERE task_queue LIKE '%far' AND deadline IS NOT NULL;

SELECT * FROM finish();
ROLLBACK;
