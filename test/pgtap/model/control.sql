-- docs/semantics.md: control operations in detail.  States and request ids are in
-- model/matrix.sql, effects on the state in model/state_machine.sql.

BEGIN;
\ir ../include/helpers.psql
SELECT * FROM no_plan();

-- arguments that all of them share
CREATE TABLE call (name text, sql text);
INSERT INTO call VALUES
('request_cancel', 'SELECT taskq.request_cancel(''v'', %s)'),
('terminate', 'SELECT taskq.terminate(''v'', %s)'),
('pause', 'SELECT taskq.pause(''v'', %s)'),
('unpause', 'SELECT taskq.unpause(''v'', %s)'),
('reset', 'SELECT taskq.reset(''v'', %s)'),
('update_options', 'SELECT taskq.update_options(''v'', options => ''{"priority": 1}'', %s)');
SELECT new('v', 'v') AS run \gset
SELECT throws_ok(format(sql, 'request_id => repeat(''x'', 1001)'), '22023', 'request ID exceeds length limit', name || ': request id too long') FROM call;
SELECT throws_ok(format(sql, 'identity => repeat(''x'', 1001)'), '22023', 'identity exceeds length limit', name || ': identity too long') FROM call;
SELECT throws_ok(format(sql, 'identity => repeat(''ü'', 501)'), '22023', 'identity exceeds length limit', name || ': lengths are in bytes') FROM call;
SET LOCAL taskq.max_payload_size = '1kB';
SELECT throws_ok(format(sql, 'reason => repeat(''x'', 1025)'), '22023', 'reason exceeds length limit', name || ': reason too long')
  FROM call WHERE name NOT IN ('reset', 'update_options');
RESET taskq.max_payload_size;
SELECT throws_ok(format(sql, 'jitter => ''-1 s'''), '22023', 'invalid jitter: must not be negative', name || ': negative jitter')
  FROM call WHERE name IN ('unpause', 'reset');
SELECT throws_ok(format(sql, 'jitter => ''1 mon'''), '22023', NULL, name || ': jitter of months') FROM call WHERE name IN ('unpause', 'reset');
SELECT is(show(:run, 'status state_transition_count'), 'running 1', 'a call that is refused changes nothing');
SELECT lives_ok('SELECT taskq.pause(''v'', request_id => repeat(''x'', 1000), identity => repeat(''y'', 1000), reason => repeat(''z'', 100000))',
  'the longest names, and a long reason');
