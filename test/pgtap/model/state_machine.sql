-- docs/semantics.md: the transitions of an activity, one test for each effect.
-- Those that a timer triggers (T7, T8, T9) are in model/timeouts.sql.

BEGIN;
\ir ../include/helpers.psql
SELECT * FROM no_plan();

-- T1: start accepted
SELECT new('t1', 't1', s2c => '1 h', s2s => '5 min', stc => '1 min', delay => '10 min') AS run \gset
SELECT is(show(:run, 'status run_state attempt state_transition_count'), 'running scheduled 1 1',
  'T1: scheduled, attempt 1, one transition');
SELECT is((SELECT execution_time - schedule_time FROM a(:run)), '10 min', 'T1: execution_time = schedule_time + start_delay');
SELECT is((SELECT next_attempt_schedule_time - schedule_time FROM a(:run)), '10 min', 'T1: dispatch_time = schedule_time + start_delay');
SELECT is((SELECT expiration_time - schedule_time FROM a(:run)), '1 h 10 min', 'T1: ScheduleToClose is anchored at schedule_time + start_delay');
SELECT is(show(:run, 'first_started_time last_started_time last_attempt_complete_time current_retry_interval last_failure last_worker_identity'),
  '- - - - - -', 'T1: nothing has happened yet');
SELECT is(take('t1'), NULL, 'T1: not visible to pollers before dispatch_time');
SELECT set_clock('10 min');
SELECT isnt(take('t1'), NULL, 'T1: visible to pollers from dispatch_time on');
SELECT set_clock('0');

-- T2: a poller takes it
SELECT new('t2') AS run \gset
SELECT task_token, started_time, attempt FROM taskq.poll('t2', 'me') \gset
SELECT is(show(:run, 'status run_state attempt last_worker_identity state_transition_count'), 'running started 1 me 2',
  'T2: started, by the identity of the poll');
SELECT is((SELECT last_started_time FROM a(:run)), :'started_time', 'T2: started_time is that of the poll');
SELECT is((SELECT first_started_time FROM a(:run)), :'started_time', 'T2: first_started_time set by the first attempt');
SELECT is(take('t2'), NULL, 'T2: a task is delivered once');
SELECT taskq.fail(:'task_token', 'x');
SELECT set_clock('1 h');
SELECT task_token, started_time AS second FROM taskq.poll('t2', 'other') \gset
SELECT is((SELECT first_started_time FROM a(:run)), :'started_time', 'T2: first_started_time is set once ever');
SELECT is((SELECT last_started_time FROM a(:run)), :'second', 'T2: last_started_time is that of the last attempt');
SELECT is((SELECT last_worker_identity FROM a(:run)), 'other', 'T2: last_worker_identity is that of the last attempt');
SELECT set_clock('0');

-- T3: completed by token
SELECT new('t3') AS run \gset
SELECT take('t3') AS token \gset
SELECT taskq.complete(:'token', '{"answer": 42}', 'finisher');
SELECT is(show(:run, 'status run_state attempt result failure retry_state last_worker_identity state_transition_count'),
  'completed - 1 {"answer": 42} - - finisher 3', 'T3: completed with the result, by the identity of the request');
SELECT ok((SELECT close_time = last_attempt_complete_time AND close_time >= last_started_time FROM a(:run)),
  'T3: complete_time = close_time = now');
SELECT is((SELECT execution_duration FROM a(:run)), (SELECT close_time - schedule_time FROM a(:run)),
  'T3: execution_duration = close_time - schedule_time');
SELECT is((SELECT last_failure FROM a(:run)), NULL, 'T3: no failure');
SELECT new('t3b') AS run \gset
SELECT taskq.complete(take('t3b', 'poller'));
SELECT is((SELECT last_worker_identity FROM a(:run)), 'poller', 'T3: no identity told, that of the poll stays');
SELECT is((SELECT result FROM a(:run)), NULL, 'T3: the result may be NULL');
SELECT new('t3c') AS run \gset
SELECT taskq.complete(take('t3c'), 'null');
SELECT is((SELECT result FROM a(:run)), 'null'::jsonb, 'T3: a result that is JSON null is not NULL');

