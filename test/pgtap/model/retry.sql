-- docs/semantics.md: retry policy.

BEGIN;
\ir ../include/helpers.psql
SELECT * FROM no_plan();

-- 4.1: fields and defaults
CREATE FUNCTION policy(given taskq.retry_policy) RETURNS taskq.retry_policy
LANGUAGE plpgsql AS $$
BEGIN
  RETURN (SELECT taskq.retry_policy_from_jsonb(retry_policy) FROM a(new('policy', policy => given)));
END
$$;
SELECT is(policy(NULL), ROW('1 s', 2, '100 s', 0, NULL, 0)::taskq.retry_policy, '4.1: NULL is all defaults');
SELECT is(policy(taskq.retry_policy()), policy(NULL), '4.1: so is a policy without fields');
SELECT is(policy(taskq.retry_policy('0', 0, '0', 0, '{}', 0)), ROW('1 s', 2, '100 s', 0, '{}', 0)::taskq.retry_policy, '4.1: zero is not set');
SELECT is(policy(taskq.retry_policy('3 s')), ROW('3 s', 2, '300 s', 0, NULL, 0)::taskq.retry_policy, '4.1: maximum_interval is a hundred times initial_interval');
SELECT is(policy(taskq.retry_policy(maximum_interval => '1 h')), ROW('1 s', 2, '1 h', 0, NULL, 0)::taskq.retry_policy, '4.1: each field by itself');
SELECT is(policy(taskq.retry_policy('1 day', 1.5, '2 days', 3, '{A}', 0.25)), ROW('24:00:00', 1.5, '48:00:00', 3, '{A}', 0.25)::taskq.retry_policy, '4.1: all fields');
SELECT is(taskq.retry_policy('1 s', 2, '3 s', 4, '{a}', 0.5), ROW('1 s', 2, '3 s', 4, '{a}', 0.5)::taskq.retry_policy, 'retry_policy() builds the composite');
SELECT is(taskq.retry_policy(maximum_attempts => 5), ROW(NULL, NULL, NULL, 5, NULL, NULL)::taskq.retry_policy, '... what is omitted is NULL');
SET LOCAL taskq.default_initial_interval = '5s';
SET LOCAL taskq.default_backoff_coefficient = 3;
SET LOCAL taskq.default_maximum_attempts = 4;
SELECT is(policy(NULL), ROW('5 s', 3, '500 s', 4, NULL, 0)::taskq.retry_policy, '4.1: the defaults are settings');
SET LOCAL taskq.default_maximum_interval = '1min';
SELECT is(policy(NULL), ROW('5 s', 3, '1 min', 4, NULL, 0)::taskq.retry_policy, '4.1: the maximum interval, too');
SELECT is(policy(taskq.retry_policy('1 h')), ROW('1 h', 3, '1 h', 4, NULL, 0)::taskq.retry_policy, '4.1: ... never less than the initial interval');
SELECT is(policy(taskq.retry_policy('1 h', 2, '2 h', 9)), ROW('1 h', 2, '2 h', 9, NULL, 0)::taskq.retry_policy, '4.1: what the call says counts');
RESET taskq.default_initial_interval;
RESET taskq.default_backoff_coefficient;
RESET taskq.default_maximum_attempts;
RESET taskq.default_maximum_interval;

-- 4.2: intervals after attempts 1, 2, 3 ... in seconds, from the table: the view
-- shows those that are not over
CREATE FUNCTION intervals(policy taskq.retry_policy, n int) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
  queue text := gen_random_uuid();
  run bigint := new(queue, policy => policy);
  waited float8[];
BEGIN
  FOR i IN 1..n LOOP
    PERFORM taskq.fail(take(queue), 'x');
    waited := waited || (SELECT extract(epoch FROM dispatch_time - last_complete_time)::float8 FROM taskq.open WHERE run_id = run);
    -- the clock goes to the end of the back-off, and a bit
    PERFORM set_clock((SELECT dispatch_time - clock_timestamp() + interval '1 s' FROM taskq.open WHERE run_id = run));
  END LOOP;
  PERFORM set_clock('0');
  RETURN array_to_string(waited, ' ');
