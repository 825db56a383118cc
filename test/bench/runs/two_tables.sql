-- An open run is a row of a table of its own, and each of its tasks a row of "open".
SELECT nextval('run_ids') AS base \gset
-- start
BEGIN;
INSERT INTO two_run (run_id, start_time, task_queue, workflow_id, type, task_timeout, control, next_event_id, history_size, history_leaves, run_flags, signals,
  pending_activities, pending_timers)
SELECT :base::bigint + i, clock_timestamp(), 'orders', 'order-' || (:base::bigint + i), 'Order', 10000000, '{"first_run_id": "1"}', 3, 250, 1, 0, 0, 0, 0 FROM generate_series(0, :n::int - 1) i;
INSERT INTO two_open (run_id, schedule_time, task_queue, type, dispatch_time, start_to_close, scheduled_event_id)
SELECT :base::bigint + i, clock_timestamp(), '/_sys/w/orders', 'Order', clock_timestamp(), 10000000, 2 FROM generate_series(0, :n::int - 1) i;
INSERT INTO history SELECT :base::bigint + i, 1, 1, :started::jsonb FROM generate_series(0, :n::int - 1) i;
COMMIT;
-- its task is polled; that its Started event has a number is known from the task
BEGIN;
UPDATE two_open SET state = 2, started_time = clock_timestamp(), nonce = 4711, worker = 'worker-1@host', transitions = transitions + 1
 WHERE run_id BETWEEN :base::bigint AND :base::bigint + :n::int - 1;
COMMIT;
-- completed with an activity: the task goes, the run's counters move
BEGIN;
SELECT count(*) FROM (SELECT FROM two_run WHERE run_id BETWEEN :base::bigint AND :base::bigint + :n::int - 1 FOR NO KEY UPDATE) locked;
UPDATE two_run SET previous_started_event_id = 3, next_event_id = 6, history_size = history_size + 1000, pending_activities = pending_activities + 1,
  transitions = transitions + 1
 WHERE run_id BETWEEN :base::bigint AND :base::bigint + :n::int - 1;
DELETE FROM two_open WHERE run_id BETWEEN :base::bigint AND :base::bigint + :n::int - 1;
INSERT INTO two_open (run_id, schedule_time, task_queue, type, input, dispatch_time, start_to_close, activity_id, scope, scheduled_event_id)
SELECT :base::bigint + 500 + i, clock_timestamp(), 'orders', 'charge', '{"order": 17}', clock_timestamp(), 30000000, 'charge', :base::bigint + i, 5 FROM generate_series(0, :n::int - 1) i;
INSERT INTO history SELECT :base::bigint + i, 2, 4, :scheduled::jsonb FROM generate_series(0, :n::int - 1) i;
COMMIT;
-- the activity is polled
BEGIN;
UPDATE two_open SET state = 2, started_time = clock_timestamp(), nonce = 4712, worker = 'worker-2@host', transitions = transitions + 1 WHERE run_id BETWEEN :base::bigint + 500 AND :base::bigint + 500 + :n::int - 1;
COMMIT;
-- completed: the run gets a task
BEGIN;
SELECT count(*) FROM (SELECT FROM two_run WHERE run_id BETWEEN :base::bigint AND :base::bigint + :n::int - 1 FOR NO KEY UPDATE) locked;
DELETE FROM two_open WHERE run_id BETWEEN :base::bigint + 500 AND :base::bigint + 500 + :n::int - 1;
INSERT INTO history SELECT :base::bigint + i, 6, 2, :done::jsonb FROM generate_series(0, :n::int - 1) i;
UPDATE two_run SET next_event_id = 9, history_size = history_size + 500, pending_activities = pending_activities - 1, transitions = transitions + 1
 WHERE run_id BETWEEN :base::bigint AND :base::bigint + :n::int - 1;
INSERT INTO two_open (run_id, schedule_time, task_queue, type, dispatch_time, start_to_close, scheduled_event_id)
SELECT :base::bigint + i, clock_timestamp(), '/_sys/w/orders', 'Order', clock_timestamp(), 10000000, 8 FROM generate_series(0, :n::int - 1) i;
COMMIT;
-- its task is polled
BEGIN;
UPDATE two_open SET state = 2, started_time = clock_timestamp(), nonce = 4713, worker = 'worker-1@host', transitions = transitions + 1
 WHERE run_id BETWEEN :base::bigint AND :base::bigint + :n::int - 1;
COMMIT;
-- and closes the run
BEGIN;
SELECT count(*) FROM (SELECT FROM two_run WHERE run_id BETWEEN :base::bigint AND :base::bigint + :n::int - 1 FOR UPDATE) locked;
INSERT INTO history SELECT :base::bigint + i, 8, 4, :closed::jsonb FROM generate_series(0, :n::int - 1) i;
DELETE FROM two_open WHERE run_id BETWEEN :base::bigint AND :base::bigint + :n::int - 1;
DELETE FROM two_run WHERE run_id BETWEEN :base::bigint AND :base::bigint + :n::int - 1;
INSERT INTO closed SELECT :base::bigint + i, clock_timestamp(), clock_timestamp(), 'order-' || (:base::bigint + i), 'Order', 'orders', 11, 1, '{"order": 17}' FROM generate_series(0, :n::int - 1) i;
COMMIT;
