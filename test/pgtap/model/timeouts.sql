-- docs/semantics.md: the four timeouts: normalisation, and each timer.
--
-- Only the background worker fires timers, by its own clock and on what is
-- committed.  Activities are made with the clock put back, so that deadlines
-- have passed when the worker sees them.

\ir ../include/helpers.psql
SELECT * FROM no_plan();

-- 3.1: normalisation
CREATE TABLE normal (given text, stored text);
INSERT INTO normal VALUES
-- S2C S2S STC HB (0 = not given)
('0 0 10 0',      '- - 00:00:10 -'),
('60 0 0 0',      '00:01:00 00:01:00 00:01:00 -'),
('60 0 10 30',    '00:01:00 00:01:00 00:00:10 00:00:10'),
('60 90 100 0',   '00:01:00 00:01:00 00:01:00 -'),
('0 5 10 0',      '- 00:00:05 00:00:10 -'),
('60 60 60 60',   '00:01:00 00:01:00 00:01:00 00:01:00'),
('60 20 30 10',   '00:01:00 00:00:20 00:00:30 00:00:10'),
('60 0 0 90',     '00:01:00 00:01:00 00:01:00 00:01:00'),
('0 100 10 20',   '- 00:01:40 00:00:10 00:00:10'),
('0.001 0 0 0',   '00:00:00.001 00:00:00.001 00:00:00.001 -');
CREATE FUNCTION given(list text) RETURNS bigint
LANGUAGE sql AS $$
  SELECT new('normal', s2c => (g[1] || ' s')::interval, s2s => (g[2] || ' s')::interval, stc => (g[3] || ' s')::interval, hb => (g[4] || ' s')::interval,
    delay => '1 day') FROM string_to_array(list, ' ') g
$$;
BEGIN;
CREATE TABLE normalised AS SELECT *, given(given) AS run FROM normal;
SELECT is(show(run, 'schedule_to_close_timeout schedule_to_start_timeout start_to_close_timeout heartbeat_timeout'), stored, '3.1: ' || given) FROM normalised;
SELECT throws_ok(format('SELECT t.given(%L)', given), '22023', 'a valid start_to_close_timeout or schedule_to_close_timeout must be set on the activity', '3.1: ' || given)
  FROM unnest('{0 5 0 0,0 0 0 5,0 0 0 0,0 5 0 5}'::text[]) given;
SELECT throws_ok('SELECT t.new(''q'', stc => NULL)', '22023', NULL, '3.1: NULL and zero are the same');
-- in this order
SELECT throws_ok('SELECT t.given(''-1 -1 -1 -1'')', '22023', 'invalid schedule_to_close_timeout: must not be negative', '3.1: ScheduleToClose is checked first');
SELECT throws_ok('SELECT t.given(''1 -1 -1 -1'')', '22023', 'invalid schedule_to_start_timeout: must not be negative', '3.1: then ScheduleToStart');
SELECT throws_ok('SELECT t.given(''1 1 -1 -1'')', '22023', 'invalid start_to_close_timeout: must not be negative', '3.1: then StartToClose');
SELECT throws_ok('SELECT t.given(''0 0 0 -1'')', '22023', 'invalid heartbeat_timeout: must not be negative', '3.1: then Heartbeat, before the missing timeout');
ROLLBACK;

-- One case of a timer: what is made and what the worker makes of it, as status,
-- run_state, attempt, retry_state.
CREATE TABLE made (n int GENERATED ALWAYS AS IDENTITY, name text, run bigint, expected text);
CREATE FUNCTION expect(name text, run bigint, expected text) RETURNS void
LANGUAGE sql AS $$ INSERT INTO made (name, run, expected) VALUES (name, run, expected) $$;

