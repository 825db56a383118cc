-- docs/reference.md: retry policies as jsonb, shown and read.

BEGIN;
\ir ../include/helpers.psql
SELECT * FROM no_plan();

CREATE FUNCTION policy_of(run bigint) RETURNS jsonb
LANGUAGE sql AS $$ SELECT retry_policy FROM taskq.activities WHERE run_id = run $$;

-- what the view shows
SELECT is(policy_of(new('q')), '{"initial_interval": "00:00:01", "backoff_coefficient": 2, "maximum_interval": "00:01:40", "maximum_attempts": 0,
  "non_retryable_error_types": null, "jitter": 0}', 'the built-in policy');
SELECT is(policy_of(new('q', policy => taskq.retry_policy('1.5 s', 1.25, '30 h', 7, '{A,"B b"}', 0.25))),
  '{"initial_interval": "00:00:01.500000", "backoff_coefficient": 1.25, "maximum_interval": "30:00:00", "maximum_attempts": 7,
  "non_retryable_error_types": ["A", "B b"], "jitter": 0.25}', 'a policy with everything');
SET LOCAL IntervalStyle = 'iso_8601';
SELECT is(policy_of(new('q', policy => taskq.retry_policy('1 day 1 us'))) ->> 'initial_interval', '24:00:00.000001', 'in one form, whatever the IntervalStyle');
RESET IntervalStyle;
SELECT new('closed', policy => taskq.retry_policy('2 s', maximum_attempts => 1)) AS run \gset
SELECT taskq.fail(take('closed'));
SELECT is(policy_of(:run) ->> 'initial_interval', '00:00:02', 'the same of a closed run');
SELECT is((SELECT retry_policy ->> 'initial_interval' FROM taskq.describe(run_id => :run)), '00:00:02', 'and from describe');
SELECT is(taskq.update_options(run_id => new('u'), options => '{"priority": 2}') -> 'retry_policy', policy_of(new('q')), 'update_options answers in the same form');

-- there and back
CREATE FUNCTION round_trip(policy taskq.retry_policy) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
  shown jsonb := policy_of(new('q', policy => policy));
BEGIN
  RETURN policy_of(new('q', policy => taskq.retry_policy_from_jsonb(shown))) = shown;
END
$$;
SELECT ok(round_trip(policy), format('round trip of %s', policy))
FROM (VALUES (NULL::taskq.retry_policy), (taskq.retry_policy()), (taskq.retry_policy('1 us', 1, '1 us')), (taskq.retry_policy('100000 days', 1e300)),
  (taskq.retry_policy(backoff_coefficient => pi(), jitter => 0.1::float8 + 0.2)), (taskq.retry_policy(maximum_attempts => 2147483647)),
  (taskq.retry_policy(non_retryable_error_types => '{}')), (taskq.retry_policy(non_retryable_error_types => '{"", "a,b", "\"", "{}", "ü", "NULL", "TemporalTimeout:Heartbeat"}'))) v (policy);
SELECT ok(round_trip(taskq.retry_policy('2 h', maximum_attempts => 1, maximum_interval => '1 h')), 'round trip of a policy with one attempt, that is not checked');