-- T4: forced completion by id
SELECT new('t4', 't4') AS run \gset
SELECT taskq.complete_by_id('t4', '1', identity => 'me');
SELECT is(show(:run, 'status attempt result last_worker_identity state_transition_count'), 'completed 1 1 me 2',
  'T4: an activity that was never started completes by id, attempt unchanged');
SELECT ok((SELECT last_started_time = close_time AND first_started_time = close_time FROM a(:run)),
  'T4: started_time = now, first_started_time too if it was NULL');
SELECT is(take('t4'), NULL, 'T4: a later poll finds nothing');
SELECT new('t4b', 't4b') AS run \gset
SELECT task_token, started_time FROM taskq.poll('t4b') \gset
SELECT taskq.fail(:'task_token', 'x');
SELECT taskq.pause('t4b');
SELECT taskq.complete_by_id('t4b');
SELECT is(show(:run, 'status attempt'), 'completed 2', 'T4: a paused activity completes by id, attempt unchanged');
SELECT ok((SELECT first_started_time = :'started_time' AND last_started_time = close_time FROM a(:run)),
  'T4: first_started_time stays when an attempt had been made');

-- T5: the attempt failed and is retried
SELECT new('t5', policy => taskq.retry_policy('3 min')) AS run \gset
SELECT is(taskq.fail(take('t5'), 'oops', 'E', '[1]', identity => 'failer'), 'in_progress', 'T5: retry_state in_progress');
SELECT is(show(:run, 'status run_state attempt current_retry_interval last_worker_identity state_transition_count'),
  'running scheduled 2 00:03:00 failer 3', 'T5: scheduled again, attempt + 1, with an interval');
SELECT is((SELECT next_attempt_schedule_time - last_attempt_complete_time FROM a(:run)), '3 min',
  'T5: dispatch_time = complete_time + interval');
SELECT is((SELECT last_failure FROM a(:run)), '{"kind": "application", "message": "oops", "type": "E", "details": [1]}',
  'T5: last_failure is what the worker reported');
SELECT is(take('t5'), NULL, 'T5: not delivered during the back-off');
SELECT set_clock('3 min');
SELECT is((SELECT attempt FROM taskq.poll('t5')), 2, 'T5: delivered as attempt 2 after it');
SELECT set_clock('0');

-- T6: the attempt failed and is not retried
SELECT new('t6', policy => taskq.retry_policy(maximum_attempts => 2)) AS run \gset
SELECT taskq.fail(take('t6'), 'first');
SELECT set_clock('1 h');
SELECT is(taskq.fail(take('t6'), 'second'), 'maximum_attempts_reached', 'T6: the retry_state says why');
SELECT is(show(:run, 'status run_state attempt retry_state current_retry_interval next_attempt_schedule_time state_transition_count'),
  'failed - 2 maximum_attempts_reached - - 5', 'T6: failed, attempt not incremented, interval cleared');
SELECT is((SELECT failure FROM a(:run)), '{"kind": "application", "message": "second"}', 'T6: the outcome is the failure itself');
SELECT is((SELECT last_failure FROM a(:run)), (SELECT failure FROM a(:run)), 'T6: last_failure = outcome failure');
SELECT ok((SELECT close_time = last_attempt_complete_time FROM a(:run)), 'T6: complete_time = now');
SELECT set_clock('0');

-- T10: cancellation requested while a worker holds the attempt
SELECT new('t10', 't10') AS run \gset
SELECT take('t10') AS token \gset
SELECT taskq.request_cancel('t10', reason => 'changed my mind', identity => 'boss');
SELECT is(show(:run, 'status run_state attempt cancel_reason state_transition_count'),
  'running cancel_requested 1 changed my mind 3', 'T10: cancel_requested; the reason can be read');
SELECT lives_ok(format('SELECT taskq.heartbeat(%L)', :'token'), 'T10: the token stays valid');
SELECT taskq.complete(:'token');
SELECT is(show(:run, 'status cancel_reason'), 'completed changed my mind', 'T10: completion still completes; the reason stays');
SELECT new('t10b', 't10b') AS run \gset
SELECT take('t10b') AS token \gset
SELECT taskq.pause('t10b');
SELECT taskq.request_cancel('t10b');
SELECT is(taskq.fail(:'token', 'x'), 'cancel_requested', 'T10: from PR, the pending pause is forgotten');
SELECT new('t10c', 't10c') AS run \gset
SELECT take('t10c') AS token \gset
SELECT taskq.reset('t10c');
SELECT taskq.request_cancel('t10c');
SELECT is(taskq.fail(:'token', 'x'), 'cancel_requested', 'T10: from RR, the pending reset is forgotten');
SELECT is((SELECT status FROM a(:run)), 'failed', 'T10: closed as FAILED, not CANCELED');

