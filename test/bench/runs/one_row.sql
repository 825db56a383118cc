-- An open run is a row of "open".
SELECT nextval('run_ids') AS base \gset
-- start
BEGIN;
INSERT INTO one_open (run_id, schedule_time, task_queue, type, dispatch_time, start_to_close, activity_id, control, scope, scheduled_event_id,
  next_event_id, history_size, history_leaves, run_flags, signals, pending_activities, pending_timers, start_time, home_queue)
SELECT :base::bigint + i, clock_timestamp(), '/_sys/w/orders', 'Order', clock_timestamp(), 10000000, 'order-' || (:base::bigint + i), '{"first_run_id": "1"}', -1, 2,
  3, 250, 1, 0, 0, 0, 0, clock_timestamp(), 'orders' FROM generate_series(0, :n::int - 1) i;
INSERT INTO history SELECT :base::bigint + i, 1, 1, :started::jsonb FROM generate_series(0, :n::int - 1) i;
COMMIT;
-- its task is polled
BEGIN;
UPDATE one_open SET state = 2, started_time = clock_timestamp(), nonce = 4711, worker = 'worker-1@host', transitions = transitions + 1, started_event_id = 3, next_event_id = 4
 WHERE run_id BETWEEN :base::bigint AND :base::bigint + :n::int - 1;
COMMIT;
-- completed with an activity: the run is idle, that is, last in its lane
BEGIN;
SELECT count(*) FROM (SELECT FROM one_open WHERE run_id BETWEEN :base::bigint AND :base::bigint + :n::int - 1 FOR NO KEY UPDATE) locked;
INSERT INTO one_open (run_id, schedule_time, task_queue, type, input, dispatch_time, start_to_close, activity_id, scope, scheduled_event_id)
SELECT :base::bigint + 500 + i, clock_timestamp(), 'orders', 'charge', '{"order": 17}', clock_timestamp(), 30000000, 'charge', :base::bigint + i, 5 FROM generate_series(0, :n::int - 1) i;
INSERT INTO history SELECT :base::bigint + i, 2, 4, :scheduled::jsonb FROM generate_series(0, :n::int - 1) i;
UPDATE one_open SET state = 7, dispatch_time = NULL, nonce = 0, transitions = transitions + 1, scheduled_event_id = NULL, started_event_id = NULL,
  previous_started_event_id = 3, next_event_id = 6, history_size = history_size + 1000, pending_activities = pending_activities + 1
 WHERE run_id BETWEEN :base::bigint AND :base::bigint + :n::int - 1;
COMMIT;
-- the activity is polled
BEGIN;
UPDATE one_open SET state = 2, started_time = clock_timestamp(), nonce = 4712, worker = 'worker-2@host', transitions = transitions + 1 WHERE run_id BETWEEN :base::bigint + 500 AND :base::bigint + 500 + :n::int - 1;
COMMIT;
-- completed: the run gets a task
BEGIN;
SELECT count(*) FROM (SELECT FROM one_open WHERE run_id BETWEEN :base::bigint AND :base::bigint + :n::int - 1 FOR NO KEY UPDATE) locked;
DELETE FROM one_open WHERE run_id BETWEEN :base::bigint + 500 AND :base::bigint + 500 + :n::int - 1;
INSERT INTO history SELECT :base::bigint + i, 6, 2, :done::jsonb FROM generate_series(0, :n::int - 1) i;
UPDATE one_open SET state = 1, schedule_time = clock_timestamp(), dispatch_time = clock_timestamp(), transitions = transitions + 1, scheduled_event_id = 8,
  next_event_id = 9, history_size = history_size + 500, pending_activities = pending_activities - 1
 WHERE run_id BETWEEN :base::bigint AND :base::bigint + :n::int - 1;
COMMIT;
-- its task is polled
BEGIN;
UPDATE one_open SET state = 2, started_time = clock_timestamp(), nonce = 4713, worker = 'worker-1@host', transitions = transitions + 1, started_event_id = 9, next_event_id = 10
 WHERE run_id BETWEEN :base::bigint AND :base::bigint + :n::int - 1;
COMMIT;
-- and closes the run
BEGIN;
SELECT count(*) FROM (SELECT FROM one_open WHERE run_id BETWEEN :base::bigint AND :base::bigint + :n::int - 1 FOR UPDATE) locked;
INSERT INTO history SELECT :base::bigint + i, 8, 4, :closed::jsonb FROM generate_series(0, :n::int - 1) i;
DELETE FROM one_open WHERE run_id BETWEEN :base::bigint AND :base::bigint + :n::int - 1;
INSERT INTO closed SELECT :base::bigint + i, clock_timestamp(), clock_timestamp(), 'order-' || (:base::bigint + i), 'Order', 'orders', 11, 1, '{"order": 17}' FROM generate_series(0, :n::int - 1) i;
COMMIT;
