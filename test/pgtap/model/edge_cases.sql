-- docs/semantics.md: edge cases, in the order of the table there.

BEGIN;
\ir ../include/helpers.psql
SELECT * FROM no_plan();

-- double complete
SELECT new('1') AS run \gset
SELECT take('1') AS token \gset
SELECT taskq.complete(:'token', '"first"');
SELECT throws_ok(format('SELECT taskq.complete(%L, ''"second"'')', :'token'), 'TQ001', NULL, 'double complete: NotFound');
SELECT is((SELECT result FROM a(:run)), '"first"', 'double complete: the first result stands');

-- an old token after the next attempt started; by id it succeeds
SELECT new('2', '2') AS run \gset
SELECT take('2') AS token \gset
SELECT taskq.fail(:'token', 'x');
SELECT set_clock('1 h');
SELECT take('2') AS token2 \gset
SELECT throws_ok(format('SELECT taskq.complete(%L)', :'token'), 'TQ001', NULL, 'complete with an old token: NotFound');
SELECT taskq.complete_by_id('2', '2');
SELECT is(show(:run, 'status attempt result'), 'completed 2 2', 'complete by id when attempt 2 runs: succeeds');
SELECT set_clock('0');

-- fail, heartbeat, report_canceled by id act on the current attempt
SELECT new('3', '3') AS run \gset
SELECT taskq.fail(take('3'), 'x');
SELECT set_clock('1 h');
SELECT take('3') AS token \gset
SELECT lives_ok('SELECT taskq.heartbeat_by_id(''3'', ''7'')', 'heartbeat by id: the current attempt');
SELECT is(taskq.fail_by_id('3', 'y'), 'in_progress', 'fail by id: the current attempt');
SELECT is(show(:run, 'attempt heartbeat_details'), '3 7', 'fail by id: attempt + 1');
SELECT throws_ok('SELECT taskq.fail_by_id(''3'', ''z'')', 'TQ001', 'activity not found for ID: 3', 'fail by id while no attempt runs: NotFound');
SELECT throws_ok('SELECT taskq.heartbeat_by_id(''3'')', 'TQ001', 'activity not found for ID: 3', 'heartbeat by id while no attempt runs: NotFound');
SELECT throws_ok('SELECT taskq.report_canceled_by_id(''3'')', 'TQ001', 'activity not found for ID: 3',
  'report_canceled by id while no attempt runs: NotFound');
SELECT set_clock('0');

-- complete by id while in back-off, start delay, paused
SELECT new('4', '4') AS run \gset
SELECT taskq.fail(take('4'), 'x');
SELECT lives_ok('SELECT taskq.complete_by_id(''4'')', 'complete by id in back-off');
SELECT is(show(:run, 'status attempt last_failure current_retry_interval'), 'completed 2 {"kind": "application", "message": "x"} -', '... attempt unchanged');
SELECT new('4b', '4b', delay => '1 h') AS run \gset
SELECT lives_ok('SELECT taskq.complete_by_id(''4b'')', 'complete by id in start delay');
SELECT set_clock('2 h');
SELECT is(take('4') IS NULL AND take('4b') IS NULL, true, 'a later poll finds nothing');
SELECT set_clock('0');

-- the deadline has passed but the timer has not run: a completion succeeds, a poll skips
SELECT set_clock('-1 h');
SELECT new('5', stc => '1 s') AS run \gset
SELECT take('5') AS token \gset
SELECT set_clock('0');
SELECT lives_ok(format('SELECT taskq.complete(%L)', :'token'), 'StartToClose passed, timer not run: completion succeeds');
SELECT set_clock('-1 h');
SELECT new('5b', s2s => '1 s') AS run, new('5c', s2c => '1 s') AS run2, new('5d', hb => '1 s') AS run3 \gset
SELECT take('5d') AS token \gset
SELECT set_clock('0');
SELECT is(take('5b'), NULL, 'ScheduleToStart passed, timer not run: poll skips it');
SELECT is(take('5c'), NULL, 'ScheduleToClose passed, timer not run: poll skips it');
SELECT is(show(:run, 'run_state') || show(:run2, 'run_state'), 'scheduledscheduled', '... and leaves it to the timer');
SELECT lives_ok(format('SELECT taskq.heartbeat(%L)', :'token'), 'Heartbeat passed, timer not run: a heartbeat succeeds');

-- cancelled, but never heard of it
SELECT new('6', '6') AS run \gset
SELECT take('6') AS token \gset
SELECT taskq.request_cancel('6');
SELECT is((SELECT run_state FROM a(:run)), 'cancel_requested', 'cancel of one whose worker never heartbeats: stays CR');
SELECT taskq.complete(:'token');
SELECT is((SELECT status FROM a(:run)), 'completed', '... completion still yields COMPLETED');

-- cancel reason and terminate reason
SELECT new('7', '7') AS run \gset
SELECT take('7') AS token \gset
SELECT taskq.request_cancel('7', reason => 'why');
SELECT taskq.terminate('7', reason => 'because');
SELECT is(show(:run, 'cancel_reason status'), 'why terminated', 'the cancel reason stays when it is terminated');
SELECT is((SELECT failure ->> 'message' FROM a(:run)), 'because', 'the terminate reason is failure.message');

