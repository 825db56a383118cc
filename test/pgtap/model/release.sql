-- docs/semantics.md: release, the attempt that did not count.

BEGIN;
\ir ../include/helpers.psql
SELECT * FROM no_plan();

-- R: back to its place in the queue
SELECT set_clock('-10 min');
SELECT new('r', policy => taskq.retry_policy('1 s', maximum_attempts => 2)) AS run \gset
SELECT new('r') AS other \gset
SELECT set_clock('-5 min');
SELECT task_token AS token, current_attempt_scheduled_time AS due FROM taskq.poll('r', 'first') \gset
SELECT taskq.heartbeat(:'token', '"seen"');
SELECT is(show(:run, 'state_transition_count'), '2', 'R: two transitions before');
SELECT set_clock('0');
SELECT lives_ok(format('SELECT taskq.release(%L)', :'token'), 'R: release');
SELECT is(show(:run, 'status run_state attempt last_failure retry_state close_time last_attempt_complete_time next_attempt_schedule_time '
    'current_retry_interval last_worker_identity state_transition_count'),
  'running scheduled 1 - - - - - - first 3', 'R: scheduled, the same attempt, no failure, nothing to wait for, the worker is still shown');
SELECT throws_ok(format('SELECT taskq.release(%L)', :'token'), 'TQ001', NULL, 'R: the token is void');
SELECT throws_ok(format('SELECT taskq.complete(%L)', :'token'), 'TQ001', NULL, 'R: ... for every call');
SELECT results_eq(format('SELECT run_id, attempt, current_attempt_scheduled_time, heartbeat_details FROM taskq.poll(%L, %L)', 'r', 'second'),
  format('VALUES (%s::bigint, 1, %L::timestamptz, %L::jsonb)', :run, :'due', '"seen"'),
  'R: handed out first again, as attempt 1, due when it was, with the details of the heartbeat');
SELECT throws_ok(format('SELECT taskq.release(%L)', :'token'), 'TQ001', NULL, 'R: the old token does not reach the new attempt');
SELECT isnt(first_started_time, last_started_time, 'R: first_started_time is that of the attempt handed back') FROM a(:run);

-- released as often as one likes: no attempt is used up
SELECT new('often', policy => taskq.retry_policy(maximum_attempts => 1)) AS run \gset
DO $$ BEGIN FOR i IN 1..20 LOOP PERFORM taskq.release(take('often')); END LOOP; END $$;
SELECT is(show(:run, 'run_state attempt state_transition_count'), 'scheduled 1 41', 'twenty times, with one attempt allowed');
SELECT is(taskq.fail(take('often'), 'x'), 'maximum_attempts_reached', '... and then it fails as the first');

-- a back-off that is over, and the failure before, stay what they were
SELECT set_clock('-1 h');
SELECT new('second') AS run \gset
SELECT taskq.fail(take('second'), 'before');
SELECT set_clock('-30 min');
SELECT show(:run, 'last_attempt_complete_time last_failure') AS before, take('second') AS token \gset
SELECT set_clock('0');
SELECT taskq.release(:'token');
SELECT is(show(:run, 'run_state attempt'), 'scheduled 2', 'attempt 2 is attempt 2 again');
SELECT is(show(:run, 'last_attempt_complete_time last_failure'), :'before', '... its last failure and when the attempt before ended too');

-- ScheduleToStart: what passed while it ran does not count
SELECT set_clock('-1 h');
SELECT new('s2s', s2s => '10 min') AS run \gset
SELECT set_clock('-55 min');
SELECT take('s2s') AS token \gset
SELECT set_clock('0');
SELECT taskq.release(:'token');
SELECT ok(current_attempt_scheduled_time > clock_timestamp() - interval '1 min', 'ScheduleToStart: due from now on') FROM taskq.poll('s2s');
-- with ScheduleToClose alone both deadlines are one, and it would be the first to fire
SELECT set_clock('-10 min');
SELECT new('s2c', s2c => '1 h') AS run \gset
SELECT take('s2c') AS token \gset
SELECT set_clock('0');
SELECT taskq.release(:'token');
SELECT ok(current_attempt_scheduled_time > clock_timestamp() - interval '1 min', 'ScheduleToStart: nor if it is that of ScheduleToClose') FROM taskq.poll('s2c');
-- where ScheduleToClose comes first the place is kept
SELECT set_clock('-10 min');
SELECT new('s2c2', s2c => '1 h', s2s => '1 h') AS run \gset
SELECT taskq.fail(take('s2c2'), 'x', next_retry_delay => '1 min');
SELECT set_clock('-5 min');
SELECT task_token AS token, current_attempt_scheduled_time AS due FROM taskq.poll('s2c2') \gset
SELECT set_clock('0');
SELECT taskq.release(:'token');
SELECT is((SELECT current_attempt_scheduled_time FROM taskq.poll('s2c2')), :'due', 'ScheduleToClose comes first: the place is kept');