-- in its second attempt since an hour; the first one failed with "first"
CREATE FUNCTION second(
  id text, attempts int = 0, s2c interval = NULL, stc interval = '10 min', hb interval = NULL, types text[] = NULL, OUT run bigint, OUT token uuid
)
LANGUAGE plpgsql AS $$
BEGIN
  PERFORM set_clock('-61 min');
  run := new(id, id, s2c => s2c, stc => stc, hb => hb,
    policy => taskq.retry_policy('1 h', maximum_attempts => attempts, non_retryable_error_types => types));
  PERFORM taskq.fail(take(id), 'first', next_retry_delay => '1 s');
  PERFORM set_clock('-60 min');
  token := take(id);
END
$$;

DO $$
DECLARE
  s record;
  id bigint;
BEGIN
  PERFORM set_clock('-1 h');

  -- ScheduleToStart
  PERFORM expect('S2S', new('S2S', s2s => '1 min'), 'timed_out - 1 timeout');
  PERFORM expect('S2S of a retry', new('S2S2', 'S2S2', s2s => '1 min'), 'timed_out - 2 timeout');
  PERFORM taskq.fail(take('S2S2'), 'first', last_heartbeat_details => '"half"');
  PERFORM expect('S2S, while started', new('S2S3', s2s => '1 min', stc => '3 h'), 'running started 1 -');
  PERFORM take('S2S3');
  PERFORM expect('S2S, paused', new('S2S4', 'S2S4', s2s => '1 min'), 'paused paused 1 -');
  PERFORM taskq.pause('S2S4');
  PERFORM expect('S2S, in start delay', new('S2S5', s2s => '1 min', delay => '2 h'), 'running scheduled 1 -');
  PERFORM expect('S2S, in back-off', new('S2S6', 'S2S6', s2s => '1 min'), 'running scheduled 2 -');
  PERFORM taskq.fail(take('S2S6'), 'x', next_retry_delay => '2 h');

  -- ScheduleToClose
  PERFORM expect('S2C only, never polled', new('S2C', s2c => '10 min'), 'timed_out - 1 timeout');
  PERFORM expect('S2C in S', new('S2C2', 'S2C2', s2c => '10 min'), 'timed_out - 2 timeout');
  PERFORM taskq.fail(take('S2C2'), 'first', last_heartbeat_details => '"half"');
  PERFORM expect('S2C in R', new('S2C3', s2c => '10 min'), 'timed_out - 1 timeout');
  PERFORM taskq.heartbeat(take('S2C3'), '"half"');
  PERFORM expect('S2C in CR', new('S2C4', 'S2C4', s2c => '10 min'), 'timed_out - 1 cancel_requested');
  PERFORM take('S2C4'), taskq.request_cancel('S2C4');
  PERFORM expect('S2C in PR', new('S2C5', 'S2C5', s2c => '10 min'), 'timed_out - 1 timeout');
  PERFORM take('S2C5'), taskq.pause('S2C5');
  PERFORM expect('S2C in RR', new('S2C6', 'S2C6', s2c => '10 min'), 'timed_out - 1 timeout');
  PERFORM take('S2C6'), taskq.reset('S2C6');
  PERFORM expect('S2C in P', new('S2C7', 'S2C7', s2c => '10 min'), 'timed_out - 1 timeout');
  PERFORM taskq.pause('S2C7');
  PERFORM expect('S2C, start delay', new('S2C8', s2c => '10 min', delay => '55 min'), 'running scheduled 1 -');
  PERFORM expect('S2C, reset', new('S2C9', 'S2C9', s2c => '10 min', s2s => '5 min'), 'timed_out - 1 timeout');
  PERFORM set_clock('-51 min'), taskq.reset('S2C9'), set_clock('-1 h');

  -- StartToClose
  PERFORM expect('STC', new('STC', stc => '10 min', policy => taskq.retry_policy('2 h')), 'running scheduled 2 -');
  PERFORM taskq.heartbeat(take('STC'), '"half"');
  PERFORM expect('STC exhausted', (second('STC2', attempts => 2)).run, 'timed_out - 2 maximum_attempts_reached');
  PERFORM expect('STC non-retryable', (second('STC3', types => '{TemporalTimeout:StartToClose}')).run, 'timed_out - 2 non_retryable_failure');
  PERFORM expect('STC, Heartbeat non-retryable', (second('STC3b', types => '{TemporalTimeout:Heartbeat}')).run, 'running scheduled 3 -');
  s := second('STC4', s2c => '90 min');
  PERFORM taskq.heartbeat(s.token, '"half"');
  PERFORM expect('STC no room', s.run, 'timed_out - 2 timeout');
  s := second('STC5', attempts => 2);
  PERFORM taskq.request_cancel('STC5');
  PERFORM expect('STC in CR', s.run, 'timed_out - 2 cancel_requested');
  s := second('STC6');
  PERFORM taskq.pause('STC6');
  PERFORM expect('STC in PR', s.run, 'paused paused 3 -');
  s := second('STC7', attempts => 2);
  PERFORM taskq.pause('STC7');
  PERFORM expect('STC in PR, exhausted', s.run, 'timed_out - 2 maximum_attempts_reached');
  s := second('STC8', attempts => 2, types => '{TemporalTimeout:StartToClose}', s2c => '90 min');
  PERFORM taskq.reset('STC8');
  PERFORM expect('STC in RR', s.run, 'running scheduled 1 -');
  s := second('STC9');
  PERFORM taskq.pause('STC9'), taskq.reset('STC9', keep_paused => true);
  PERFORM expect('STC in RR, keep_paused', s.run, 'paused paused 1 -');
  s := second('STC10', attempts => 2, hb => '5 min');
  PERFORM set_clock('-56 min'), taskq.heartbeat(s.token), set_clock('-52 min'), taskq.heartbeat(s.token), set_clock('-1 min'), taskq.heartbeat(s.token);
  PERFORM expect('STC is not extended by heartbeats', s.run, 'timed_out - 2 maximum_attempts_reached');
  s := second('STC11', attempts => 2);
  PERFORM taskq.complete(s.token);
  PERFORM expect('STC, completed before', s.run, 'completed - 2 -');

  -- Heartbeat
  s := second('HB', hb => '1 min', stc => '3 h');
  PERFORM expect('HB', s.run, 'running scheduled 3 -');
  s := second('HB2', attempts => 2, hb => '1 min', stc => '3 h');
  PERFORM taskq.heartbeat(s.token, '"half"');
  PERFORM expect('HB exhausted', s.run, 'timed_out - 2 maximum_attempts_reached');
  PERFORM expect('HB non-retryable', (second('HB3', hb => '1 min', stc => '3 h', types => '{TemporalTimeout:Heartbeat}')).run, 'timed_out - 2 non_retryable_failure');
  PERFORM expect('HB no room', (second('HB4', hb => '1 min', s2c => '90 min', stc => '80 min')).run, 'timed_out - 2 timeout');
  s := second('HB5', hb => '1 min', stc => '3 h');
  PERFORM taskq.request_cancel('HB5');
  PERFORM expect('HB in CR', s.run, 'timed_out - 2 cancel_requested');
  s := second('HB6', hb => '30 min', stc => '3 h');
  PERFORM set_clock('-10 min'), taskq.heartbeat(s.token);
  PERFORM expect('HB, heartbeats come', s.run, 'running started 2 -');
  s := second('HB7', stc => '3 h');
  PERFORM taskq.heartbeat(s.token);
  PERFORM expect('HB not set', s.run, 'running started 2 -');
  s := second('HB8', hb => '10 min', stc => '10 min');
  PERFORM expect('STC before HB at the same time', s.run, 'running scheduled 3 -');

  -- options updates
  s := second('UP', attempts => 2, stc => '3 h');
  PERFORM taskq.update_options('UP', options => '{"start_to_close_timeout": "5 min"}');
  PERFORM expect('STC shortened', s.run, 'timed_out - 2 maximum_attempts_reached');
  s := second('UP2', attempts => 2, stc => '10 min');
  PERFORM taskq.update_options('UP2', options => '{"start_to_close_timeout": "3 h"}');
  PERFORM expect('STC enlarged', s.run, 'running started 2 -');
  s := second('UP3', attempts => 2, stc => '3 h');
  PERFORM taskq.update_options('UP3', options => '{"heartbeat_timeout": "5 min"}');
  PERFORM expect('HB set', s.run, 'timed_out - 2 maximum_attempts_reached');
  s := second('UP4', attempts => 2, stc => '3 h', hb => '5 min');
  PERFORM taskq.update_options('UP4', options => '{"heartbeat_timeout": null}');
  PERFORM expect('HB unset', s.run, 'running started 2 -');
  s := second('UP5', stc => '3 h');
  PERFORM taskq.pause('UP5'), taskq.update_options('UP5', options => '{"schedule_to_close_timeout": "5 min"}');
  PERFORM expect('S2C set in PR', s.run, 'timed_out - 2 timeout');
  id := new('UP6', 'UP6', delay => '59 min');
  PERFORM taskq.update_options('UP6', options => '{"start_delay": null, "schedule_to_close_timeout": "5 min"}');
  PERFORM expect('S2C set, start delay unset', id, 'timed_out - 1 timeout');
  id := new('UP7', 'UP7', s2c => '3 h');
  PERFORM taskq.update_options('UP7', options => '{"schedule_to_close_timeout": null}');
  PERFORM taskq.update_options('UP7', options => '{"schedule_to_start_timeout": null}');
  PERFORM expect('S2C unset', id, 'running scheduled 1 -');
  id := new('UP8', 'UP8', s2c => '5 min');
  PERFORM taskq.pause('UP8'), taskq.update_options('UP8', options => '{"schedule_to_close_timeout": "1 day"}');
  PERFORM set_clock('-30 min'), taskq.reset('UP8', restore_original_options => true, keep_paused => true);
  PERFORM expect('S2C restored, already past', id, 'timed_out - 1 timeout');

  -- no timer at all
  PERFORM set_clock('-1 h');
  PERFORM expect('no timer in S', new('none'), 'running scheduled 1 -');
  PERFORM set_clock('0');