END
$$;
SELECT is(intervals(NULL, 9), '1 2 4 8 16 32 64 100 100', '4.2: the default policy');
SELECT is(intervals(taskq.retry_policy('3 s'), 8), '3 6 12 24 48 96 192 300', '4.2: initial interval 3 s');
SELECT is(intervals(taskq.retry_policy('1 s', 1), 4), '1 1 1 1', '4.2: coefficient 1');
SELECT is(intervals(taskq.retry_policy('10 s', 1.5, '20 s'), 4), '10 15 20 20', '4.2: capped by the maximum interval');
SELECT is(intervals(taskq.retry_policy('0.25 s', 1.1), 3), '0.25 0.275 0.3025', '4.2: fractions');
SELECT is(intervals(taskq.retry_policy('1 s', 1e300, '1 h'), 4), '1 3600 3600 3600', '4.2: overflow is clamped, then capped');
SELECT is(intervals(taskq.retry_policy('1 day', 1e300, '10000 days'), 2), '86400 864000000', '4.2: days are 24 hours');
SELECT new('far', policy => taskq.retry_policy('106751991 days')) AS run \gset
SELECT taskq.fail(take('far'), 'x');
SELECT is(show(:run, 'run_state attempt next_attempt_schedule_time'), 'scheduled 2 -', '4.2: a back-off beyond the range of timestamptz never ends');
SELECT is(take('far'), NULL, '4.2: ... and is not delivered');

-- jitter: interval x (1 - jitter x random)
CREATE TABLE jittered AS SELECT intervals(taskq.retry_policy('10 s', 1, jitter => 0.5), 1)::float8 AS seconds FROM generate_series(1, 50);
SELECT ok((SELECT min(seconds) > 5 AND max(seconds) <= 10 FROM jittered), 'jitter 0.5: between half and all of the interval');
SELECT ok((SELECT count(DISTINCT seconds) > 40 FROM jittered), '... not always the same');
SELECT new('jitter', policy => taskq.retry_policy('1 s', 1, jitter => 1)) AS run \gset
SELECT is(taskq.fail(take('jitter'), 'x'), 'in_progress', 'jitter 1');
SELECT is((SELECT (retry_policy ->> 'jitter')::float8 FROM a(:run)), 1::float8, '... is stored and shown');

-- 4.2: next_retry_delay
SELECT new('nrd', policy => taskq.retry_policy('1 min', maximum_interval => '5 min', maximum_attempts => 3)) AS run \gset
SELECT is(taskq.fail(take('nrd'), 'x', next_retry_delay => '10 min'), 'in_progress', '4.2: next_retry_delay');
SELECT is((SELECT next_attempt_schedule_time - last_attempt_complete_time FROM a(:run)), '10 min', '4.2: ... is not capped by maximum_interval');
SELECT is((SELECT current_retry_interval FROM a(:run)), '10 min', '4.2: ... and is shown');
SELECT set_clock('1 h');
SELECT taskq.fail(take('nrd'), 'x');
SELECT is(show(:run, 'attempt current_retry_interval'), '3 00:02:00', '4.2: ... counts as an attempt, and for this retry only');
SELECT set_clock('2 h');
SELECT is(taskq.fail(take('nrd'), 'x', next_retry_delay => '10 s'), 'maximum_attempts_reached', '4.2: ... does not override maximum_attempts');
SELECT set_clock('0');
SELECT new('nrd2', policy => taskq.retry_policy('1 min')) AS run \gset
SELECT take('nrd2') AS token \gset
SELECT throws_ok(format('SELECT taskq.fail(%L, ''x'', next_retry_delay => %L)', :'token', delay), '22023', 'invalid next_retry_delay: ' || problem,
    '4.2: next_retry_delay ' || delay)
  FROM (VALUES ('-1 s', 'must not be negative'), ('-1 day', 'must not be negative'), ('1 day -1 s', 'must not mix signs'),
    ('1 mon', 'must not contain months, whose length varies'), ('300000000 days', 'out of range'), ('106751991 days', 'out of range')) v (delay, problem);