-- a delay: a snooze
SELECT new('snooze', hb => '1 min') AS run \gset
SELECT taskq.release(take('snooze'), '1 h', last_heartbeat_details => '{"at": 7}', identity => 'snoozer');
SELECT is(show(:run, 'run_state attempt current_retry_interval heartbeat_details last_worker_identity total_heartbeat_count'),
  'scheduled 1 01:00:00 {"at": 7} snoozer 1', 'delay: waits for an hour, with the details');
SELECT is(next_attempt_schedule_time, last_attempt_complete_time + interval '1 h', 'delay: from now on') FROM a(:run);
SELECT is(count(*), 0, 'delay: not handed out') FROM taskq.poll('snooze');
SELECT taskq.update_options(run_id => :run, options => '{"retry_policy": {"initial_interval": "5 s"}, "priority": 1}');
SELECT is(show(:run, 'current_retry_interval priority'), '01:00:00 1', 'delay: update_options leaves it, as it does next_retry_delay');
SELECT taskq.pause(run_id => :run);
SELECT taskq.unpause(run_id => :run);
SELECT is(next_attempt_schedule_time, last_attempt_complete_time + interval '1 h', 'delay: pause and unpause honour it') FROM a(:run);
SELECT taskq.pause(run_id => :run);
SELECT taskq.unpause(run_id => :run, skip_backoff => true);
SELECT results_eq('SELECT attempt, heartbeat_details FROM taskq.poll(''snooze'')', 'VALUES (1, ''{"at": 7}''::jsonb)', 'delay: skip_backoff ends it');
SELECT new('snooze reset') AS run \gset
SELECT taskq.release(take('snooze reset'), '1 h');
SELECT taskq.reset(run_id => :run);
SELECT is(show(:run, 'next_attempt_schedule_time current_retry_interval'), '- -', 'delay: reset ends it');
SELECT new('long', s2c => '1 h') AS run \gset
SELECT taskq.release(take('long'), '2 h');
SELECT is(show(:run, 'run_state'), 'scheduled', 'delay: longer than ScheduleToClose is for that timer to judge');
SELECT new('eternal') AS run \gset
SELECT throws_ok(format('SELECT taskq.release(%L, %L)', take('eternal'), '106751990 days'), '22023', 'invalid delay: out of range', 'delay: beyond the range of timestamps');
SELECT new('zero') AS run \gset
SELECT taskq.release(take('zero'), '0');
SELECT is(show(:run, 'run_state current_retry_interval last_attempt_complete_time'), 'scheduled - -', 'delay: 0 is none');
SELECT take('zero') AS token \gset
SELECT throws_ok(format('SELECT taskq.release(%L, %L)', :'token', delay), '22023', NULL, 'delay: ' || delay)
  FROM unnest(ARRAY['-1 s', '1 mon', '1 day -1 h']) delay;
SELECT throws_ok(format('SELECT taskq.release(gen_random_uuid(), %L)', '-1 s'), '22023', NULL, 'delay: judged before the token');
SELECT lives_ok(format('SELECT taskq.release(%L)', :'token'), 'delay: a refused one leaves the token valid');

-- PR
SELECT new('pr', 'pr') AS run \gset
SELECT take('pr') AS token \gset
SELECT taskq.pause('pr');
SELECT taskq.release(:'token', '1 h');
SELECT is(show(:run, 'status attempt last_failure next_attempt_schedule_time'), 'paused 1 - -', 'PR: paused, same attempt');
SELECT taskq.unpause('pr');
SELECT is(next_attempt_schedule_time, last_attempt_complete_time + interval '1 h', 'PR: the delay is kept for unpause') FROM a(:run);
SELECT new('pr2', 'pr2') AS run \gset
SELECT take('pr2') AS token \gset
SELECT taskq.pause('pr2');
SELECT taskq.release(:'token');
SELECT taskq.unpause('pr2');
SELECT is((SELECT attempt FROM taskq.poll('pr2')), 1, 'PR: without delay nothing is left to wait for');