-- T11: cancelled at once
SELECT new('t11', 't11') AS run \gset
SELECT taskq.request_cancel('t11', reason => 'no need', identity => 'boss');
SELECT is(show(:run, 'status run_state attempt retry_state cancel_reason state_transition_count'), 'canceled - 1 - no need 2',
  'T11: nobody runs it: closed at once, one transition, attempt unchanged');
SELECT is((SELECT failure FROM a(:run)),
  '{"kind": "canceled", "message": "Activity canceled", "details": ["no need"], "identity": "boss"}',
  'T11: the failure carries reason and requester');
SELECT is(take('t11'), NULL, 'T11: a poll finds nothing');
SELECT new('t11b', 't11b') AS run \gset
SELECT taskq.pause('t11b');
SELECT taskq.request_cancel('t11b');
SELECT is((SELECT failure FROM a(:run)), '{"kind": "canceled", "message": "Activity canceled"}',
  'T11: a paused one likewise; without a reason no details');
SELECT new('t11c', 't11c', delay => '1 h') AS run \gset
SELECT taskq.request_cancel('t11c');
SELECT is((SELECT status FROM a(:run)), 'canceled', 'T11: a delayed one likewise');
SELECT new('t11d', 't11d') AS run \gset
SELECT taskq.fail(take('t11d'), 'x');
SELECT taskq.request_cancel('t11d');
SELECT is(show(:run, 'status attempt last_failure'), 'canceled 2 {"kind": "application", "message": "x"}',
  'T11: one in back-off likewise');

-- T12: the worker reports the cancellation
SELECT new('t12', 't12') AS run \gset
SELECT take('t12') AS token \gset
SELECT taskq.request_cancel('t12', reason => 'r', identity => 'boss');
SELECT taskq.report_canceled(:'token', '{"done": 7}', 'worker 2');
SELECT is(show(:run, 'status attempt retry_state last_worker_identity state_transition_count'), 'canceled 1 - worker 2 4',
  'T12: canceled; no retry_state');
SELECT is((SELECT failure FROM a(:run)),
  '{"kind": "canceled", "message": "Activity canceled", "details": {"done": 7}, "identity": "boss"}',
  'T12: details are the worker''s, the identity is the requester''s');
SELECT ok((SELECT close_time = last_attempt_complete_time FROM a(:run)), 'T12: complete_time = now');
SELECT new('t12b', 't12b') AS run \gset
SELECT take('t12b') AS token \gset
SELECT taskq.request_cancel('t12b');
SELECT taskq.report_canceled_by_id('t12b', 'null');
SELECT is((SELECT failure FROM a(:run)), '{"kind": "canceled", "message": "Activity canceled", "details": null}',
  'T12: by id too; details that are JSON null are kept');

-- T13: terminate
SELECT new('t13', 't13') AS run \gset
SELECT taskq.fail(take('t13'), 'before');
SELECT set_clock('1 h');
SELECT take('t13') AS token \gset
SELECT taskq.terminate('t13', reason => 'enough', identity => 'boss');
SELECT is(show(:run, 'status run_state attempt retry_state last_failure cancel_reason'),
  'terminated - 2 - {"kind": "application", "message": "before"} -', 'T13: terminated; last_failure untouched');
SELECT is((SELECT failure FROM a(:run)), '{"kind": "terminated", "message": "enough", "identity": "boss"}',
  'T13: the message is the reason');
SELECT throws_ok(format('SELECT taskq.heartbeat(%L)', :'token'), 'TQ001', 'activity not found for ID: t13',
  'T13: the worker learns of it by NotFound');
SELECT new('t13b', 't13b') AS run \gset
SELECT taskq.terminate('t13b');
SELECT is((SELECT failure FROM a(:run)), '{"kind": "terminated", "message": "terminated"}', 'T13: without a reason "terminated"');
SELECT set_clock('0');

