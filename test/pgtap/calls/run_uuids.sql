-- docs/reference.md, "Runs as uuids", and args.

BEGIN;
\ir ../include/helpers.psql
SELECT * FROM no_plan();

-- there and back
SELECT is(taskq.run_of(taskq.run_uuid(run)), run, format('run %s', run))
FROM unnest(ARRAY[1, 4711, (1::bigint << 48) + 1, (16383::bigint << 48) + 7, (1::bigint << 62) - 1]) run;
SELECT new('q') AS run \gset
SELECT is((taskq.describe(run_id => taskq.run_of(taskq.run_uuid(:run)))).run_id, :run, 'in a call');
SELECT matches(taskq.run_uuid(run)::text, '^.{8}-.{4}-8.{3}-[89ab].{3}-.{12}$', format('run %s: version 8, variant 10', run))
FROM unnest(ARRAY[1, (16383::bigint << 48) + 7, (1::bigint << 62) - 1]) run;
SELECT is((SELECT count(DISTINCT left(taskq.run_uuid(run)::text, 18)) FROM generate_series(1, 100) run), 1, 'all begin alike');
SELECT ok(taskq.run_uuid(1) < taskq.run_uuid(2), 'in the order of runs');
SELECT is(taskq.run_uuid(NULL), NULL::uuid, 'of NULL');
SELECT is(taskq.run_of(NULL), NULL::bigint, 'of no uuid');

-- what cannot be
SELECT throws_ok(format('SELECT taskq.run_uuid(%s)', run), '22023', 'run_id is out of range', format('no run has the number %s', run))
FROM unnest(ARRAY['0', '-1', '4611686018427387904', '9223372036854775807', '-9223372036854775807']) run;
SELECT throws_ok(format('SELECT taskq.run_of(%L)', uuid), 'TQ001', format('run not found for ID: %s', uuid), format('not ours: %s', uuid))
FROM (SELECT taskq.run_uuid(:run)::text) ours (uuid_of_run), LATERAL unnest(ARRAY[gen_random_uuid()::text,
  overlay(uuid_of_run PLACING '4' FROM 15), left(uuid_of_run, 19) || '8000-000000000000', overlay(uuid_of_run PLACING '0' FROM 20), overlay(uuid_of_run PLACING 'c' FROM 20),
  '00000000-0000-0000-0000-000000000000', 'ffffffff-ffff-ffff-ffff-ffffffffffff']) uuid;

-- another installation has others; one that was never used draws its own
SELECT taskq.run_uuid(1) AS here \gset
SAVEPOINT other;
DROP EXTENSION taskq CASCADE;
CREATE EXTENSION taskq;
SELECT throws_ok(format('SELECT taskq.run_of(%L)', :'here'), 'TQ001', NULL, 'never used: no uuid is its own');
SELECT isnt(taskq.run_uuid(1), :'here'::uuid, 'another installation');
SELECT throws_ok(format('SELECT taskq.run_of(%L)', :'here'), 'TQ001', NULL, 'a uuid of another one');
SELECT is(taskq.run_of(taskq.run_uuid(1)), 1, 'its own');
ROLLBACK TO other;
SELECT is(taskq.run_uuid(1), :'here'::uuid, 'this one is as it was');

-- args
SELECT is(taskq.args('1', '"two"', '[3]'), '{"$payloads": [{"json": 1}, {"json": "two"}, {"json": [3]}]}', 'three arguments, in order');
SELECT is(taskq.args('{"a": 1}'), '{"$payloads": [{"json": {"a": 1}}]}', 'one');
SELECT is(taskq.args(NULL, 'null'), '{"$payloads": [{"json": null}, {"json": null}]}', 'NULL is null');
SELECT is(taskq.args(VARIADIC '{}'), '{"$payloads": []}', 'none');
SELECT is(taskq.args(VARIADIC array_agg(to_jsonb(i) ORDER BY i)), (SELECT jsonb_build_object('$payloads', jsonb_agg(jsonb_build_object('json', j) ORDER BY j)) FROM generate_series(1, 20) j),
  'twenty') FROM generate_series(1, 20) i;

SELECT is(taskq.args('"$payloads"', '{"$payloads": []}', '1.50'), '{"$payloads": [{"json": "$payloads"}, {"json": {"$payloads": []}}, {"json": 1.50}]}', 'as they are');
SELECT throws_ok('SELECT taskq.args(VARIADIC NULL)', '22004', 'args is not set', 'no array');
SELECT throws_ok('SELECT taskq.args(VARIADIC ''{{1}}'')', '22023', 'args must be a one-dimensional array', 'two dimensions');

SELECT * FROM finish();
ROLLBACK;
