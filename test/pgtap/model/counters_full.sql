-- Counters of 32 bits that are full stay so: no negative attempt is handed out,
-- no row is made that its own CHECK refuses.

BEGIN;
\ir ../include/helpers.psql
SELECT * FROM no_plan();

CREATE FUNCTION set_counters(run bigint, n int) RETURNS void
LANGUAGE sql AS $$ UPDATE taskq.open SET attempt = n, transitions = n WHERE run_id = run $$;

-- a report
SELECT new('q', 'fails', taskq.retry_policy('1 s', 1)) AS run \gset
SELECT set_counters(:run, 2147483646);
SELECT is(taskq.fail(take('q'), 'x'), 'in_progress', 'the last attempt but one fails');
SELECT is(show(:run, 'attempt state_transition_count'), '2147483647 2147483647', 'both are full');
SELECT set_clock('10 s');
SELECT task_token AS token, attempt FROM taskq.poll('q') \gset
SELECT is(:attempt, 2147483647, 'it is handed out with the largest number');
SELECT is(taskq.fail(:'token', 'y'), 'in_progress', 'and fails');
SELECT is(show(:run, 'attempt state_transition_count run_state'), '2147483647 2147483647 scheduled', 'and stays at it');
SELECT set_clock('1 h');
SELECT taskq.complete(take('q'));
SELECT is(show(:run, 'attempt state_transition_count status'), '2147483647 2147483647 completed', 'it can end');

-- a policy that allows just that many
SELECT new('m', 'most', taskq.retry_policy('1 s', 1, maximum_attempts => 2147483647)) AS run \gset
SELECT set_counters(:run, 2147483646);
SELECT is(taskq.fail(take('m'), 'x'), 'in_progress', 'one attempt is left');
SELECT set_clock('2 h');
SELECT is(taskq.fail(take('m'), 'x'), 'maximum_attempts_reached', 'none is left');

-- what operators do
SELECT new('o', 'operated') AS run \gset
SELECT set_counters(:run, 2147483647);
SELECT taskq.pause('operated');
SELECT taskq.unpause('operated');
SELECT taskq.update_options('operated', options => '{"priority": 1}');
SELECT is(show(:run, 'attempt state_transition_count priority'), '2147483647 2147483647 1', 'operators do not take it further');
SELECT is((SELECT attempt FROM taskq.poll('o')), 2147483647, 'a task that was operated on is there');

-- where nothing was counted something was done all the same: limits hear of it
SELECT taskq.configure_queue('c', '{"max_started": 1}');
SELECT new('c', 'counted') AS run \gset
SELECT set_counters(:run, 2147483647);
SELECT new('c', 'next');
SELECT isnt(take('c'), NULL, 'one starts');
SELECT is(take('c'), NULL, 'and is all that may');
SELECT taskq.pause('counted');
SELECT is(take('c'), NULL, 'it is still running');
SELECT taskq.terminate('counted');
SELECT isnt(take('c'), NULL, 'it has ended: the next one can start');

-- heartbeats
SELECT new('h', 'beats') AS run \gset
SELECT take('h') AS token \gset
INSERT INTO taskq.heartbeat_state (run_id, last_time, count, details) VALUES (:run, now(), 9223372036854775806, '0');
SELECT taskq.heartbeat(:'token', to_jsonb(i)) FROM generate_series(1, 3) i;
SELECT is(show(:run, 'total_heartbeat_count'), '9223372036854775807', 'heartbeats are not counted any further');
SELECT is(taskq.fail(:'token', 'x'), 'in_progress', 'the attempt ends');
SELECT is((SELECT (count, details)::text FROM taskq.heartbeat_state WHERE run_id = :run), '(9223372036854775807,3)',
  'the last one is kept all the same');
SELECT set_clock('3 h');
SELECT task_token AS token, heartbeat_details FROM taskq.poll('h') \gset
SELECT taskq.heartbeat(:'token', '4');
SELECT taskq.fail(:'token', 'x');
SELECT is((SELECT (count, details)::text FROM taskq.heartbeat_state WHERE run_id = :run), '(9223372036854775807,4)',
  'and one after it');

SELECT * FROM finish();
ROLLBACK;