END
$$;
CREATE FUNCTION now_is(run bigint) RETURNS text LANGUAGE sql AS $$ SELECT show(run, 'status run_state attempt retry_state') $$;
CALL wait_until('NOT EXISTS (SELECT FROM made WHERE now_is(run) <> expected)');
SELECT is(now_is(run), expected, '3.5: ' || name) FROM made ORDER BY n;

-- 3.5: failures of closed activities
CREATE FUNCTION failure_of(name text) RETURNS jsonb
LANGUAGE sql AS $$ SELECT failure FROM made m JOIN taskq.activities ON run_id = run WHERE m.name = failure_of.name $$;
CREATE FUNCTION last_failure_of(name text) RETURNS jsonb
LANGUAGE sql AS $$ SELECT last_failure FROM made m JOIN taskq.activities ON run_id = run WHERE m.name = last_failure_of.name $$;
SELECT is(failure_of('S2S'), '{"kind": "timeout", "message": "activity ScheduleToStart timeout", "timeout_type": "schedule_to_start"}', 'S2S: failure');
SELECT is(last_failure_of('S2S'), NULL, 'S2S: last_failure untouched');
SELECT is(failure_of('S2S of a retry'), '{"kind": "timeout", "message": "activity ScheduleToStart timeout", "timeout_type": "schedule_to_start",
  "last_heartbeat_details": "half", "cause": {"kind": "application", "message": "first"}}', 'S2S: cause is the last attempt''s failure, with the last checkpoint');
