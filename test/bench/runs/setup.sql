-- Two designs of open runs, and what both have. Columns and indexes are those that
-- taskq's tables have, as far as these steps write them.
CREATE SEQUENCE run_ids INCREMENT 1000;

-- What is open: activities of both designs. Where a run is a row too, that row is
-- the queue entry of its workflow task, and has the columns behind "scope".
CREATE TABLE one_open (
    run_id bigint NOT NULL, schedule_time timestamptz NOT NULL, scope bigint NOT NULL DEFAULT 0, level smallint NOT NULL DEFAULT 3,
    task_queue text COLLATE "C" NOT NULL, fairness_key text COLLATE "C" NOT NULL DEFAULT '', type text COLLATE "C" NOT NULL,
    input jsonb, dispatch_time timestamptz, start_to_close bigint, activity_id text COLLATE "C", control jsonb, alarm timestamptz,
    started_time timestamptz NOT NULL DEFAULT '-infinity', nonce bigint NOT NULL DEFAULT 0, transitions int NOT NULL DEFAULT 1,
    attempt int NOT NULL DEFAULT 1, state smallint NOT NULL DEFAULT 1, worker text NOT NULL DEFAULT '',
    scheduled_event_id bigint,
    started_event_id bigint, previous_started_event_id bigint, next_event_id bigint, history_size bigint, history_leaves smallint,
    run_flags smallint, signals int, pending_activities int, pending_timers int, start_time timestamptz, home_queue text COLLATE "C"
) WITH (fillfactor = 50, autovacuum_enabled = off);
CREATE UNIQUE INDEX one_open_pkey ON one_open (run_id);
CREATE INDEX one_open_ready ON one_open (task_queue, level, fairness_key, dispatch_time, run_id) WITH (deduplicate_items = off);
CREATE INDEX one_open_alarm ON one_open (alarm, run_id) WHERE alarm IS NOT NULL;
CREATE UNIQUE INDEX one_open_activity_id ON one_open (scope, activity_id) WHERE activity_id IS NOT NULL;

-- The other design: tasks of both kinds here, at most one of a run ...
CREATE TABLE two_open (
    run_id bigint NOT NULL, schedule_time timestamptz NOT NULL, scope bigint NOT NULL DEFAULT 0, level smallint NOT NULL DEFAULT 3,
    task_queue text COLLATE "C" NOT NULL, fairness_key text COLLATE "C" NOT NULL DEFAULT '', type text COLLATE "C" NOT NULL,
    input jsonb, dispatch_time timestamptz, start_to_close bigint, activity_id text COLLATE "C", control jsonb, alarm timestamptz,
    started_time timestamptz NOT NULL DEFAULT '-infinity', nonce bigint NOT NULL DEFAULT 0, transitions int NOT NULL DEFAULT 1,
    attempt int NOT NULL DEFAULT 1, state smallint NOT NULL DEFAULT 1, worker text NOT NULL DEFAULT '',
    scheduled_event_id bigint
) WITH (fillfactor = 50, autovacuum_enabled = off);
CREATE UNIQUE INDEX two_open_pkey ON two_open (run_id);
CREATE INDEX two_open_ready ON two_open (task_queue, level, fairness_key, dispatch_time, run_id) WITH (deduplicate_items = off);
CREATE INDEX two_open_alarm ON two_open (alarm, run_id) WHERE alarm IS NOT NULL;
CREATE UNIQUE INDEX two_open_activity_id ON two_open (scope, activity_id) WHERE activity_id IS NOT NULL;

-- ... and the run there.
CREATE TABLE two_run (
    run_id bigint NOT NULL, start_time timestamptz NOT NULL, task_queue text COLLATE "C" NOT NULL, workflow_id text COLLATE "C" NOT NULL,
    type text COLLATE "C" NOT NULL, task_timeout bigint, control jsonb, alarm timestamptz,
    previous_started_event_id bigint, next_event_id bigint NOT NULL, history_size bigint NOT NULL, history_leaves smallint NOT NULL,
    run_flags smallint NOT NULL, signals int NOT NULL, pending_activities int NOT NULL, pending_timers int NOT NULL,
    transitions int NOT NULL DEFAULT 1
) WITH (fillfactor = 50, autovacuum_enabled = off);
CREATE UNIQUE INDEX two_run_pkey ON two_run (run_id);
CREATE UNIQUE INDEX two_run_workflow_id ON two_run (workflow_id);
CREATE INDEX two_run_alarm ON two_run (alarm, run_id) WHERE alarm IS NOT NULL;

-- Appends to histories, and closed runs.
CREATE TABLE history (run_id bigint NOT NULL, first_event_id bigint NOT NULL, count int NOT NULL, events jsonb NOT NULL) WITH (autovacuum_enabled = off);
CREATE UNIQUE INDEX history_pkey ON history (run_id, first_event_id);
CREATE TABLE closed (
    run_id bigint NOT NULL, start_time timestamptz NOT NULL, close_time timestamptz NOT NULL, workflow_id text COLLATE "C" NOT NULL,
    type text COLLATE "C" NOT NULL, task_queue text COLLATE "C" NOT NULL, history_length bigint NOT NULL, status smallint NOT NULL, result jsonb
) WITH (autovacuum_enabled = off);
CREATE UNIQUE INDEX closed_pkey ON closed (run_id);
CREATE INDEX closed_workflow_id ON closed (workflow_id, run_id);

-- An append of so many events, of 250 bytes each.
CREATE FUNCTION events(n int) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
  SELECT jsonb_agg(jsonb_build_object('event_type', i, 'attributes', md5(i::text) || md5(i::text || 'a') || md5(i::text || 'b') || md5(i::text || 'c') || md5(i::text || 'd') || md5(i::text || 'e')))
  FROM generate_series(1, n) i
$$;