-- T14: pause, nobody runs it
SELECT new('t14', 't14') AS run \gset
SELECT taskq.fail(take('t14'), 'x');
SELECT taskq.pause('t14', reason => 'wait', identity => 'boss');
SELECT is(show(:run, 'status run_state attempt current_retry_interval next_attempt_schedule_time state_transition_count'),
  'paused paused 2 - - 4', 'T14: paused; interval and next attempt not shown');
SELECT set_clock('1 h');
SELECT is(take('t14'), NULL, 'T14: not delivered');
SELECT set_clock('0');

-- T15: pause while a worker holds the attempt
SELECT new('t15', 't15') AS run \gset
SELECT take('t15') AS token \gset
SELECT taskq.pause('t15');
SELECT is(show(:run, 'status run_state attempt state_transition_count'), 'running pause_requested 1 3', 'T15: pause_requested');
SELECT lives_ok(format('SELECT taskq.complete(%L)', :'token'), 'T15: the token stays valid');
SELECT is((SELECT status FROM a(:run)), 'completed', 'T15: completion completes, the pause is forgotten');

-- T16: a pause that was requested is carried out
SELECT new('t16', 't16', policy => taskq.retry_policy('5 min')) AS run \gset
SELECT take('t16') AS token \gset
SELECT taskq.pause('t16');
SELECT is(taskq.fail(:'token', 'x'), 'in_progress', 'T16: retry_state in_progress');
SELECT is(show(:run, 'status run_state attempt current_retry_interval next_attempt_schedule_time'), 'paused paused 2 - -',
  'T16: paused with attempt + 1');
SELECT isnt((SELECT last_attempt_complete_time FROM a(:run)), NULL, 'T16: complete_time is recorded');
SELECT taskq.unpause('t16');
SELECT is((SELECT next_attempt_schedule_time - last_attempt_complete_time FROM a(:run)), '5 min',
  'T16, T17: the interval is remembered for unpause');

-- T17: unpause
SELECT new('t17', 't17', delay => '1 h') AS run \gset
SELECT taskq.pause('t17');
SELECT taskq.unpause('t17');
SELECT is(show(:run, 'status run_state attempt state_transition_count'), 'running scheduled 1 3', 'T17: scheduled');
SELECT is((SELECT next_attempt_schedule_time - schedule_time FROM a(:run)), '1 h', 'T17: what remains of the start delay is honoured');
SELECT taskq.pause('t17');
SELECT taskq.unpause('t17', skip_backoff => true);
SELECT isnt(take('t17'), NULL, 'T17: skip_backoff dispatches now');
SELECT new('t17b', 't17b') AS run \gset
SELECT taskq.pause('t17b');
SELECT taskq.unpause('t17b', jitter => '1 h');
SELECT ok((SELECT next_attempt_schedule_time <= taskq.clock() + interval '1 h' FROM a(:run)),
  'T17: jitter adds less than jitter');
SELECT new('t17c', 't17c', s2s => '1 min') AS run \gset
SELECT taskq.pause('t17c');
SELECT set_clock('1 h');
SELECT taskq.unpause('t17c');
SELECT isnt(take('t17c'), NULL, 'T17: ScheduleToStart starts anew at dispatch_time');
SELECT new('t17d', 't17d') AS run \gset
SELECT taskq.fail(take('t17d'), 'x');
SELECT taskq.pause('t17d');
SELECT set_clock('2 h');
SELECT taskq.unpause('t17d');
SELECT isnt(take('t17d'), NULL, 'T17: a back-off that is over meanwhile does not matter');
SELECT set_clock('0');

-- T18: unpause before the pause was carried out
SELECT new('t18', 't18') AS run \gset
SELECT take('t18') AS token \gset
SELECT taskq.pause('t18');
SELECT taskq.unpause('t18');
SELECT is(show(:run, 'status run_state attempt state_transition_count'), 'running started 1 4', 'T18: started');
SELECT is(taskq.fail(:'token', 'x'), 'in_progress', 'T18: the token stays valid');
SELECT is((SELECT run_state FROM a(:run)), 'scheduled', 'T18: nothing of the pause is left');