SELECT is(last_failure_of('S2S of a retry'), '{"kind": "application", "message": "first"}', 'S2S: last_failure untouched, again');
SELECT is(failure_of('S2C only, never polled') ->> 'timeout_type', 'schedule_to_start', '3.4: with only S2C, S2S wins at equal time');
SELECT is(failure_of('S2C in S'), '{"kind": "timeout", "message": "activity ScheduleToClose timeout", "timeout_type": "schedule_to_close",
  "last_heartbeat_details": "half", "cause": {"kind": "application", "message": "first"}}', 'S2C: failure');
SELECT is(failure_of('S2C in R'), '{"kind": "timeout", "message": "activity ScheduleToClose timeout", "timeout_type": "schedule_to_close",
  "last_heartbeat_details": "half"}', 'S2C in R: no cause, the attempt had not failed');
SELECT is(failure_of('S2C in P') ->> 'timeout_type', 'schedule_to_close', 'S2C runs while paused');
SELECT is(failure_of('S2C, reset') ->> 'timeout_type', 'schedule_to_close', 'S2C is not restarted by a reset');
SELECT is(last_failure_of('STC'), '{"kind": "timeout", "message": "activity StartToClose timeout", "timeout_type": "start_to_close"}',
  'STC retried: last_failure is the bare timeout');