-- reset while running, then success
SELECT new('8', '8') AS run \gset
SELECT taskq.fail(take('8'), 'x');
SELECT set_clock('1 h');
SELECT take('8') AS token \gset
SELECT taskq.heartbeat(:'token', '1');
SELECT taskq.reset('8', reset_heartbeat => true, restore_original_options => true);
SELECT taskq.complete(:'token');
SELECT is(show(:run, 'status attempt heartbeat_details'), 'completed 2 1', 'reset while running then success: the attempt as running, nothing of the reset applied');
SELECT set_clock('0');

-- reset does not extend ScheduleToClose
SELECT new('9', '9', s2c => '1 h', delay => '10 min') AS run \gset
SELECT expiration_time FROM a(:run) \gset
SELECT set_clock('30 min');
SELECT taskq.reset('9');
SELECT is((SELECT expiration_time FROM a(:run)), :'expiration_time', 'reset does not extend ScheduleToClose');
SELECT taskq.fail(take('9'), 'x');
SELECT is((SELECT expiration_time FROM a(:run)), :'expiration_time', 'neither does a retry');
SELECT taskq.pause('9');
SELECT taskq.unpause('9');
SELECT is((SELECT expiration_time FROM a(:run)), :'expiration_time', 'nor pause and unpause');
SELECT set_clock('0');

-- delete
SELECT new('10', '10') AS old \gset
SELECT taskq.terminate('10');
SELECT new('10', '10') AS latest \gset
SELECT take('10') AS token \gset
SELECT taskq.delete('10');
SELECT throws_ok(format('SELECT taskq.heartbeat(%L)', :'token'), 'TQ001', NULL, 'delete of a running one: the worker gets NotFound');
SELECT is((SELECT run_id FROM taskq.describe('10')), :old, 'delete without run id: the latest run only, older runs survive');
SELECT taskq.delete(run_id => :old);
SELECT throws_ok('SELECT taskq.describe(''10'')', 'TQ001', 'activity not found for ID: 10', 'delete of a closed one');
SELECT throws_ok(format('SELECT taskq.delete(run_id => %s)', :old), 'TQ001', NULL, 'delete twice: NotFound');
SELECT new('10b', '10b') AS run \gset
SELECT taskq.heartbeat(take('10b'), '1');
SELECT taskq.delete('10b');
SELECT is((SELECT count(*) FROM taskq.heartbeat_state WHERE run_id = :run), 0, 'delete leaves no heartbeat behind');
SELECT ok(created, 'start with the id of a deleted run: allowed') FROM taskq.schedule('10b', 'test', activity_id => '10b',
  start_to_close_timeout => '1 s', id_reuse_policy => 'reject_duplicate', request_id => 'r');

-- invariants of 10.2 over all that was made here
SELECT is((SELECT count(*) FROM (SELECT FROM taskq.activities WHERE status IN ('running', 'paused') GROUP BY activity_id
  HAVING count(*) > 1 AND activity_id IS NOT NULL) x), 0, 'at most one run per activity_id is open');
SELECT is((SELECT count(*) FROM taskq.activities WHERE (run_state IS NULL) <> (close_time IS NOT NULL)), 0, 'run_state is NULL when closed, and only then');
SELECT is((SELECT count(*) FROM taskq.activities WHERE status = 'completed' AND failure IS NOT NULL), 0, 'COMPLETED has no failure');
SELECT is((SELECT count(*) FROM taskq.activities WHERE (failure IS NOT NULL) <> (status IN ('failed', 'canceled', 'terminated', 'timed_out'))),
  0, 'a failure iff closed without success');
SELECT is((SELECT count(*) FROM taskq.activities WHERE close_time < greatest(schedule_time, first_started_time, last_started_time, last_attempt_complete_time)),
  0, 'close_time >= every other time of the row');
SELECT is((SELECT count(*) FROM taskq.activities WHERE status = 'paused' AND next_attempt_schedule_time IS NOT NULL), 0, 'paused: no next attempt');

-- a rollback leaves nothing, and gives a task back untouched
SAVEPOINT s;
SELECT new('11', '11') AS run \gset
ROLLBACK TO s;
SELECT throws_ok('SELECT taskq.describe(''11'')', 'TQ001', NULL, 'a rolled-back schedule leaves nothing');
SELECT new('12', '12') AS run \gset
SAVEPOINT s;
SELECT take('12') AS token \gset
ROLLBACK TO s;
SELECT is(show(:run, 'run_state attempt state_transition_count'), 'scheduled 1 1', 'a rolled-back poll gives the task back untouched');
SELECT throws_ok(format('SELECT taskq.complete(%L)', :'token'), 'TQ001', 'activity not found for ID: 12', 'a token of a rolled-back poll is void');
SELECT isnt(take('12'), NULL, 'it can be polled again');

SELECT * FROM finish();
ROLLBACK;