-- what is read
SELECT is(taskq.retry_policy_from_jsonb('{}'), taskq.retry_policy(), 'nothing is given');
SELECT is(taskq.retry_policy_from_jsonb('{"maximum_attempts": 5}'), taskq.retry_policy(maximum_attempts => 5), 'one key');
SELECT is(taskq.retry_policy_from_jsonb('{"initial_interval": "1 day", "backoff_coefficient": 3, "maximum_interval": "PT48H", "maximum_attempts": 5.0,
    "non_retryable_error_types": ["A"], "jitter": 1}'), taskq.retry_policy('24:00:00', 3, '48:00:00', 5, '{A}', 1), 'all keys');
SELECT is(taskq.retry_policy_from_jsonb('{"initial_interval": null, "backoff_coefficient": null, "maximum_interval": null, "maximum_attempts": null,
    "non_retryable_error_types": null, "jitter": null}'), taskq.retry_policy(), 'null is not given');
SELECT is(taskq.retry_policy_from_jsonb(NULL), taskq.retry_policy(), 'no policy: nothing is given');
SELECT is(policy_of(run_id) ->> 'initial_interval', '00:00:07', 'in a call')
  FROM taskq.schedule('q', 't', start_to_close_timeout => '1 h', retry_policy => taskq.retry_policy_from_jsonb('{"initial_interval": "7 s"}'));

-- what is refused
SELECT throws_ok(format('SELECT taskq.retry_policy_from_jsonb(%L)', policy), '22023', NULL, 'refused: ' || policy)
FROM unnest(ARRAY['{"initialInterval": "1 s"}', '{"": 1}', '{"maximum_attempts": 3, "extra": null}', '{"initial_interval": 1}', '{"maximum_interval": 100}',
  '{"initial_interval": "soon"}', '{"initial_interval": ["1 s"]}', '{"initial_interval": true}',
  '{"maximum_attempts": "3"}', '{"maximum_attempts": 1.5}', '{"maximum_attempts": 1e10}', '{"backoff_coefficient": "2"}', '{"jitter": {}}',
  '{"non_retryable_error_types": "A"}', '{"non_retryable_error_types": [1]}', '{"non_retryable_error_types": [null]}', '{"non_retryable_error_types": {"A": 1}}',
  '[]', '"x"', '1', 'null', 'true']) policy;

-- values are judged where the policy is used, and alike however it is given: with one attempt only whether they are durations and numbers at all
CREATE TABLE given (value text, judged text, once text);
INSERT INTO given VALUES
  ('initial_interval -1 s', 'no', 'yes'), ('maximum_interval -1 s', 'no', 'yes'), ('initial_interval 1 day -1 s', 'no', 'yes'), ('backoff_coefficient 0.5', 'no', 'yes'),
  ('initial_interval 1 h', 'no', 'yes'), ('maximum_interval 1 ms', 'no', 'yes'),
  ('initial_interval 1 month', 'no', 'no'), ('maximum_interval 1 year -1 s', 'no', 'no'), ('jitter 2', 'no', 'no');
CREATE FUNCTION policy(value text, attempts int) RETURNS jsonb
LANGUAGE sql AS $$
  SELECT jsonb_build_object('maximum_interval', '1 min', 'maximum_attempts', attempts) || jsonb_build_object(split_part(value, ' ', 1),
    CASE WHEN value ~ 'interval' THEN to_jsonb(right(value, -17)) ELSE to_jsonb(split_part(value, ' ', 2)::numeric) END)
$$;
CREATE FUNCTION as_composite(value text, attempts int) RETURNS bigint
LANGUAGE sql AS $$ SELECT new('q', policy => jsonb_populate_record(NULL::taskq.retry_policy, policy(value, attempts))) $$;
CREATE FUNCTION as_jsonb(value text, attempts int) RETURNS bigint
LANGUAGE sql AS $$ SELECT new('q', policy => taskq.retry_policy_from_jsonb(policy(value, attempts))) $$;
CREATE FUNCTION as_options(value text, attempts int) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
  run bigint := new('q');
BEGIN
  PERFORM taskq.update_options(run_id => run, options => jsonb_build_object('retry_policy', policy(value, attempts)));
  RETURN run;
END
$$;
CREATE FUNCTION accepted(way text, value text, attempts int) RETURNS text
LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('SELECT %I($1, $2)', way) USING value, attempts;
  RETURN 'yes';
EXCEPTION WHEN invalid_parameter_value THEN
  RETURN 'no';
END
$$;
SELECT is(accepted(way, value, attempts), CASE attempts WHEN 1 THEN once ELSE judged END, format('%s: %s, %s attempts', way, value, attempts))
FROM given, unnest(ARRAY['as_composite', 'as_jsonb', 'as_options']) way, unnest(ARRAY[1, 2]) attempts;
SELECT is(policy_of(as_options(value, 1)), policy_of(as_composite(value, 1)), 'and stored alike: ' || value) FROM given WHERE once = 'yes';
SELECT is(policy_of(as_jsonb('initial_interval -1 s', 1)) ->> 'initial_interval', '00:00:01', 'a negative interval of one attempt counts as not given');
SET LOCAL taskq.default_maximum_attempts = 1;
SELECT is(accepted(way, 'initial_interval -1 s', 0), 'yes', way || ': one attempt by default') FROM unnest(ARRAY['as_composite', 'as_jsonb', 'as_options']) way;
RESET taskq.default_maximum_attempts;

-- the internal function takes anything of its type
SELECT is(taskq.retry_policy_to_jsonb(taskq.retry_policy()), taskq.retry_policy_to_jsonb(NULL), 'a stored policy without fields');

SELECT * FROM finish();
ROLLBACK;