SELECT taskq.unpause('v', request_id => '');
SELECT throws_ok('SELECT taskq.unpause(''v'', request_id => '''')', 'TQ003', NULL, 'an empty request id is none: each call is a new request');

-- update_options: what to update
SELECT throws_ok('SELECT taskq.update_options(''v'', options => ''{"priority": 1}'', restore_original => true)', '22023',
  'both options and restore_original are provided', 'update_options: both');
SELECT throws_ok('SELECT taskq.update_options(''v'')', '22023', 'options are not provided', 'update_options: nothing');
SELECT throws_ok('SELECT taskq.update_options(''v'', options => ''{}'')', '22023', 'options must have at least one key', 'update_options: {}');
SELECT throws_ok(format('SELECT taskq.update_options(''v'', options => %L)', j), '22023', 'options must be a JSON object', 'update_options: ' || j)
  FROM unnest(ARRAY['null', '[]', '1', '"priority"', '[{"priority": 1}]']) j;
SELECT throws_ok(format('SELECT taskq.update_options(''v'', options => %L)', format('{%s: 1}', to_json(key))), '22023',
    format('unsupported key in options: "%s"', key), 'update_options: unsupported path ' || key)
  FROM unnest(ARRAY['taskQueue', 'startToCloseTimeout', '*', '', 'Priority', 'input', 'activity_id', 'retry_policy.maximum_attempts']) key;
SELECT throws_ok(format('SELECT taskq.update_options(''v'', options => %L)', format('{"retry_policy": {%s: 1}}', to_json(key))), '22023',
    format('unsupported key in options: "retry_policy.%s"', key), 'update_options: unsupported path retry_policy.' || key)
  FROM unnest(ARRAY['maximumAttempts', '*', '', 'attempts']) key;

-- update_options: each value is validated as at start
CREATE TABLE bad (options text, message text);
INSERT INTO bad VALUES
('{"task_queue": null}', 'missing task queue name'),
('{"task_queue": ""}', 'missing task queue name'),
('{"task_queue": "/_sys/x"}', 'task queue name cannot start with reserved prefix /_sys/'),
('{"task_queue": 1}', 'invalid value for option "task_queue"'),
('{"start_to_close_timeout": 10}', 'invalid value for option "start_to_close_timeout"'),
('{"start_to_close_timeout": "soon"}', 'invalid start_to_close_timeout: "soon" is not an interval'),
('{"start_to_close_timeout": ""}', 'invalid start_to_close_timeout: "" is not an interval'),
('{"start_to_close_timeout": "-1s"}', 'invalid start_to_close_timeout: must not be negative'),
('{"schedule_to_close_timeout": "-1s"}', 'invalid schedule_to_close_timeout: must not be negative'),
('{"schedule_to_start_timeout": "-1s"}', 'invalid schedule_to_start_timeout: must not be negative'),
('{"heartbeat_timeout": "-1s"}', 'invalid heartbeat_timeout: must not be negative'),
('{"heartbeat_timeout": "1 mon"}', 'invalid heartbeat_timeout: must not contain months, whose length varies'),
('{"start_to_close_timeout": null}', 'a valid start_to_close_timeout or schedule_to_close_timeout must be set on the activity'),
('{"start_delay": "-1s"}', 'invalid start_delay: must not be negative'),
('{"priority": -1}', 'invalid priorities: priority key can''t be negative'),
('{"priority": 1.5}', 'invalid value for option "priority"'),
('{"priority": 1e10}', 'invalid value for option "priority"'),
('{"priority": 1e400}', 'invalid value for option "priority"'),
('{"priority": "1"}', 'invalid value for option "priority"'),
('{"priority": true}', 'invalid value for option "priority"'),
('{"fairness_key": 1}', 'invalid value for option "fairness_key"'),
('{"fairness_key": "12345678901234567890123456789012345678901234567890123456789012345"}', 'invalid priorities: fairness key length exceeds limit'),
('{"fairness_weight": -1}', 'invalid priorities: must be greater than zero'),
('{"fairness_weight": "1"}', 'invalid value for option "fairness_weight"'),
('{"fairness_weight": 1e400}', 'invalid priorities: fairness weight must be a finite number'),
('{"retry_policy": []}', 'invalid value for option "retry_policy"'),
('{"retry_policy": 1}', 'invalid value for option "retry_policy"'),
('{"retry_policy": {"initial_interval": 1}}', 'invalid value for option "initial_interval"'),
('{"retry_policy": {"initial_interval": "-1s"}}', 'invalid initial_interval set on retry policy: must not be negative'),
('{"retry_policy": {"maximum_interval": "-1s"}}', 'invalid maximum_interval set on retry policy: must not be negative'),
('{"retry_policy": {"maximum_interval": "1ms"}}', 'maximum_interval cannot be less than initial_interval on retry policy'),
('{"retry_policy": {"backoff_coefficient": 0.5}}', 'backoff_coefficient cannot be less than 1 on retry policy'),
('{"retry_policy": {"backoff_coefficient": 1e400}}', 'backoff_coefficient must be a finite number on retry policy'),
('{"retry_policy": {"maximum_attempts": -1}}', 'maximum_attempts cannot be negative on retry policy'),
('{"retry_policy": {"jitter": 2}}', 'jitter must be between 0 and 1 on retry policy'),
('{"retry_policy": {"non_retryable_error_types": "x"}}', 'invalid value for option "non_retryable_error_types"'),
('{"retry_policy": {"non_retryable_error_types": [1]}}', 'invalid value for option "non_retryable_error_types"'),
('{"retry_policy": {"non_retryable_error_types": [null]}}', 'invalid value for option "non_retryable_error_types"'),
('{"retry_policy": {"non_retryable_error_types": [["x"]]}}', 'invalid value for option "non_retryable_error_types"'),
('{"retry_policy": {"non_retryable_error_types": ["TemporalTimeout:x"]}}', 'Invalid timeout type value: x.'),
-- good ones next to a bad one do not count
('{"priority": 1, "start_to_close_timeout": "x"}', 'invalid start_to_close_timeout: "x" is not an interval');
SELECT throws_ok(format('SELECT taskq.update_options(''v'', options => %L)', options), '22023', message, 'update_options: ' || left(options, 60)) FROM bad;
SELECT is(show(:run, 'state_transition_count priority start_to_close_timeout'), '3 - 01:00:00', 'update_options: what is refused changes nothing');

-- update_options: the keys present are the mask
SELECT new('m', 'm', policy => taskq.retry_policy('5 s', 3, '1 min', 7, '{A,B}', 0.5), stc => '10 min', hb => '1 min') AS run \gset
SELECT is(taskq.update_options('m', options => '{"priority": 2, "fairness_key": "k", "fairness_weight": 2.5}'),
  '{"task_queue": "m", "schedule_to_close_timeout": null, "schedule_to_start_timeout": null, "start_to_close_timeout": "00:10:00",
    "heartbeat_timeout": "00:01:00", "priority": 2, "fairness_key": "k", "fairness_weight": 2.5, "start_delay": null,
    "retry_policy": {"initial_interval": "00:00:05", "backoff_coefficient": 3, "maximum_interval": "00:01:00", "maximum_attempts": 7,
      "non_retryable_error_types": ["A", "B"], "jitter": 0.5}}',
  'update_options returns all effective options');
SELECT is(taskq.update_options('m', options => '{"priority": null, "fairness_key": null, "fairness_weight": null}')
    ->> '{priority,fairness_key,fairness_weight}', NULL, 'update_options: a JSON null unsets');
SELECT is(show(:run, 'priority fairness_key fairness_weight heartbeat_timeout'), '- - - 00:01:00', '... and shows so');
SELECT is(taskq.update_options('m', options => '{"retry_policy": {"maximum_attempts": 9, "jitter": 0}}') -> 'retry_policy',
  '{"initial_interval": "00:00:05", "backoff_coefficient": 3, "maximum_interval": "00:01:00", "maximum_attempts": 9,
    "non_retryable_error_types": ["A", "B"], "jitter": 0}', 'update_options: inside retry_policy, too, the keys present are the mask');
SELECT is(taskq.update_options('m', options => '{"retry_policy": {"initial_interval": null, "backoff_coefficient": null, "maximum_interval": null,
    "maximum_attempts": null, "non_retryable_error_types": null}}') -> 'retry_policy',
  '{"initial_interval": "00:00:01", "backoff_coefficient": 2, "maximum_interval": "00:01:40", "maximum_attempts": 0,
    "non_retryable_error_types": null, "jitter": 0}', 'update_options: null inside retry_policy is the default');
SELECT taskq.update_options('m', options => '{"retry_policy": {"maximum_attempts": 4, "initial_interval": "3s", "maximum_interval": null}}');
SELECT is(taskq.update_options('m', options => '{"retry_policy": null}') -> 'retry_policy',
  '{"initial_interval": "00:00:01", "backoff_coefficient": 2, "maximum_interval": "00:01:40", "maximum_attempts": 0,
    "non_retryable_error_types": null, "jitter": 0}', 'update_options: retry_policy null is the default policy');
SELECT is(taskq.update_options('m', options => '{"heartbeat_timeout": null}') ->> 'heartbeat_timeout', NULL, 'update_options: heartbeat_timeout null unsets it');
SELECT is(taskq.update_options('m', options => '{"start_to_close_timeout": "2562047788:00:54.775807"}') ->> 'start_to_close_timeout' IS NOT NULL, true,
  'update_options: the longest duration');
SELECT lives_ok('SELECT * FROM taskq.activities', '... can be read');
SELECT lives_ok('SELECT taskq.update_options(''m'', restore_original => true)', '... and restored from');

-- update_options: what it returns can be fed back, in each state and as often as one likes, and leaves the options as they are
CREATE FUNCTION options_of(run bigint) RETURNS jsonb
LANGUAGE sql AS $$
  SELECT to_jsonb(o) FROM (SELECT task_queue, schedule_to_close_timeout, schedule_to_start_timeout, start_to_close_timeout, heartbeat_timeout, start_delay,
    priority, fairness_key, fairness_weight, retry_policy, execution_time, expiration_time FROM a(run)) o
$$;
CREATE FUNCTION fed_back(run bigint) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
  shown jsonb := options_of(run);
  returned jsonb;
BEGIN
  returned := taskq.update_options(run_id => run, options => jsonb_build_object('task_queue', shown -> 'task_queue'));
  FOR i IN 1..2 LOOP
    IF taskq.update_options(run_id => run, options => returned) <> returned THEN
      RETURN 'others are returned';
    END IF;
  END LOOP;
  RETURN CASE WHEN options_of(run) = shown THEN 'the same' ELSE 'others are shown' END;
EXCEPTION WHEN OTHERS THEN
  RETURN SQLERRM;
END
$$;
CREATE TABLE fed (queue text, steps text);
INSERT INTO fed VALUES
  ('in its start delay', ''), ('due', 'SELECT t.set_clock(''1 h'')'), ('started', 'SELECT t.set_clock(''1 h''), t.take(''started'')'),
  ('paused', 'SELECT taskq.pause(run_id => $1)'), ('paused when due', 'SELECT t.set_clock(''1 h''), taskq.pause(run_id => $1)'),
  ('pause requested', 'SELECT t.set_clock(''1 h''), t.take(''pause requested''), taskq.pause(run_id => $1)'),
  ('backing off', 'SELECT t.set_clock(''1 h''), taskq.fail(t.take(''backing off''), ''x'')'),
  ('paused in its back-off', 'SELECT t.set_clock(''1 h''), taskq.fail(t.take(''paused in its back-off''), ''x''), taskq.pause(run_id => $1)');
CREATE FUNCTION fed(queue text, steps text, delay interval, everything boolean) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
  run bigint;
  result text;
BEGIN
  SELECT run_id INTO run FROM taskq.schedule(queue, 't', schedule_to_close_timeout => CASE WHEN everything THEN interval '100 h' END,
    schedule_to_start_timeout => CASE WHEN everything THEN interval '90 h' END, start_to_close_timeout => '80 h',
    heartbeat_timeout => CASE WHEN everything THEN interval '1.000001 s' END, start_delay => delay, priority => CASE WHEN everything THEN 4 END,
    fairness_key => CASE WHEN everything THEN 'k "ü"' END, fairness_weight => CASE WHEN everything THEN 0.1 + 0.2::float8 END,
    retry_policy => CASE WHEN everything THEN taskq.retry_policy('1.5 s', pi(), '30 h', 7, '{A,"B b",""}', 0.1 + 0.2::float8) END);
  IF steps <> '' THEN
    EXECUTE steps USING run;
  END IF;
  result := fed_back(run);
  PERFORM set_clock('0');
  PERFORM taskq.terminate(run_id => run);
  RETURN result;
END
$$;
SELECT is(fed(queue, steps, delay, everything), 'the same', format('update_options: fed back: %s, delay %s, %s', queue, delay, CASE WHEN everything THEN 'everything set' ELSE 'hardly anything set' END))
FROM fed, unnest(ARRAY[NULL, interval '30 min']) delay, unnest(ARRAY[true, false]) everything;
SELECT new('fed', policy => taskq.retry_policy(maximum_attempts => 1, initial_interval => '2 s', maximum_interval => '1 s', backoff_coefficient => 0.5,
  non_retryable_error_types => '{TemporalTimeout:Never}')) AS run \gset
SELECT is(fed_back(:run), 'the same', 'update_options: fed back: a policy that is not checked');
SELECT new('fed', stc => '2562047788:00:54.775807', s2c => '2562047788:00:54.775807', policy => taskq.retry_policy('2562047788:00:54.775807')) AS run \gset
SELECT is(fed_back(:run), 'the same', 'update_options: fed back: the longest durations');
SELECT new('fed') AS run \gset
SET LOCAL taskq.default_maximum_attempts = 5;
SELECT is(fed_back(:run), 'the same', 'update_options: fed back: no limit of attempts, where there is one by default');
SELECT is(taskq.update_options(run_id => :run, options => '{"retry_policy": {"maximum_attempts": null}}') #>> '{retry_policy,maximum_attempts}', '5', 'null is the default');
SELECT is(taskq.update_options(run_id => :run, options => '{"retry_policy": {"maximum_attempts": 0}}') #>> '{retry_policy,maximum_attempts}', '5', 'so is 0, as in schedule, where there is a limit');
RESET taskq.default_maximum_attempts;
SELECT new('fed', delay => '1 h', hb => '1 min') AS run \gset
SELECT set_clock('2 h'), taskq.pause(run_id => :run), taskq.unpause(run_id => :run) \g /dev/null
SELECT is(taskq.update_options(run_id => :run, options => format('{"start_at": "%s"}', (a(:run)).execution_time)::jsonb) ->> 'start_delay', '01:00:00',
  'update_options: the same start_at is no change either');
SELECT throws_ok(format('SELECT taskq.update_options(run_id => %s, options => ''{"start_delay": "%s"}'')', :run, delay), 'TQ003', NULL, 'another start_delay is: ' || delay)
FROM unnest(ARRAY['0', '59:59.999999', '01:00:00.000001']) delay;
SELECT throws_ok(format('SELECT taskq.update_options(run_id => %s, options => ''{"start_delay": null}'')', :run), 'TQ003', NULL, 'to unset it, too');
SELECT set_clock('0');

-- update_options: timeouts are normalised again
SELECT new('n', 'n', s2c => '1 h', stc => '10 min', hb => '1 min') AS run \gset
SELECT is(show(:run, 'schedule_to_close_timeout schedule_to_start_timeout start_to_close_timeout heartbeat_timeout'),
  '01:00:00 01:00:00 00:10:00 00:01:00', 'before');
SELECT taskq.update_options('n', options => '{"schedule_to_close_timeout": "2 h"}');
SELECT is(show(:run, 'schedule_to_close_timeout schedule_to_start_timeout start_to_close_timeout heartbeat_timeout'),
  '02:00:00 01:00:00 00:10:00 00:01:00', 'enlarging ScheduleToClose alone does not enlarge the others');
SELECT taskq.update_options('n', options => '{"schedule_to_close_timeout": "30 s"}');
SELECT is(show(:run, 'schedule_to_close_timeout schedule_to_start_timeout start_to_close_timeout heartbeat_timeout'),
  '00:00:30 00:00:30 00:00:30 00:00:30', 'shortening ScheduleToClose shortens all');
SELECT taskq.update_options('n', options => '{"schedule_to_close_timeout": null}');
SELECT is(show(:run, 'schedule_to_close_timeout schedule_to_start_timeout start_to_close_timeout heartbeat_timeout expiration_time'),
  '- 00:00:30 00:00:30 00:00:30 -', 'unsetting ScheduleToClose');
SELECT taskq.update_options('n', restore_original => true);
SELECT is(show(:run, 'schedule_to_close_timeout schedule_to_start_timeout start_to_close_timeout heartbeat_timeout'),
  '01:00:00 01:00:00 00:10:00 00:01:00', 'restore_original: as at schedule');
SELECT taskq.update_options('n', restore_original => true);
SELECT is((SELECT state_transition_count FROM a(:run)), 6, 'restore_original once more is a transition, too');

-- restore_original: exactly what it was, also under other defaults
SELECT new('o', 'o', policy => taskq.retry_policy(maximum_attempts => 1, backoff_coefficient => 0.5)) AS run \gset
SELECT taskq.update_options('o', options => '{"priority": 1}');
SELECT lives_ok('SELECT taskq.update_options(''o'', restore_original => true)', 'restore_original: a policy that was not checked');
SELECT is((SELECT (retry_policy ->> 'backoff_coefficient')::float8 FROM a(:run)), 0.5::float8, '... is put back');
SELECT throws_ok('SELECT taskq.update_options(''o'', options => ''{"retry_policy": {"maximum_attempts": 2}}'')', '22023',
  'backoff_coefficient cannot be less than 1 on retry policy', 'the merged policy is validated');
SELECT new('o2', 'o2') AS run \gset
SELECT taskq.update_options('o2', options => '{"retry_policy": {"maximum_attempts": 3}}');
SET LOCAL taskq.default_maximum_attempts = 5;
SELECT taskq.update_options('o2', restore_original => true);
SELECT is((SELECT (retry_policy ->> 'maximum_attempts')::int FROM a(:run)), 0, 'restore_original: no limit stays no limit');
RESET taskq.default_maximum_attempts;
SELECT new('o3', 'o3', policy => taskq.retry_policy(backoff_coefficient => pi(), jitter => 0.1 + 0.2::float8)) AS run \gset
SELECT taskq.update_options('o3', options => '{"fairness_weight": 0.30000000000000004}');
SELECT is((SELECT fairness_weight FROM a(:run)), 0.30000000000000004::float8, 'update_options: a number is not rounded');
SELECT taskq.update_options('o3', restore_original => true);
SELECT ok((SELECT (retry_policy ->> 'backoff_coefficient')::float8 = pi() AND (retry_policy ->> 'jitter')::float8 = 0.1 + 0.2::float8 FROM a(:run)), 'restore_original: nor is one restored');

-- restore at reset
SELECT new('r', 'r', delay => '1 h', s2c => '2 h') AS run \gset
SELECT expiration_time AS expiration FROM a(:run) \gset
SELECT taskq.update_options('r', options => '{"start_delay": "2 h", "task_queue": "elsewhere", "priority": 1}');
SELECT is((SELECT execution_time - schedule_time FROM a(:run)), '2 h', 'update_options: start_delay inside the delay window');
SELECT is((SELECT next_attempt_schedule_time - schedule_time FROM a(:run)), '2 h', '... moves dispatch_time');
SELECT is((SELECT expiration_time - schedule_time FROM a(:run)), '4 h', '... and the ScheduleToClose deadline');
SELECT taskq.reset('r', restore_original_options => true);
SELECT is(show(:run, 'task_queue priority start_delay attempt'), 'r - 01:00:00 1', 'reset: restore_original_options');
SELECT is((SELECT expiration_time FROM a(:run)), :'expiration', '... with the ScheduleToClose deadline');
SELECT new('r2', 'r2', delay => '1 h') AS run \gset
SELECT taskq.update_options('r2', options => '{"start_delay": null, "priority": 1}');
SELECT taskq.fail(take('r2'), 'x');
SELECT taskq.reset('r2', restore_original_options => true);
SELECT is(show(:run, 'priority start_delay'), '- -', 'reset: start_delay is restored only if the first attempt never started');

-- reset of a running attempt: the jitter applies when it yields
SELECT new('rj', 'rj') AS run \gset
SELECT take('rj') AS token \gset
SELECT taskq.reset('rj', jitter => '1000 h');
SELECT set_clock('1 h');
SELECT taskq.fail(:'token', 'x');
SELECT ok((SELECT next_attempt_schedule_time BETWEEN last_attempt_complete_time AND last_attempt_complete_time + interval '1000 h' FROM a(:run)),
  'reset: jitter of a running attempt counts from when it yields');
SELECT is(show(:run, 'attempt current_retry_interval'), '1 -', '... there is no retry interval');
SELECT set_clock('0');

-- start_delay
CREATE TABLE delayed AS SELECT 'cannot update start_delay: the first activity attempt has already been dispatched'::text AS message;
SELECT new('d', 'd') AS run \gset
SELECT throws_ok('SELECT taskq.update_options(''d'', options => ''{"start_delay": "1 h"}'')', 'TQ003', message, 'start_delay: not once dispatched')
  FROM delayed;
SELECT taskq.pause('d');
SELECT lives_ok('SELECT taskq.update_options(''d'', options => ''{"start_delay": "1 h"}'')', 'start_delay: while paused before the first attempt');
SELECT taskq.unpause('d');
SELECT is((SELECT next_attempt_schedule_time - schedule_time FROM a(:run)), '1 h', '... counts at unpause');
SELECT set_clock('1 h');
SELECT throws_ok('SELECT taskq.update_options(''d'', options => ''{"start_delay": "3 h"}'')', 'TQ003', message, 'start_delay: not after the window')
  FROM delayed;
SELECT take('d') AS token \gset
SELECT throws_ok('SELECT taskq.update_options(''d'', options => ''{"start_delay": "3 h"}'')', 'TQ003', message, 'start_delay: not in R') FROM delayed;
SELECT taskq.fail(:'token', 'x');
SELECT taskq.pause('d');
SELECT throws_ok('SELECT taskq.update_options(''d'', options => ''{"start_delay": "3 h"}'')', 'TQ003', message,
  'start_delay: not while paused after the first attempt') FROM delayed;
SELECT is((SELECT run_state FROM a(:run)), 'paused', '... and nothing has changed');
SELECT set_clock('0');

-- a pending back-off follows the policy
SELECT new('b', 'b', policy => taskq.retry_policy('1 h')) AS run \gset
SELECT taskq.fail(take('b'), 'x');
SELECT taskq.update_options('b', options => '{"retry_policy": {"initial_interval": "2 h"}}');
SELECT is((SELECT next_attempt_schedule_time - last_attempt_complete_time FROM a(:run)), '2 h', 'back-off by the policy follows the new policy');
SELECT taskq.update_options('b', options => '{"priority": 1}');
SELECT is((SELECT next_attempt_schedule_time - last_attempt_complete_time FROM a(:run)), '2 h', '... stays when the mask does not touch retry_policy');
SELECT taskq.pause('b');
SELECT taskq.update_options('b', options => '{"retry_policy": {"initial_interval": "3 h", "maximum_interval": null}}');
SELECT taskq.unpause('b');
SELECT is((SELECT next_attempt_schedule_time - last_attempt_complete_time FROM a(:run)), '3 h', '... in P, too');
SELECT taskq.update_options('b', restore_original => true);
SELECT is((SELECT next_attempt_schedule_time - last_attempt_complete_time FROM a(:run)), '1 h', '... and at restore_original');
SELECT taskq.update_options('b', options => '{"retry_policy": {"initial_interval": "1 microsecond"}}');
SELECT is(show(:run, 'next_attempt_schedule_time current_retry_interval'), '- -', '... into the past: due now');
SELECT isnt(take('b'), NULL, '... and delivered');
SELECT new('b2', 'b2', policy => taskq.retry_policy('1 h')) AS run \gset
SELECT taskq.fail(take('b2'), 'x', next_retry_delay => '5 h');
SELECT taskq.update_options('b2', options => '{"retry_policy": {"initial_interval": "2 h"}}');
SELECT is((SELECT next_attempt_schedule_time - last_attempt_complete_time FROM a(:run)), '5 h', 'a back-off that the worker asked for is preserved');

-- queue and priority of a scheduled and of a running activity
SELECT new('q1', 'q') AS run \gset
SELECT taskq.update_options('q', options => '{"task_queue": "q2"}');
SELECT is(take('q1'), NULL, 'task_queue in S: not on the old queue any more');
SELECT take('q2') AS token \gset
SELECT is((SELECT task_queue FROM a(:run)), 'q2', '... but on the new one');
SELECT taskq.update_options('q', options => '{"task_queue": "q3"}');
SELECT is((SELECT task_queue FROM a(:run)), 'q3', 'task_queue in R: shown at once');
SELECT taskq.fail(:'token', 'x');
SELECT set_clock('1 h');
SELECT is(take('q2'), NULL, '... applies to the next attempt');
SELECT isnt(take('q3'), NULL, '... on the new queue');
SELECT set_clock('0');
SELECT new('pr', 'pr1') AS run1, new('pr', 'pr2') AS run2 \gset
SELECT taskq.update_options('pr2', options => '{"priority": 1}');
SELECT is((SELECT activity_id FROM taskq.poll('pr')), 'pr2', 'priority in S: dispatched by the new one');

-- retry: a closed, unsuccessful run again
SELECT run_id AS run FROM taskq.schedule('y', 'type', '{"i": 1}', 'y', '3 h', '2 h', '1 h', '1 min', taskq.retry_policy('7 s', maximum_attempts => 3), '1 h',
  2, 'key', 4, request_id => 'req', header => '{"h": 1}', summary => 'sum', search_attributes => '{"s": 1}') \gset
SELECT throws_ok(format('SELECT taskq.retry(%s)', :run), 'TQ003', 'activity execution is still running', 'retry: open');
SELECT taskq.update_options('y', options => '{"priority": 1}');
SELECT set_clock('2 h');
SELECT taskq.fail(take('y'), 'x', non_retryable => true, last_heartbeat_details => '1');
SELECT run_id AS again, activity_id, created FROM taskq.retry(:run) \gset
SELECT is(show(:again, 'activity_id activity_type task_queue input header summary search_attributes priority fairness_key fairness_weight'),
  'y type y {"i": 1} {"h": 1} sum {"s": 1} 1 key 4', 'retry: the same input, header and effective options');
SELECT is(show(:again, 'schedule_to_close_timeout schedule_to_start_timeout start_to_close_timeout heartbeat_timeout start_delay heartbeat_details attempt'),
  '03:00:00 02:00:00 01:00:00 00:01:00 - - 1', 'retry: no start delay, no heartbeat details, attempt 1');
SELECT is((SELECT taskq.retry_policy_from_jsonb(retry_policy) FROM a(:again)), taskq.retry_policy('7 s', 2, '700 s', 3, NULL, 0), 'retry: the retry policy');
SELECT ok(:'created', 'retry: created');
SELECT ok(:again > :run, 'retry: a new run');
SELECT throws_ok(format('SELECT taskq.retry(%s)', :run), 'TQ002', 'activity execution already started', 'retry: the id is in use');
SELECT taskq.complete(take('y'));
SELECT throws_ok(format('SELECT taskq.retry(%s)', :again), 'TQ003', 'activity execution has completed', 'retry: completed');
SELECT lives_ok(format('SELECT taskq.retry(%s)', :run), 'retry: an older failed run, when the id is free');
SELECT new('y2') AS run \gset
SELECT taskq.terminate(run_id => :run);
SELECT is((SELECT activity_id FROM taskq.retry(:run)), NULL, 'retry: without an id');
SELECT set_clock('0');

-- in bulk
SELECT count(new('bulk')) FROM generate_series(1, 20);
SELECT taskq.terminate(run_id => run_id, reason => 'bulk') FROM taskq.activities WHERE task_queue = 'bulk' \g /dev/null
SELECT is((SELECT count(*) FROM taskq.activities WHERE task_queue = 'bulk' AND status = 'terminated'), 20, 'a set of activities in one statement');

SELECT * FROM finish();
ROLLBACK;