-- CR
SELECT new('cr', 'cr') AS run \gset
SELECT take('cr') AS token \gset
SELECT taskq.request_cancel('cr', reason => 'no need', identity => 'op');
SELECT taskq.release(:'token', '1 h');
SELECT is(show(:run, 'status attempt last_failure retry_state'), 'canceled 1 - -', 'CR: canceled');
SELECT is((SELECT failure FROM a(:run)), '{"kind": "canceled", "message": "Activity canceled", "details": ["no need"], "identity": "op"}',
  'CR: as if nobody had run it');
SELECT new('cr2', 'cr2') AS run \gset
SELECT take('cr2') AS token \gset
SELECT taskq.request_cancel('cr2');
SELECT taskq.release(:'token');
SELECT is((SELECT failure FROM a(:run)), '{"kind": "canceled", "message": "Activity canceled"}', 'CR: without a reason no details');

-- RR
SELECT new('rr', 'rr') AS run \gset
SELECT taskq.fail(take('rr'), 'before', next_retry_delay => '1 us');
SELECT take('rr') AS token \gset
SELECT taskq.heartbeat(:'token', '1');
SELECT taskq.reset('rr', reset_heartbeat => true);
SELECT taskq.release(:'token', '1 h');
SELECT is(show(:run, 'run_state attempt next_attempt_schedule_time current_retry_interval heartbeat_details'), 'scheduled 1 - - -',
  'RR: the reset is carried out, the delay is not');
SELECT is((SELECT last_failure ->> 'message' FROM a(:run)), 'before', 'RR: no failure is added');
SELECT new('rr2', 'rr2') AS run \gset
SELECT take('rr2') AS token \gset
SELECT taskq.pause('rr2');
SELECT taskq.reset('rr2', keep_paused => true);
SELECT taskq.release(:'token');
SELECT is(show(:run, 'status attempt'), 'paused 1', 'RR: lands paused if it was to');

-- savepoints: rolled back, the token is valid again
SELECT new('back') AS run \gset
SELECT take('back') AS token \gset
SAVEPOINT s;
SELECT taskq.release(:'token', '1 h');
ROLLBACK TO s;
SELECT lives_ok(format('SELECT taskq.heartbeat(%L)', :'token'), 'rolled back: the attempt runs');
SELECT taskq.release(:'token');
SELECT is(count(*), 1, 'released and polled in one transaction') FROM taskq.poll('back');

-- release_many
SELECT new('many') FROM generate_series(1, 3);
SELECT array_agg(task_token) AS tokens FROM taskq.poll('many', max_tasks => 3) \gset
SELECT is((SELECT string_agg(ok::text, ' ') FROM taskq.release_many(:'tokens'::uuid[] || gen_random_uuid() || (:'tokens'::uuid[])[1], '1 h', 'w')),
  'true true true false false', 'release_many: stale and repeated tokens are false');
SELECT is((SELECT string_agg(concat_ws(' ', current_retry_interval, last_worker_identity), ', ') FROM taskq.activities WHERE task_queue = 'many'),
  '01:00:00 w, 01:00:00 w, 01:00:00 w', 'release_many: delay and identity are for all');
SELECT is(count(*), 0, 'release_many: of none') FROM taskq.release_many('{}');
SELECT throws_ok('SELECT taskq.release_many(NULL)', '22004', NULL, 'release_many: NULL');
SELECT throws_ok('SELECT taskq.release_many(ARRAY[NULL]::uuid[])', '22023', NULL, 'release_many: a NULL token');
SELECT throws_ok('SELECT taskq.release_many(ARRAY[ARRAY[gen_random_uuid()]])', '22023', NULL, 'release_many: two dimensions');
SELECT throws_ok('SELECT taskq.release(NULL)', '22004', NULL, 'release: NULL');
SELECT throws_ok('SELECT taskq.release(gen_random_uuid())', 'TQ001', NULL, 'release: an unknown token');

-- details that are too large are dropped, as those of fail are
SELECT new('large') AS run \gset
SELECT take('large') AS token \gset
SET LOCAL taskq.max_payload_size = '1kB';
SET LOCAL client_min_messages = error;
SELECT taskq.release(:'token', last_heartbeat_details => to_jsonb(repeat('x', 2000)));
SELECT is(show(:run, 'run_state heartbeat_details'), 'scheduled -', 'details above the limit are dropped');

SELECT * FROM finish();
ROLLBACK;