-- T19: reset, nobody runs it
SELECT new('t19', 't19') AS run \gset
SELECT take('t19') AS token \gset
SELECT taskq.heartbeat(:'token', '"here"');
SELECT taskq.fail(:'token', 'x');
SELECT taskq.reset('t19');
SELECT is(show(:run, 'status run_state attempt current_retry_interval next_attempt_schedule_time heartbeat_details state_transition_count'),
  'running scheduled 1 - - here 4', 'T19: attempt 1, interval cleared, due now; heartbeat details stay');
SELECT is((SELECT last_failure ->> 'message' FROM a(:run)), 'x', 'T19: last_failure stays');
SELECT taskq.reset('t19', reset_heartbeat => true);
SELECT is(show(:run, 'heartbeat_details last_heartbeat_time total_heartbeat_count'), '- - 1',
  'T19: reset_heartbeat clears details and time, not the count');
SELECT is((SELECT attempt FROM taskq.poll('t19')), 1, 'T19: delivered as attempt 1');
SELECT new('t19b', 't19b', delay => '1 h') AS run \gset
SELECT taskq.reset('t19b');
SELECT is((SELECT next_attempt_schedule_time - schedule_time FROM a(:run)), '1 h', 'T19: never started: the start delay holds');
SELECT new('t19c', 't19c') AS run \gset
SELECT taskq.fail(take('t19c'), 'x');
SELECT taskq.pause('t19c');
SELECT taskq.reset('t19c');
SELECT is(show(:run, 'status run_state attempt'), 'running scheduled 1', 'T19: from P to S');
SELECT new('t19d', 't19d') AS run \gset
SELECT taskq.reset('t19d', keep_paused => true);
SELECT is((SELECT run_state FROM a(:run)), 'scheduled', 'T19: keep_paused on S is ignored');
SELECT new('t19e', 't19e') AS run \gset
SELECT taskq.reset('t19e', jitter => '1 h');
SELECT ok((SELECT next_attempt_schedule_time <= taskq.clock() + interval '1 h' FROM a(:run)), 'T19: jitter adds less than jitter');

-- T20: reset with keep_paused
SELECT new('t20', 't20') AS run \gset
SELECT take('t20') AS token \gset
SELECT taskq.heartbeat(:'token', '"here"');
SELECT taskq.fail(:'token', 'x', next_retry_delay => '1 h');
SELECT taskq.pause('t20');
SELECT taskq.reset('t20', keep_paused => true, reset_heartbeat => true);
SELECT is(show(:run, 'status run_state attempt heartbeat_details state_transition_count'), 'paused paused 1 - 5',
  'T20: stays paused with attempt 1, heartbeat cleared at once');
SELECT taskq.unpause('t20');
SELECT isnt(take('t20'), NULL, 'T20: the interval is cleared: unpause dispatches now');

-- T21, T22: reset while a worker holds the attempt
SELECT new('t22', 't22', policy => taskq.retry_policy(maximum_attempts => 2)) AS run \gset
SELECT taskq.fail(take('t22'), 'x');
SELECT set_clock('1 h');
SELECT take('t22') AS token \gset
SELECT taskq.heartbeat(:'token', '"here"');
SELECT taskq.reset('t22', reset_heartbeat => true);
SELECT is(show(:run, 'status run_state attempt heartbeat_details'), 'running started 2 here', 'T21: effects are deferred');
SELECT is(taskq.fail(:'token', 'fatal', non_retryable => true), 'in_progress',
  'T22: reset wins over a non-retryable failure and over exhausted attempts');
SELECT is(show(:run, 'status run_state attempt heartbeat_details current_retry_interval next_attempt_schedule_time'),
  'running scheduled 1 - - -', 'T22: attempt 1, due now, heartbeat cleared');
SELECT is((SELECT last_failure ->> 'message' FROM a(:run)), 'fatal', 'T22: last_failure is recorded');
SELECT throws_ok(format('SELECT taskq.complete(%L)', :'token'), 'TQ001', 'activity not found for ID: t22', 'T22: the old token is void');
SELECT is((SELECT attempt FROM taskq.poll('t22')), 1, 'T22: delivered as attempt 1');
SELECT throws_ok(format('SELECT taskq.complete(%L)', :'token'), 'TQ001', 'activity not found for ID: t22',
  'T22: ... and stays so when the new attempt runs');