SELECT is(last_failure_of('HB'), '{"kind": "timeout", "message": "activity Heartbeat timeout", "timeout_type": "heartbeat"}',
  'HB retried: last_failure is the bare timeout, replacing the previous one');
SELECT is(failure_of('STC exhausted'), '{"kind": "timeout", "message": "activity StartToClose timeout", "timeout_type": "start_to_close",
  "cause": {"kind": "application", "message": "first"}}', 'STC: cause is the previous attempt''s failure');
SELECT is(last_failure_of('STC exhausted') ->> 'message', 'activity StartToClose timeout', 'STC: last_failure is the timeout');
SELECT is(failure_of('HB exhausted'), '{"kind": "timeout", "message": "activity Heartbeat timeout", "timeout_type": "heartbeat",
  "last_heartbeat_details": "half", "cause": {"kind": "application", "message": "first"}}', 'HB: failure');
SELECT is(failure_of('STC no room'), '{"kind": "timeout", "timeout_type": "schedule_to_close",
  "message": "Not enough time to schedule next retry before activity ScheduleToClose timeout, giving up retrying",
  "last_heartbeat_details": "half", "cause": {"kind": "application", "message": "first"}}', 'STC no room: converted; cause is the failure before');
SELECT is(last_failure_of('STC no room') ->> 'timeout_type', 'start_to_close', 'STC no room: last_failure still shows StartToClose');
SELECT is(failure_of('HB no room') ->> 'timeout_type', 'schedule_to_close', 'HB no room: converted');
SELECT is(last_failure_of('HB no room') ->> 'timeout_type', 'heartbeat', 'HB no room: last_failure still shows Heartbeat');
SELECT is(failure_of('STC in CR') ->> 'timeout_type', 'start_to_close', 'STC in CR: reported as StartToClose');
SELECT is(failure_of('HB in CR') ->> 'timeout_type', 'heartbeat', 'HB in CR: reported as Heartbeat');
SELECT is(last_failure_of('STC before HB at the same time') ->> 'timeout_type', 'start_to_close', '3.4: STC wins over HB at equal time');
SELECT is(last_failure_of('STC in RR') ->> 'timeout_type', 'start_to_close', 'STC in RR: last_failure is recorded');

-- 3.2, 3.5: times
CREATE VIEW timed AS SELECT name, v.* FROM made JOIN taskq.activities v ON run_id = run;
SELECT is((SELECT next_attempt_schedule_time - last_attempt_complete_time FROM timed WHERE name = 'STC'), '2 h', 'STC: dispatch_time = complete_time + interval');
SELECT is((SELECT current_retry_interval FROM timed WHERE name = 'HB'), '2 h', 'HB: the interval of the policy after attempt 2');
SELECT is((SELECT count(*) FROM timed WHERE status = 'timed_out' AND name ~ '^(STC|HB)' AND close_time <> last_attempt_complete_time), 0,
  'complete_time is when the attempt was declared dead');
SELECT is((SELECT last_attempt_complete_time FROM timed WHERE name = 'S2S'), NULL, 'S2S: no attempt, no complete_time');
SELECT is((SELECT count(*) FROM timed WHERE status = 'timed_out' AND (run_state IS NOT NULL OR next_attempt_schedule_time IS NOT NULL
  OR current_retry_interval IS NOT NULL)), 0, 'closed: nothing is to come');