SELECT is((SELECT run_state FROM a(:run)), 'started', '4.2: ... the activity is unchanged and still running');
SELECT is(taskq.fail(:'token', 'x', next_retry_delay => '0'), 'in_progress', '4.2: next_retry_delay 0');
SELECT is((SELECT current_retry_interval FROM a(:run)), '1 min', '4.2: ... is the interval of the policy');
SELECT throws_ok(format('SELECT taskq.fail_by_id(''x'', next_retry_delay => ''-1 s'')'), '22023', 'invalid next_retry_delay: must not be negative', '4.2: by id, too');

-- 4.3: validation
CREATE FUNCTION schedule(policy text) RETURNS text
LANGUAGE sql AS $$ SELECT format('SELECT t.new(''q'', policy => taskq.retry_policy(%s))', policy) $$;
SELECT throws_ok(schedule(policy), '22023', message, '4.3: ' || policy)
FROM (VALUES
  ('''-1 s''', 'invalid initial_interval set on retry policy: must not be negative'),
  ('''1 mon''', 'invalid initial_interval set on retry policy: must not contain months, whose length varies'),
  ('backoff_coefficient => 0.999', 'backoff_coefficient cannot be less than 1 on retry policy'),
  ('backoff_coefficient => -1', 'backoff_coefficient cannot be less than 1 on retry policy'),
  ('backoff_coefficient => ''NaN''', 'backoff_coefficient must be a finite number on retry policy'),
  ('backoff_coefficient => ''Infinity''', 'backoff_coefficient must be a finite number on retry policy'),
  ('backoff_coefficient => ''NaN'', maximum_attempts => 1', 'backoff_coefficient must be a finite number on retry policy'),
  ('maximum_interval => ''-1 s''', 'invalid maximum_interval set on retry policy: must not be negative'),
  ('maximum_interval => ''1 day -1 s''', 'invalid maximum_interval set on retry policy: must not mix signs'),
  ('''2 s'', maximum_interval => ''1 s''', 'maximum_interval cannot be less than initial_interval on retry policy'),
  ('maximum_interval => ''0.5 s''', 'maximum_interval cannot be less than initial_interval on retry policy'),
  ('maximum_attempts => -1', 'maximum_attempts cannot be negative on retry policy'),
  ('jitter => -0.1', 'jitter must be between 0 and 1 on retry policy'),
  ('jitter => 1.1', 'jitter must be between 0 and 1 on retry policy'),
  ('jitter => ''NaN''', 'jitter must be between 0 and 1 on retry policy'),
  ('non_retryable_error_types => ''{TemporalTimeout:Never}''', 'Invalid timeout type value: Never.'),
  ('non_retryable_error_types => ''{TemporalTimeout:}''', 'Invalid timeout type value: .'),
  ('non_retryable_error_types => ''{TemporalTimeout:heartbeat}''', 'Invalid timeout type value: heartbeat.'),
  ('non_retryable_error_types => ''{A,NULL}''', 'non_retryable_error_types must not contain NULL')
) v (policy, message);
SELECT lives_ok(schedule(policy), '4.3: ' || policy)
FROM (VALUES
  ('backoff_coefficient => 1'), ('''1 s'', maximum_interval => ''1 s'''), ('maximum_attempts => 2147483647'),
  ('non_retryable_error_types => ''{TemporalTimeout:StartToClose,TemporalTimeout:Heartbeat,TemporalTimeout:ScheduleToStart,TemporalTimeout:ScheduleToClose}'''),
  ('non_retryable_error_types => ''{"",x,temporaltimeout:x}'''),
  -- with a single attempt nothing else is checked
  ('''-1 s'', 0.5, ''-1 s'', 1'), ('''2 s'', maximum_interval => ''1 s'', maximum_attempts => 1'),
  ('non_retryable_error_types => ''{TemporalTimeout:Never}'', maximum_attempts => 1')
) v (policy);
SELECT lives_ok('SELECT * FROM taskq.activities', '4.3: what is not checked can be read');

-- 4.4: retryability of what a worker reports
CREATE FUNCTION retried(message text = 'x', type text = NULL, non_retryable boolean = false, cause jsonb = NULL) RETURNS taskq.retry_state
LANGUAGE plpgsql AS $$
DECLARE
  queue text := gen_random_uuid();
BEGIN
  PERFORM new(queue, policy => taskq.retry_policy(non_retryable_error_types => '{Fatal,ü,TemporalTimeout:StartToClose}'));
  RETURN taskq.fail(take(queue), message, type, non_retryable => non_retryable, cause => cause);
END
$$;
SELECT is(retried(NULL), 'in_progress', '4.4: no failure');
SELECT is(retried(), 'in_progress', '4.4: a failure');
SELECT is(retried(non_retryable => true), 'non_retryable_failure', '4.4: non_retryable');
SELECT is(retried(type => 'Fatal'), 'non_retryable_failure', '4.4: a listed type');
SELECT is(retried(type => 'ü'), 'non_retryable_failure', '4.4: another listed type');
SELECT is(retried(type => 'fatal'), 'in_progress', '4.4: types are case-sensitive');
SELECT is(retried(type => 'Fatal '), 'in_progress', '4.4: whole strings');
SELECT is(retried(type => 'Fata'), 'in_progress', '4.4: whole strings, again');
SELECT is(retried(type => ''), 'in_progress', '4.4: an empty type');
SELECT is(retried(type => 'TemporalTimeout:StartToClose'), 'non_retryable_failure', '4.4: an application type of that name is one');
SELECT is(retried(cause => '{"kind": "application", "type": "Fatal", "non_retryable": true}'), 'in_progress', '4.4: a non-retryable cause does not matter');
SELECT is(retried('Fatal'), 'in_progress', '4.4: nor does the message');

-- 4.5: size
SELECT new('size', 'size') AS run \gset
SELECT taskq.fail(take('size'), repeat('x', 10000), 'T', to_jsonb(repeat('d', 10000)), stack_trace => repeat('s', 10000));
SELECT is((SELECT last_failure - 'message' - 'stack_trace' FROM a(:run)), '{"kind": "application", "type": "T", "truncated": true}', '4.5: between attempts, a large failure is cut');
SELECT ok((SELECT last_failure ->> 'message' ~ '^x{100,}$' AND last_failure ->> 'stack_trace' ~ '^s{100,}$' FROM a(:run)), '4.5: some of message and stack is left');
SELECT ok((SELECT pg_column_size(last_failure || '{}') <= 4096 FROM a(:run)), '4.5: in 4 KiB');
SELECT new('size2') AS run \gset
SELECT taskq.fail(take('size2'), repeat('ü', 10000));
SELECT ok((SELECT last_failure ->> 'message' ~ '^ü{100,}$' FROM a(:run)), '4.5: characters stay whole');
SELECT new('size3') AS run \gset
SELECT taskq.fail(take('size3'), repeat('x', 4000));
SELECT is((SELECT length(last_failure ->> 'message') FROM a(:run)), 4000, '4.5: a failure below 4 KiB is kept as it is');
SELECT new('size4', policy => taskq.retry_policy(maximum_attempts => 1)) AS run \gset
SELECT taskq.fail(take('size4'), repeat('x', 10000));
SELECT is((SELECT length(failure ->> 'message') FROM a(:run)), 10000, '4.5: the final failure is stored whole');
SELECT is((SELECT last_failure FROM a(:run)), (SELECT failure FROM a(:run)), '4.5: ... as last_failure, too');
SELECT new('size5', 'size5') AS run \gset
SELECT take('size5') AS token \gset
SELECT taskq.pause('size5');
SELECT taskq.fail(:'token', repeat('x', 10000));
SELECT alike((SELECT last_failure ->> 'message' FROM a(:run)), 'xxx%', '4.5: also when it lands paused');

SELECT * FROM finish();
ROLLBACK;