SELECT set_clock('0');
SELECT new('t21', 't21') AS run \gset
SELECT take('t21') AS token \gset
SELECT taskq.pause('t21');
SELECT taskq.reset('t21');
SELECT is((SELECT run_state FROM a(:run)), 'started', 'T21: PR without keep_paused drops the pause');
SELECT taskq.fail(:'token', 'x');
SELECT is(show(:run, 'run_state attempt'), 'scheduled 1', 'T22: lands in S');
SELECT new('t21b', 't21b') AS run \gset
SELECT take('t21b') AS token \gset
SELECT taskq.reset('t21b', keep_paused => true);
SELECT is((SELECT run_state FROM a(:run)), 'started', 'T21: keep_paused on plain R is ignored');
SELECT taskq.fail(:'token', 'x');
SELECT is((SELECT run_state FROM a(:run)), 'scheduled', 'T22: ... and lands in S');
SELECT new('t21c', 't21c', policy => taskq.retry_policy(maximum_attempts => 9)) AS run \gset
SELECT take('t21c') AS token \gset
SELECT taskq.update_options('t21c', options => '{"priority": 1, "retry_policy": {"maximum_attempts": 3}}');
SELECT taskq.reset('t21c', restore_original_options => true);
SELECT is((SELECT priority FROM a(:run)), 1, 'T21: restoring options is deferred');
SELECT taskq.fail(:'token', 'x');
SELECT is(show(:run, 'priority'), '-', 'T22: original options are restored');
SELECT is((SELECT (retry_policy ->> 'maximum_attempts')::int FROM a(:run)), 9, 'T22: ... the retry policy too');

-- T23: lands paused
SELECT new('t23', 't23') AS run \gset
SELECT take('t23') AS token \gset
SELECT taskq.pause('t23');
SELECT taskq.reset('t23', keep_paused => true);
SELECT is((SELECT run_state FROM a(:run)), 'pause_requested', 'T21: PR with keep_paused shows pause_requested');
SELECT is(taskq.fail(:'token', 'x', non_retryable => true), 'in_progress', 'T23: retry_state in_progress');
SELECT is(show(:run, 'status run_state attempt'), 'paused paused 1', 'T23: lands in P with attempt 1');
SELECT taskq.unpause('t23');
SELECT isnt(take('t23'), NULL, 'T23: no interval is left');

-- T24: update options
SELECT new('t24', 't24') AS run \gset
SELECT take('t24') AS token \gset
SELECT taskq.update_options('t24', options => '{"priority": 2}');
SELECT is(show(:run, 'run_state priority attempt state_transition_count'), 'started 2 1 3', 'T24: same state, one transition');
SELECT lives_ok(format('SELECT taskq.complete(%L)', :'token'), 'T24: the token of a running attempt stays valid');

-- T25: delete
SELECT new('t25', 't25') AS run \gset
SELECT take('t25') AS token \gset
SELECT taskq.delete('t25');
SELECT is((SELECT count(*) FROM taskq.activities WHERE run_id = :run), 0, 'T25: gone');
SELECT throws_ok(format('SELECT taskq.complete(%L)', :'token'), 'TQ001', format('activity not found for ID: %s', :'token'),
  'T25: its worker gets NotFound; nothing is known but the token');
SELECT throws_ok('SELECT taskq.delete(''t25'')', 'TQ001', 'activity not found for ID: t25', 'T25: delete twice: NotFound');
SELECT throws_ok(format('SELECT taskq.outcome(%s)', :run), 'TQ001', format('activity not found for ID: %s', :run), 'T25: outcome: NotFound');
SELECT ok(created, 'T25: the id can be used again')
  FROM taskq.schedule('t25', 'test', activity_id => 't25', start_to_close_timeout => '1 min', id_reuse_policy => 'reject_duplicate');

-- nothing else changes state
SELECT new('hb', 'hb') AS run \gset
SELECT take('hb') AS token \gset
SELECT taskq.heartbeat(:'token');
SELECT taskq.heartbeat(:'token');
SELECT is(show(:run, 'run_state state_transition_count total_heartbeat_count'), 'started 2 2', 'heartbeats never change state and do not count as transitions');

SELECT * FROM finish();
ROLLBACK;