SELECT is((SELECT (heartbeat_details, total_heartbeat_count)::text FROM timed WHERE name = 'HB exhausted'), '("""half""",1)', 'heartbeat details stay readable after close');
SELECT throws_ok('SELECT taskq.complete_by_id(''S2C4'')', 'TQ001', 'activity not found for ID: S2C4', '3.6: the worker learns through NotFound');

-- never early
SELECT expect('soon', new('soon', s2c => '200 ms'), 'timed_out - 1 timeout');
SELECT expect('soon, running', new('soon2', stc => '200 ms', policy => taskq.retry_policy(maximum_attempts => 1)), 'timed_out - 1 maximum_attempts_reached');
SELECT taskq.heartbeat(take('soon2')) \g /dev/null
SELECT expect('soon, heartbeat', new('soon3', hb => '200 ms', policy => taskq.retry_policy(maximum_attempts => 1)), 'timed_out - 1 maximum_attempts_reached');
SELECT taskq.heartbeat(take('soon3')) \g /dev/null
CALL wait_until('NOT EXISTS (SELECT FROM made WHERE name LIKE ''soon%'' AND now_is(run) <> expected)');
SELECT is(now_is(run), expected, 'never early: ' || name) FROM made WHERE name LIKE 'soon%';
SELECT ok((SELECT close_time >= expiration_time FROM timed WHERE name = 'soon'), 'ScheduleToClose does not fire early');
SELECT ok((SELECT close_time >= last_started_time + start_to_close_timeout FROM timed WHERE name = 'soon, running'), 'StartToClose does not fire early');
SELECT ok((SELECT close_time >= last_heartbeat_time + heartbeat_timeout FROM timed WHERE name = 'soon, heartbeat'), 'Heartbeat does not fire early');

-- 3.5: the ten canonical closings; those that a worker reports
BEGIN;
SELECT is(taskq.fail((second('c1')).token, 'x', non_retryable => true), 'non_retryable_failure', 'canonical: non-retryable');
SELECT is(taskq.fail((second('c2', attempts => 2)).token, 'x'), 'maximum_attempts_reached', 'canonical: exhausted');
SELECT is(taskq.fail((second('c3', s2c => '1 h')).token, 'x'), 'timeout', 'canonical: back-off beyond ScheduleToClose');
SELECT token FROM second('c4') \gset
SELECT taskq.request_cancel('c4');
SELECT is(taskq.fail(:'token', 'x'), 'cancel_requested', 'canonical: cancel pending and failure');
SELECT is(now_is((SELECT run_id FROM taskq.describe(id))), 'failed - 2 ' || state, 'canonical: ' || id || ' is FAILED')
  FROM (VALUES ('c1', 'non_retryable_failure'), ('c2', 'maximum_attempts_reached'), ('c3', 'timeout'), ('c4', 'cancel_requested')) c (id, state);
SELECT is((SELECT failure FROM taskq.describe('c3')), '{"kind": "application", "message": "x"}', 'a worker failure is the outcome, unmodified, also with TIMEOUT');
ROLLBACK;
-- and those of timers, tested above
SELECT is((SELECT string_agg(expected, ', ' ORDER BY n) FROM made WHERE name IN ('S2S', 'S2C in R', 'STC exhausted', 'STC no room', 'STC in CR', 'S2C in CR')),
  'timed_out - 1 timeout, timed_out - 1 timeout, timed_out - 1 cancel_requested, timed_out - 2 maximum_attempts_reached, timed_out - 2 timeout, timed_out - 2 cancel_requested',
  'canonical: S2S, S2C, S2C in CR, STC exhausted, STC no room, STC in CR');

SELECT * FROM finish();
SELECT taskq.delete(run_id => run) FROM made \g /dev/null
DROP SCHEMA t CASCADE;
