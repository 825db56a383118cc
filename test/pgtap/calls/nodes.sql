-- node_of and set_node: the node is part of every run_id and token, and is set
-- on an empty installation only.

BEGIN;
\ir ../include/helpers.psql
SELECT * FROM no_plan();

SELECT is(taskq.node_of(1::bigint), 0, 'node 0');
SELECT is(taskq.node_of((7::bigint << 48) + 12345), 7, 'of a run_id');
SELECT is(taskq.node_of(9223372036854775807), 32767, 'the last one');
SELECT is(taskq.node_of(NULL::bigint), NULL::int, 'of NULL');
SELECT is(taskq.node_of('00070000-0000-4000-8000-000000000000'::uuid), 7, 'of a token');
SELECT is(taskq.node_of('7fff0000-0000-4000-8000-000000000000'::uuid), 32767, 'of a token, the last one');
SELECT is((SELECT array_agg(DISTINCT provolatile::text) FROM pg_proc WHERE proname = 'node_of' AND pronamespace = 'taskq'::regnamespace),
  ARRAY['i'], 'immutable');

-- an installation of its own, within this transaction
DROP EXTENSION taskq CASCADE;
CREATE EXTENSION taskq;
\ir ../include/helpers.psql
SELECT throws_ok('SELECT taskq.set_node(NULL)', '22004', NULL, 'no node');
SELECT throws_ok('SELECT taskq.set_node(-1)', '22023', NULL, 'a negative node');
SELECT throws_ok('SELECT taskq.set_node(16384)', '22023', NULL, 'one too many');
SAVEPOINT s;
SELECT taskq.set_node(5);
ROLLBACK TO s;
SELECT new('q') AS run \gset
SELECT is(:run, 1, 'set_node is rolled back');
ROLLBACK TO s;

DROP EXTENSION taskq CASCADE;
CREATE EXTENSION taskq;
\ir ../include/helpers.psql
SELECT lives_ok('SELECT taskq.set_node(3)', 'set_node');
SELECT lives_ok('SELECT taskq.set_node(300)', 'again, as long as it is empty');
SELECT new('q') AS run \gset
SELECT is(taskq.node_of(:run), 300, 'run ids have it');
SELECT is(:run, (300::bigint << 48) + 1, 'and start at 1');
SELECT take('q') AS token \gset
SELECT is(taskq.node_of(:'token'::uuid), 300, 'tokens have it');
SELECT lives_ok(format('SELECT taskq.complete(%L)', :'token'), 'tokens work');
SELECT is(taskq.run_of(taskq.run_uuid(:run)), :run, 'and uuids of runs');
SELECT throws_ok('SELECT taskq.set_node(1)', 'TQ003', NULL, 'not empty: refused');
SELECT taskq.delete(run_id => :run);
SELECT throws_ok('SELECT taskq.set_node(1)', 'TQ003', NULL, 'nor when it was used before');

-- the numbers of a node: the last ones of the 48 bits are not given, so that none
-- is ever one of the next node's
CREATE FUNCTION call_both() RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
  RETURN NEXT throws_ok($q$SELECT new('q')$q$, '2200H', 'run ids of this node are used up', 'schedule: no number is left');
  RETURN NEXT throws_ok($q$SELECT taskq.schedule_many('q', 't', ARRAY['1', '2']::jsonb[], start_to_close_timeout => '1 h')$q$, '2200H',
    'run ids of this node are used up', 'schedule_many');
END $$;
SELECT setval('taskq.run_id_seq', (301::bigint << 48) - (1::bigint << 40) - 2);
SELECT new('q') AS run \gset
SELECT is(:run, (301::bigint << 48) - (1::bigint << 40) - 1, 'the last run id of a node');
SELECT take('q') AS token \gset
SELECT is(taskq.node_of(:'token'::uuid), 300, 'its token has the node');
SELECT call_both();
SELECT call_both();
SELECT lives_ok(format('SELECT taskq.complete(%L)', :'token'), 'what there is goes on');
SELECT setval('taskq.run_id_seq', 9223372036854775807);
SELECT throws_ok($$SELECT new('q')$$, '2200H', NULL, 'nor at the end of bigint');
SELECT setval('taskq.run_id_seq', (300::bigint << 48) + 1000);
SELECT lives_ok($$SELECT new('q')$$, 'the sequence set back');

SELECT * FROM finish();
ROLLBACK;
