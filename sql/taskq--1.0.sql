/*
 * The install script of taskq 1.0. Its sections:
 *
 *   types
 *   tables, with their indexes and triggers
 *   calls, as they are named in src/:
 *     policy           how activities are retried
 *     payload_values   what histories have of values, and the values
 *     commands         what a worker of workflows answers with
 *     schedule         to schedule them
 *     poll             to hand tasks out
 *     report           what a worker says of its attempt
 *     report_batch     ... of many
 *     operate          what others do to an activity
 *     operate_many     ... to many
 *     wait             to sleep until there is a task, or a result
 *     workflow_start   workflows: to start them
 *     workflow_control ... what others do to one
 *     workflow_task    ... to hand out their tasks
 *     workflow_report  ... what a worker answers
 *     workflow_read    ... history and outcome
 *     workflow_replay  ... is a run what its history says
 *     workflow_wait    ... to sleep until one has ended
 *     channel          names to LISTEN on
 *     listen           one channel for many queues
 *     watch            to hear what becomes of runs
 *     configure_queue  settings of task queues
 *     internal         what views ask of shared memory
 *     read             activities: the view, describe, outcome
 *     run_ids          runs as uuids
 *     workflow_views   workflows: runs, events and timers, as views
 *     queue_counts     how many tasks are open
 *     queue_views      task queues, pollers, statistics
 *     health           is taskq working well
 *   nodes, the numbers in run ids and tokens
 *   access, who may call and read what
 *
 * It runs with pg_catalog as its search_path (taskq.control) and makes the
 * schema taskq itself: one that is there already is an error, never adopted,
 * since whoever owns a schema can put functions and operators into it. The
 * schema belongs to the extension and goes with it.
 *
 * Whatever is called may run with the rights of somebody else: views with those
 * of the extension's owner. So nothing may depend on a search_path.
 * - What views, function bodies in SQL, defaults, checks and index predicates
 *   name is bound here, once. Operators and functions get operands of exactly
 *   the types that pg_catalog has them for, and literals a type where the
 *   operator could have another one; or they are qualified. Then no operator
 *   or function of the same name can be a better match.
 * - Functions in PL/pgSQL set search_path.
 * Tables are heap tables, whatever default_table_access_method says: the code
 * relies on it. test/t/access/install_script.pl holds this file to all that.
 */

-- complain if the script is sourced in psql, rather than by CREATE EXTENSION
\echo Use "CREATE EXTENSION taskq" to load this file. \quit

CREATE SCHEMA taskq;
COMMENT ON SCHEMA taskq IS 'durable task queues and activities';

--
-- Types
--

CREATE TYPE taskq.activity_status AS ENUM
  ('running', 'paused', 'completed', 'failed', 'canceled', 'terminated', 'timed_out');
COMMENT ON TYPE taskq.activity_status IS 'public status of an activity; running and paused are open';

CREATE TYPE taskq.run_state AS ENUM
  ('scheduled', 'started', 'cancel_requested', 'pause_requested', 'paused');
COMMENT ON TYPE taskq.run_state IS 'where an open activity is in its life; NULL once closed';

CREATE TYPE taskq.timeout_type AS ENUM
  ('schedule_to_start', 'start_to_close', 'schedule_to_close', 'heartbeat');
COMMENT ON TYPE taskq.timeout_type IS 'the four timeouts of an activity';

CREATE TYPE taskq.retry_state AS ENUM
  ('in_progress', 'non_retryable_failure', 'timeout', 'maximum_attempts_reached',
   'retry_policy_not_set', 'internal_server_error', 'cancel_requested');
COMMENT ON TYPE taskq.retry_state IS 'why there is, or is not, a further attempt';

CREATE TYPE taskq.id_reuse_policy AS ENUM
  ('allow_duplicate', 'allow_duplicate_failed_only', 'reject_duplicate');
COMMENT ON TYPE taskq.id_reuse_policy IS 'whether an activity_id may be used again after its run closed';

CREATE TYPE taskq.id_conflict_policy AS ENUM ('fail', 'use_existing');
COMMENT ON TYPE taskq.id_conflict_policy IS 'what schedule does when a run with the activity_id is open';

CREATE TYPE taskq.workflow_status AS ENUM
  ('running', 'completed', 'failed', 'canceled', 'terminated', 'continued_as_new', 'timed_out');
COMMENT ON TYPE taskq.workflow_status IS 'status of one run of a workflow; all but running are closed';

CREATE TYPE taskq.workflow_id_conflict_policy AS ENUM ('fail', 'use_existing', 'terminate_existing');
COMMENT ON TYPE taskq.workflow_id_conflict_policy IS 'what a start does when a run with the workflow_id is open';

CREATE TYPE taskq.task_kind AS ENUM ('activity', 'workflow');
COMMENT ON TYPE taskq.task_kind IS 'what the tasks of a queue are of';

CREATE TYPE taskq.retry_policy AS (
  initial_interval interval,
  backoff_coefficient float8,
  maximum_interval interval,
  maximum_attempts int,
  non_retryable_error_types text[],
  jitter float8
);
COMMENT ON TYPE taskq.retry_policy IS 'how failed attempts are retried; build it with the function of the same name';

CREATE TYPE taskq.activity_task AS (
  task_token uuid,
  run_id bigint,
  activity_id text,
  activity_type text,
  task_queue text,
  input jsonb,
  header jsonb,
  heartbeat_details jsonb,
  attempt int,
  scheduled_time timestamptz,
  current_attempt_scheduled_time timestamptz,
  started_time timestamptz,
  schedule_to_close_timeout interval,
  start_to_close_timeout interval,
  heartbeat_timeout interval,
  priority int,
  fairness_key text
);
COMMENT ON TYPE taskq.activity_task IS 'one attempt as poll hands it to a worker';

CREATE TYPE taskq.workflow_task AS (
  task_token uuid,
  run_id bigint,
  workflow_run_uuid uuid,
  workflow_id text,
  workflow_type text,
  task_queue text,
  attempt int,
  previous_started_event_id bigint,
  started_event_id bigint,
  scheduled_time timestamptz,
  started_time timestamptz,
  history json,
  transient jsonb,
  query jsonb,
  queries jsonb,
  messages jsonb,
  next_event_id bigint
);
COMMENT ON TYPE taskq.workflow_task IS 'one attempt of a workflow task as poll_workflow_task hands it to a worker';

CREATE TYPE taskq.scheduled_run AS (
  run_id bigint,
  activity_id text,
  created boolean
);
COMMENT ON TYPE taskq.scheduled_run IS 'what schedule returns: the run, and whether this call has made it';

CREATE TYPE taskq.heartbeat_response AS (
  cancel_requested boolean,
  activity_paused boolean,
  activity_reset boolean
);
COMMENT ON TYPE taskq.heartbeat_response IS 'what a heartbeat tells the worker; at most one is true';

CREATE TYPE taskq.history_event AS (
  event_time timestamptz,
  event_type smallint,                        -- number of the protocol's enum EventType
  attributes jsonb,
  user_metadata jsonb,
  extra jsonb
);
COMMENT ON TYPE taskq.history_event IS 'internal: one event of a run''s history, as it is stored; its event_id follows from its place';

--
-- Tables
--

-- The one row of an installation: made at the first start of an attempt (or by
-- set_node), never by this script, so that a dump restores the key with the
-- tokens that were made with it.
CREATE TABLE taskq.instance (
  id int NOT NULL DEFAULT 1 CHECK (id = 1) PRIMARY KEY,
  token_key bytea NOT NULL,
  node int NOT NULL DEFAULT 0 CHECK (node BETWEEN 0 AND 16383),
  leaf int NOT NULL DEFAULT 0 CHECK (leaf BETWEEN 0 AND 7), -- closed table being filled
  leaf_since timestamptz NOT NULL,            -- since when
  epoch bigint NOT NULL DEFAULT 1,            -- counts rotations
  run_prefix bigint NOT NULL,                 -- the first half of the uuids of runs
  history_leaf int NOT NULL DEFAULT 0 CHECK (history_leaf BETWEEN 0 AND 7), -- likewise of histories
  history_leaf_since timestamptz NOT NULL DEFAULT '-infinity'
) USING heap;
COMMENT ON TABLE taskq.instance IS 'internal: token key, prefix of the uuids of runs, node number and the leaves being filled';

-- Keys that come by COPY or by hand: sessions read them again.  (What the worker
-- changes, the leaves, they do not keep.)
CREATE FUNCTION taskq.instance_changed() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'taskq_instance_changed';
COMMENT ON FUNCTION taskq.instance_changed() IS 'internal: trigger that has sessions read taskq.instance again';
CREATE TRIGGER instance_changed AFTER INSERT OR UPDATE OF token_key, run_prefix OR DELETE OR TRUNCATE ON taskq.instance
  FOR EACH STATEMENT EXECUTE FUNCTION taskq.instance_changed();
COMMENT ON TRIGGER instance_changed ON taskq.instance IS 'internal: has sessions read it again';
ALTER TABLE taskq.instance ENABLE ALWAYS TRIGGER instance_changed;

CREATE SEQUENCE taskq.run_id_seq AS bigint;
COMMENT ON SEQUENCE taskq.run_id_seq IS 'internal: the next run_id; node << 48 is added by set_node';

-- One row per open activity, or run of a workflow; the row is the queue entry, of
-- a run that of its workflow task.  Columns are ordered
-- by how often they change: what a start writes comes last, NOT NULL and
-- adjacent, so that the new version differs from the old one in one short
-- stretch.  No column that a start, a heartbeat or a completion writes is in
-- any index or index predicate.  Indexed columns come first, where they are
-- quickly found: each update compares them.  What a retry writes comes after
-- the input.  Durations are microseconds, NULL = unset.  What activities do not
-- have comes last, and costs them bits.  Of a run activity_type is the type of the
-- workflow, activity_id its workflow_id, start_to_close the timeout of its tasks.
CREATE TABLE taskq.open (
  run_id bigint NOT NULL,
  schedule_time timestamptz NOT NULL,
  scope bigint NOT NULL DEFAULT 0,            -- 0 = an activity of its own, -1 = a run, else the run whose activity it is
  level smallint NOT NULL DEFAULT 3,          -- what counts of the priority
  task_queue text COLLATE "C" NOT NULL,
  fairness_key text COLLATE "C" NOT NULL DEFAULT '',
  activity_type text COLLATE "C" NOT NULL,
  input jsonb,
  dispatch_time timestamptz,                  -- NULL = paused; written by a retry
  schedule_to_close bigint,
  schedule_to_start bigint,
  start_to_close bigint,
  heartbeat_timeout bigint,
  start_delay bigint,
  fairness_weight float8,
  -- rarely set
  priority int,                               -- as given
  retry_policy taskq.retry_policy,            -- NULL = the built-in defaults
  activity_id text COLLATE "C",
  request_id text COLLATE "C",
  header jsonb,
  summary text,
  search_attributes jsonb,
  control jsonb,                              -- cancel, pause, request ids, originals, deferred reset
  last_failure jsonb,
  retry_interval bigint,                      -- of the pending or last back-off
  retry_by_worker boolean,                    -- it came with the failure, not from the policy
  last_complete_time timestamptz,
  first_started_time timestamptz,             -- set when the first attempt ends
  alarm timestamptz,                          -- lower bound of the next deadline; written by a retry
  -- written by a start
  started_time timestamptz NOT NULL DEFAULT '-infinity',
  nonce bigint NOT NULL DEFAULT 0,            -- makes the token of the attempt valid
  transitions int NOT NULL DEFAULT 1,
  attempt int NOT NULL DEFAULT 1,
  state smallint NOT NULL DEFAULT 1,
  worker text NOT NULL DEFAULT '',
  scheduled_event_id bigint,
  -- of runs
  started_event_id bigint,
  previous_started_event_id bigint,
  next_event_id bigint,
  history_size bigint,
  history_leaves smallint,                    -- a bit for each that has appends of the run
  run_flags smallint,
  signals int,                                -- received so far
  pending_activities int,
  pending_timers int,
  start_time timestamptz,
  deadline timestamptz,                       -- run timeout
  timer_due timestamptz,                      -- lower bound of the first user timer
  first_task_time timestamptz,
  attempt_timeout bigint,                     -- of the attempt of the task
  sticky_timeout bigint,
  home_queue text COLLATE "C",
  sticky_queue text COLLATE "C",              -- of the worker that has the run cached
  -- for rows that are written by hand: taskq's own writes keep to this
  CHECK (state BETWEEN 1 AND 7 AND attempt >= 1 AND pg_catalog.isfinite(schedule_time)),
  CHECK (dispatch_time IS NULL OR pg_catalog.isfinite(dispatch_time))
) USING heap WITH (fillfactor = 50,
        autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000,
        autovacuum_vacuum_insert_scale_factor = 0.2, autovacuum_vacuum_cost_delay = 0);
COMMENT ON TABLE taskq.open IS 'internal: open activities and runs of workflows; read taskq.activities';
ALTER TABLE taskq.open ADD CONSTRAINT open_pkey PRIMARY KEY (run_id);
-- each entry is another: to look for equal ones before a page is split is in vain
CREATE INDEX open_ready ON taskq.open (task_queue, level, fairness_key, dispatch_time, run_id) WITH (deduplicate_items = off);
CREATE INDEX open_alarm ON taskq.open (alarm, run_id) WITH (deduplicate_items = off) WHERE alarm IS NOT NULL;
-- activities of their own, runs by their workflow_id, and the activities of a run
CREATE UNIQUE INDEX open_activity_id ON taskq.open (scope, activity_id) WHERE activity_id IS NOT NULL;
CREATE INDEX open_search_attributes ON taskq.open USING gin (search_attributes)
  WHERE scope OPERATOR(pg_catalog.=) (-1)::bigint AND search_attributes IS NOT NULL;

-- taskq's own writes fire no triggers: this tells the worker of rows that come
-- by COPY (a restore), or by an administrator's hand.
CREATE FUNCTION taskq.rows_changed() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'taskq_rows_changed';
COMMENT ON FUNCTION taskq.rows_changed() IS 'internal: trigger that has the worker look at taskq.open again';
CREATE TRIGGER rows_changed BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON taskq.open
  FOR EACH STATEMENT EXECUTE FUNCTION taskq.rows_changed();
COMMENT ON TRIGGER rows_changed ON taskq.open IS 'internal: has the worker look again';
ALTER TABLE taskq.open ENABLE ALWAYS TRIGGER rows_changed;

-- Details and time of the last heartbeat of an open activity; survives retries.
CREATE TABLE taskq.heartbeat_state (
  run_id bigint NOT NULL,
  last_time timestamptz,
  count bigint NOT NULL,
  details jsonb
) USING heap WITH (fillfactor = 50,
        autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000,
        autovacuum_vacuum_cost_delay = 0);
COMMENT ON TABLE taskq.heartbeat_state IS 'internal: last heartbeats of open activities; read taskq.activities';
ALTER TABLE taskq.heartbeat_state ADD CONSTRAINT heartbeat_state_pkey PRIMARY KEY (run_id);

-- Closed activities: eight leaves filled in turn and emptied by TRUNCATE, and
-- one for queues that keep theirs longer than taskq.retention, emptied by
-- DELETE.  Append-only.
CREATE TABLE taskq.closed_0 (
  run_id bigint NOT NULL,
  schedule_time timestamptz NOT NULL,
  close_time timestamptz NOT NULL,
  expire_time timestamptz NOT NULL,
  schedule_to_close bigint,
  schedule_to_start bigint,
  start_to_close bigint,
  heartbeat_timeout bigint,
  start_delay bigint,
  fairness_weight float8,
  started_time timestamptz,
  first_started_time timestamptz,             -- NULL = started_time
  last_complete_time timestamptz,             -- NULL = close_time, if completed
  heartbeat_time timestamptz,
  heartbeat_count bigint,
  transitions int NOT NULL,
  attempt int NOT NULL,
  status taskq.activity_status NOT NULL,
  retry_state taskq.retry_state,
  priority int,
  task_queue text COLLATE "C" NOT NULL,
  activity_type text COLLATE "C" NOT NULL,
  fairness_key text COLLATE "C" NOT NULL,
  worker text NOT NULL,
  activity_id text COLLATE "C",
  request_id text COLLATE "C",
  summary text,
  input jsonb,
  result jsonb,
  failure jsonb,
  last_failure jsonb,
  heartbeat_details jsonb,
  header jsonb,
  search_attributes jsonb,
  control jsonb,
  retry_policy taskq.retry_policy
) USING heap WITH (autovacuum_freeze_min_age = 0);
COMMENT ON TABLE taskq.closed_0 IS 'internal: closed activities; read taskq.activities';
ALTER TABLE taskq.closed_0 ADD CONSTRAINT closed_0_pkey PRIMARY KEY (run_id);
CREATE INDEX closed_0_activity_id ON taskq.closed_0 (activity_id, run_id) WHERE activity_id IS NOT NULL;
-- "what failed in this queue"; whoever asks for what was completed wants most of it
CREATE INDEX closed_0_unsuccessful ON taskq.closed_0 (task_queue, status) WHERE status OPERATOR(pg_catalog.<>) 'completed';

CREATE TABLE taskq.closed_1 (LIKE taskq.closed_0) USING heap WITH (autovacuum_freeze_min_age = 0);
COMMENT ON TABLE taskq.closed_1 IS 'internal: closed activities; read taskq.activities';
ALTER TABLE taskq.closed_1 ADD CONSTRAINT closed_1_pkey PRIMARY KEY (run_id);
CREATE INDEX closed_1_activity_id ON taskq.closed_1 (activity_id, run_id) WHERE activity_id IS NOT NULL;
CREATE INDEX closed_1_unsuccessful ON taskq.closed_1 (task_queue, status) WHERE status OPERATOR(pg_catalog.<>) 'completed';

CREATE TABLE taskq.closed_2 (LIKE taskq.closed_0) USING heap WITH (autovacuum_freeze_min_age = 0);
COMMENT ON TABLE taskq.closed_2 IS 'internal: closed activities; read taskq.activities';
ALTER TABLE taskq.closed_2 ADD CONSTRAINT closed_2_pkey PRIMARY KEY (run_id);
CREATE INDEX closed_2_activity_id ON taskq.closed_2 (activity_id, run_id) WHERE activity_id IS NOT NULL;
CREATE INDEX closed_2_unsuccessful ON taskq.closed_2 (task_queue, status) WHERE status OPERATOR(pg_catalog.<>) 'completed';

CREATE TABLE taskq.closed_3 (LIKE taskq.closed_0) USING heap WITH (autovacuum_freeze_min_age = 0);
COMMENT ON TABLE taskq.closed_3 IS 'internal: closed activities; read taskq.activities';
ALTER TABLE taskq.closed_3 ADD CONSTRAINT closed_3_pkey PRIMARY KEY (run_id);
CREATE INDEX closed_3_activity_id ON taskq.closed_3 (activity_id, run_id) WHERE activity_id IS NOT NULL;
CREATE INDEX closed_3_unsuccessful ON taskq.closed_3 (task_queue, status) WHERE status OPERATOR(pg_catalog.<>) 'completed';

CREATE TABLE taskq.closed_4 (LIKE taskq.closed_0) USING heap WITH (autovacuum_freeze_min_age = 0);
COMMENT ON TABLE taskq.closed_4 IS 'internal: closed activities; read taskq.activities';
ALTER TABLE taskq.closed_4 ADD CONSTRAINT closed_4_pkey PRIMARY KEY (run_id);
CREATE INDEX closed_4_activity_id ON taskq.closed_4 (activity_id, run_id) WHERE activity_id IS NOT NULL;
CREATE INDEX closed_4_unsuccessful ON taskq.closed_4 (task_queue, status) WHERE status OPERATOR(pg_catalog.<>) 'completed';

CREATE TABLE taskq.closed_5 (LIKE taskq.closed_0) USING heap WITH (autovacuum_freeze_min_age = 0);
COMMENT ON TABLE taskq.closed_5 IS 'internal: closed activities; read taskq.activities';
ALTER TABLE taskq.closed_5 ADD CONSTRAINT closed_5_pkey PRIMARY KEY (run_id);
CREATE INDEX closed_5_activity_id ON taskq.closed_5 (activity_id, run_id) WHERE activity_id IS NOT NULL;
CREATE INDEX closed_5_unsuccessful ON taskq.closed_5 (task_queue, status) WHERE status OPERATOR(pg_catalog.<>) 'completed';

CREATE TABLE taskq.closed_6 (LIKE taskq.closed_0) USING heap WITH (autovacuum_freeze_min_age = 0);
COMMENT ON TABLE taskq.closed_6 IS 'internal: closed activities; read taskq.activities';
ALTER TABLE taskq.closed_6 ADD CONSTRAINT closed_6_pkey PRIMARY KEY (run_id);
CREATE INDEX closed_6_activity_id ON taskq.closed_6 (activity_id, run_id) WHERE activity_id IS NOT NULL;
CREATE INDEX closed_6_unsuccessful ON taskq.closed_6 (task_queue, status) WHERE status OPERATOR(pg_catalog.<>) 'completed';

CREATE TABLE taskq.closed_7 (LIKE taskq.closed_0) USING heap WITH (autovacuum_freeze_min_age = 0);
COMMENT ON TABLE taskq.closed_7 IS 'internal: closed activities; read taskq.activities';
ALTER TABLE taskq.closed_7 ADD CONSTRAINT closed_7_pkey PRIMARY KEY (run_id);
CREATE INDEX closed_7_activity_id ON taskq.closed_7 (activity_id, run_id) WHERE activity_id IS NOT NULL;
CREATE INDEX closed_7_unsuccessful ON taskq.closed_7 (task_queue, status) WHERE status OPERATOR(pg_catalog.<>) 'completed';

CREATE TABLE taskq.closed_long (LIKE taskq.closed_0) USING heap;
COMMENT ON TABLE taskq.closed_long IS 'internal: closed activities of queues with a retention beyond taskq.retention';
ALTER TABLE taskq.closed_long ADD CONSTRAINT closed_long_pkey PRIMARY KEY (run_id);
CREATE INDEX closed_long_activity_id ON taskq.closed_long (activity_id, run_id) WHERE activity_id IS NOT NULL;
CREATE INDEX closed_long_expire_time ON taskq.closed_long (expire_time);
CREATE INDEX closed_long_unsuccessful ON taskq.closed_long (task_queue, status) WHERE status OPERATOR(pg_catalog.<>) 'completed';

-- Closed runs of workflows, likewise: leaves with the same numbers are filled and
-- emptied together.
CREATE TABLE taskq.closed_run_0 (
  run_id bigint NOT NULL,
  start_time timestamptz NOT NULL,
  close_time timestamptz NOT NULL,
  expire_time timestamptz NOT NULL,
  history_length bigint NOT NULL,
  history_size bigint NOT NULL,
  next_run_id bigint,                         -- that it continued as
  task_timeout bigint,
  deadline timestamptz,
  fairness_weight float8,
  transitions int NOT NULL,
  signals int NOT NULL,
  priority int,
  status taskq.workflow_status NOT NULL,
  history_leaves smallint NOT NULL,
  run_flags smallint NOT NULL,
  workflow_id text COLLATE "C" NOT NULL,
  workflow_type text COLLATE "C" NOT NULL,
  home_queue text COLLATE "C" NOT NULL,
  fairness_key text COLLATE "C" NOT NULL,
  request_id text COLLATE "C",
  result jsonb,
  failure jsonb,
  search_attributes jsonb,
  control jsonb
) USING heap WITH (autovacuum_freeze_min_age = 0);
COMMENT ON TABLE taskq.closed_run_0 IS 'internal: closed runs of workflows';
ALTER TABLE taskq.closed_run_0 ADD CONSTRAINT closed_run_0_pkey PRIMARY KEY (run_id);
CREATE INDEX closed_run_0_workflow_id ON taskq.closed_run_0 (workflow_id, run_id);
CREATE INDEX closed_run_0_search_attributes ON taskq.closed_run_0 USING gin (search_attributes) WHERE search_attributes IS NOT NULL;

CREATE TABLE taskq.closed_run_1 (LIKE taskq.closed_run_0) USING heap WITH (autovacuum_freeze_min_age = 0);
COMMENT ON TABLE taskq.closed_run_1 IS 'internal: closed runs of workflows';
ALTER TABLE taskq.closed_run_1 ADD CONSTRAINT closed_run_1_pkey PRIMARY KEY (run_id);
CREATE INDEX closed_run_1_workflow_id ON taskq.closed_run_1 (workflow_id, run_id);
CREATE INDEX closed_run_1_search_attributes ON taskq.closed_run_1 USING gin (search_attributes) WHERE search_attributes IS NOT NULL;

CREATE TABLE taskq.closed_run_2 (LIKE taskq.closed_run_0) USING heap WITH (autovacuum_freeze_min_age = 0);
COMMENT ON TABLE taskq.closed_run_2 IS 'internal: closed runs of workflows';
ALTER TABLE taskq.closed_run_2 ADD CONSTRAINT closed_run_2_pkey PRIMARY KEY (run_id);
CREATE INDEX closed_run_2_workflow_id ON taskq.closed_run_2 (workflow_id, run_id);
CREATE INDEX closed_run_2_search_attributes ON taskq.closed_run_2 USING gin (search_attributes) WHERE search_attributes IS NOT NULL;

CREATE TABLE taskq.closed_run_3 (LIKE taskq.closed_run_0) USING heap WITH (autovacuum_freeze_min_age = 0);
COMMENT ON TABLE taskq.closed_run_3 IS 'internal: closed runs of workflows';
ALTER TABLE taskq.closed_run_3 ADD CONSTRAINT closed_run_3_pkey PRIMARY KEY (run_id);
CREATE INDEX closed_run_3_workflow_id ON taskq.closed_run_3 (workflow_id, run_id);
CREATE INDEX closed_run_3_search_attributes ON taskq.closed_run_3 USING gin (search_attributes) WHERE search_attributes IS NOT NULL;

CREATE TABLE taskq.closed_run_4 (LIKE taskq.closed_run_0) USING heap WITH (autovacuum_freeze_min_age = 0);
COMMENT ON TABLE taskq.closed_run_4 IS 'internal: closed runs of workflows';
ALTER TABLE taskq.closed_run_4 ADD CONSTRAINT closed_run_4_pkey PRIMARY KEY (run_id);
CREATE INDEX closed_run_4_workflow_id ON taskq.closed_run_4 (workflow_id, run_id);
CREATE INDEX closed_run_4_search_attributes ON taskq.closed_run_4 USING gin (search_attributes) WHERE search_attributes IS NOT NULL;

CREATE TABLE taskq.closed_run_5 (LIKE taskq.closed_run_0) USING heap WITH (autovacuum_freeze_min_age = 0);
COMMENT ON TABLE taskq.closed_run_5 IS 'internal: closed runs of workflows';
ALTER TABLE taskq.closed_run_5 ADD CONSTRAINT closed_run_5_pkey PRIMARY KEY (run_id);
CREATE INDEX closed_run_5_workflow_id ON taskq.closed_run_5 (workflow_id, run_id);
CREATE INDEX closed_run_5_search_attributes ON taskq.closed_run_5 USING gin (search_attributes) WHERE search_attributes IS NOT NULL;

CREATE TABLE taskq.closed_run_6 (LIKE taskq.closed_run_0) USING heap WITH (autovacuum_freeze_min_age = 0);
COMMENT ON TABLE taskq.closed_run_6 IS 'internal: closed runs of workflows';
ALTER TABLE taskq.closed_run_6 ADD CONSTRAINT closed_run_6_pkey PRIMARY KEY (run_id);
CREATE INDEX closed_run_6_workflow_id ON taskq.closed_run_6 (workflow_id, run_id);
CREATE INDEX closed_run_6_search_attributes ON taskq.closed_run_6 USING gin (search_attributes) WHERE search_attributes IS NOT NULL;

CREATE TABLE taskq.closed_run_7 (LIKE taskq.closed_run_0) USING heap WITH (autovacuum_freeze_min_age = 0);
COMMENT ON TABLE taskq.closed_run_7 IS 'internal: closed runs of workflows';
ALTER TABLE taskq.closed_run_7 ADD CONSTRAINT closed_run_7_pkey PRIMARY KEY (run_id);
CREATE INDEX closed_run_7_workflow_id ON taskq.closed_run_7 (workflow_id, run_id);
CREATE INDEX closed_run_7_search_attributes ON taskq.closed_run_7 USING gin (search_attributes) WHERE search_attributes IS NOT NULL;

CREATE TABLE taskq.closed_run_long (LIKE taskq.closed_run_0) USING heap;
COMMENT ON TABLE taskq.closed_run_long IS 'internal: closed runs of workflows of queues with a retention beyond taskq.retention';
ALTER TABLE taskq.closed_run_long ADD CONSTRAINT closed_run_long_pkey PRIMARY KEY (run_id);
CREATE INDEX closed_run_long_workflow_id ON taskq.closed_run_long (workflow_id, run_id);
CREATE INDEX closed_run_long_search_attributes ON taskq.closed_run_long USING gin (search_attributes) WHERE search_attributes IS NOT NULL;
CREATE INDEX closed_run_long_expire_time ON taskq.closed_run_long (expire_time);

-- Histories of runs: one row for each append.  Eight leaves that are filled in
-- turn, and one for what is kept when a leaf is emptied.
CREATE TABLE taskq.history_0 (
  run_id bigint NOT NULL,
  first_event_id bigint NOT NULL,
  expire_time timestamptz,                    -- of the run, in its last append, which closes it
  count int NOT NULL,                         -- of events
  events taskq.history_event[] NOT NULL
) USING heap WITH (autovacuum_freeze_min_age = 0);
COMMENT ON TABLE taskq.history_0 IS 'internal: events of runs';
ALTER TABLE taskq.history_0 ADD CONSTRAINT history_0_pkey PRIMARY KEY (run_id, first_event_id);

CREATE TABLE taskq.history_1 (LIKE taskq.history_0) USING heap WITH (autovacuum_freeze_min_age = 0);
COMMENT ON TABLE taskq.history_1 IS 'internal: events of runs';
ALTER TABLE taskq.history_1 ADD CONSTRAINT history_1_pkey PRIMARY KEY (run_id, first_event_id);

CREATE TABLE taskq.history_2 (LIKE taskq.history_0) USING heap WITH (autovacuum_freeze_min_age = 0);
COMMENT ON TABLE taskq.history_2 IS 'internal: events of runs';
ALTER TABLE taskq.history_2 ADD CONSTRAINT history_2_pkey PRIMARY KEY (run_id, first_event_id);

CREATE TABLE taskq.history_3 (LIKE taskq.history_0) USING heap WITH (autovacuum_freeze_min_age = 0);
COMMENT ON TABLE taskq.history_3 IS 'internal: events of runs';
ALTER TABLE taskq.history_3 ADD CONSTRAINT history_3_pkey PRIMARY KEY (run_id, first_event_id);

CREATE TABLE taskq.history_4 (LIKE taskq.history_0) USING heap WITH (autovacuum_freeze_min_age = 0);
COMMENT ON TABLE taskq.history_4 IS 'internal: events of runs';
ALTER TABLE taskq.history_4 ADD CONSTRAINT history_4_pkey PRIMARY KEY (run_id, first_event_id);

CREATE TABLE taskq.history_5 (LIKE taskq.history_0) USING heap WITH (autovacuum_freeze_min_age = 0);
COMMENT ON TABLE taskq.history_5 IS 'internal: events of runs';
ALTER TABLE taskq.history_5 ADD CONSTRAINT history_5_pkey PRIMARY KEY (run_id, first_event_id);

CREATE TABLE taskq.history_6 (LIKE taskq.history_0) USING heap WITH (autovacuum_freeze_min_age = 0);
COMMENT ON TABLE taskq.history_6 IS 'internal: events of runs';
ALTER TABLE taskq.history_6 ADD CONSTRAINT history_6_pkey PRIMARY KEY (run_id, first_event_id);

CREATE TABLE taskq.history_7 (LIKE taskq.history_0) USING heap WITH (autovacuum_freeze_min_age = 0);
COMMENT ON TABLE taskq.history_7 IS 'internal: events of runs';
ALTER TABLE taskq.history_7 ADD CONSTRAINT history_7_pkey PRIMARY KEY (run_id, first_event_id);

CREATE TABLE taskq.history_long (LIKE taskq.history_0) USING heap;
COMMENT ON TABLE taskq.history_long IS 'internal: events of runs that outlived the leaf they were written to';
ALTER TABLE taskq.history_long ADD CONSTRAINT history_long_pkey PRIMARY KEY (run_id, first_event_id);

-- Mail of open runs: events that have no number yet.
CREATE SEQUENCE taskq.run_inbox_seq AS bigint;
COMMENT ON SEQUENCE taskq.run_inbox_seq IS 'internal: the order of the rows of run_inbox';
CREATE TABLE taskq.run_inbox (
  run_id bigint NOT NULL,
  seq bigint NOT NULL,
  mail jsonb NOT NULL
) USING heap WITH (
        autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000,
        autovacuum_vacuum_cost_delay = 0);
COMMENT ON TABLE taskq.run_inbox IS 'internal: what runs will find in their histories, not numbered yet';
ALTER TABLE taskq.run_inbox ADD CONSTRAINT run_inbox_pkey PRIMARY KEY (run_id, seq);
-- as for taskq.open
CREATE FUNCTION taskq.inbox_changed() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'taskq_inbox_changed';
COMMENT ON FUNCTION taskq.inbox_changed() IS 'internal: trigger that has the worker look at taskq.run_inbox again';
CREATE TRIGGER inbox_changed BEFORE INSERT OR UPDATE ON taskq.run_inbox
  FOR EACH STATEMENT EXECUTE FUNCTION taskq.inbox_changed();
COMMENT ON TRIGGER inbox_changed ON taskq.run_inbox IS 'internal: has the worker look again';
ALTER TABLE taskq.run_inbox ENABLE ALWAYS TRIGGER inbox_changed;

-- User timers of open runs.
CREATE TABLE taskq.run_timer (
  run_id bigint NOT NULL,
  timer_id text COLLATE "C" NOT NULL,
  started_event_id bigint NOT NULL,
  fire_time timestamptz NOT NULL
) USING heap WITH (
        autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000,
        autovacuum_vacuum_cost_delay = 0);
COMMENT ON TABLE taskq.run_timer IS 'internal: timers of runs that have not fired';
ALTER TABLE taskq.run_timer ADD CONSTRAINT run_timer_pkey PRIMARY KEY (run_id, timer_id);
CREATE INDEX run_timer_fire_time ON taskq.run_timer (run_id, fire_time);

-- Request ids of the signals that an open run has received.
CREATE TABLE taskq.run_request (
  run_id bigint NOT NULL,
  request_id text COLLATE "C" NOT NULL
) USING heap WITH (
        autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000,
        autovacuum_vacuum_cost_delay = 0);
COMMENT ON TABLE taskq.run_request IS 'internal: request ids of signals to runs';
ALTER TABLE taskq.run_request ADD CONSTRAINT run_request_pkey PRIMARY KEY (run_id, request_id);

-- Search attributes, as their first use declared them.
CREATE TABLE taskq.search_attribute (
  name text COLLATE "C" NOT NULL,
  type text COLLATE "C" NOT NULL
) USING heap;
COMMENT ON TABLE taskq.search_attribute IS 'internal: types of search attributes of workflows';
ALTER TABLE taskq.search_attribute ADD CONSTRAINT search_attribute_pkey PRIMARY KEY (name);

-- Queues that somebody configured.
CREATE TABLE taskq.queue_config (
  task_queue text COLLATE "C" NOT NULL PRIMARY KEY,
  config jsonb NOT NULL,
  reason text,
  identity text,
  update_time timestamptz NOT NULL,
  revision bigint NOT NULL DEFAULT 1
) USING heap;
COMMENT ON TABLE taskq.queue_config IS 'internal: configured task queues; read taskq.task_queues';

-- Rows that come by COPY or by hand: sessions read the table again, and whoever
-- waits for a task looks.  (The trigger of taskq.open would forget all counts.)
CREATE FUNCTION taskq.queue_config_changed() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'taskq_queue_config_changed';
COMMENT ON FUNCTION taskq.queue_config_changed() IS 'internal: trigger that has sessions read taskq.queue_config again';
CREATE TRIGGER queue_config_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON taskq.queue_config
  FOR EACH STATEMENT EXECUTE FUNCTION taskq.queue_config_changed();
COMMENT ON TRIGGER queue_config_changed ON taskq.queue_config IS 'internal: has sessions read it again';
ALTER TABLE taskq.queue_config ENABLE ALWAYS TRIGGER queue_config_changed;

-- Functions of this database that are activities, by their signature: a dump
-- could not take an OID along.
CREATE TABLE taskq.registered_function (
  task_queue text COLLATE "C" NOT NULL,
  activity_type text COLLATE "C" NOT NULL,
  function text COLLATE "C" NOT NULL,
  run_as regrole NOT NULL,
  concurrency int NOT NULL,
  PRIMARY KEY (task_queue, activity_type)
) USING heap;
COMMENT ON TABLE taskq.registered_function IS 'internal: functions that are activities; read taskq.functions';

-- Rows that come by COPY or by hand: sessions read the table again.
CREATE FUNCTION taskq.functions_changed() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'taskq_functions_changed';
COMMENT ON FUNCTION taskq.functions_changed() IS 'internal: trigger that has sessions read taskq.registered_function again';
CREATE TRIGGER functions_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON taskq.registered_function
  FOR EACH STATEMENT EXECUTE FUNCTION taskq.functions_changed();
COMMENT ON TRIGGER functions_changed ON taskq.registered_function IS 'internal: has sessions read it again';
ALTER TABLE taskq.registered_function ENABLE ALWAYS TRIGGER functions_changed;

-- what a dump takes along
SELECT pg_catalog.pg_extension_config_dump('taskq.instance', '');
SELECT pg_catalog.pg_extension_config_dump('taskq.run_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('taskq.open', '');
SELECT pg_catalog.pg_extension_config_dump('taskq.heartbeat_state', '');
SELECT pg_catalog.pg_extension_config_dump('taskq.closed_0', '');
SELECT pg_catalog.pg_extension_config_dump('taskq.closed_1', '');
SELECT pg_catalog.pg_extension_config_dump('taskq.closed_2', '');
SELECT pg_catalog.pg_extension_config_dump('taskq.closed_3', '');
SELECT pg_catalog.pg_extension_config_dump('taskq.closed_4', '');
SELECT pg_catalog.pg_extension_config_dump('taskq.closed_5', '');
SELECT pg_catalog.pg_extension_config_dump('taskq.closed_6', '');
SELECT pg_catalog.pg_extension_config_dump('taskq.closed_7', '');
SELECT pg_catalog.pg_extension_config_dump('taskq.closed_long', '');
SELECT pg_catalog.pg_extension_config_dump('taskq.closed_run_0', '');
SELECT pg_catalog.pg_extension_config_dump('taskq.closed_run_1', '');
SELECT pg_catalog.pg_extension_config_dump('taskq.closed_run_2', '');
SELECT pg_catalog.pg_extension_config_dump('taskq.closed_run_3', '');
SELECT pg_catalog.pg_extension_config_dump('taskq.closed_run_4', '');
SELECT pg_catalog.pg_extension_config_dump('taskq.closed_run_5', '');
SELECT pg_catalog.pg_extension_config_dump('taskq.closed_run_6', '');
SELECT pg_catalog.pg_extension_config_dump('taskq.closed_run_7', '');
SELECT pg_catalog.pg_extension_config_dump('taskq.closed_run_long', '');
SELECT pg_catalog.pg_extension_config_dump('taskq.history_0', '');
SELECT pg_catalog.pg_extension_config_dump('taskq.history_1', '');
SELECT pg_catalog.pg_extension_config_dump('taskq.history_2', '');
SELECT pg_catalog.pg_extension_config_dump('taskq.history_3', '');
SELECT pg_catalog.pg_extension_config_dump('taskq.history_4', '');
SELECT pg_catalog.pg_extension_config_dump('taskq.history_5', '');
SELECT pg_catalog.pg_extension_config_dump('taskq.history_6', '');
SELECT pg_catalog.pg_extension_config_dump('taskq.history_7', '');
SELECT pg_catalog.pg_extension_config_dump('taskq.history_long', '');
SELECT pg_catalog.pg_extension_config_dump('taskq.run_inbox_seq', '');
SELECT pg_catalog.pg_extension_config_dump('taskq.run_inbox', '');
SELECT pg_catalog.pg_extension_config_dump('taskq.run_timer', '');
SELECT pg_catalog.pg_extension_config_dump('taskq.run_request', '');
SELECT pg_catalog.pg_extension_config_dump('taskq.search_attribute', '');
SELECT pg_catalog.pg_extension_config_dump('taskq.queue_config', '');
SELECT pg_catalog.pg_extension_config_dump('taskq.registered_function', '');

--
-- policy
--

CREATE FUNCTION taskq.retry_policy(
  initial_interval interval DEFAULT NULL,
  backoff_coefficient float8 DEFAULT NULL,
  maximum_interval interval DEFAULT NULL,
  maximum_attempts int DEFAULT NULL,
  non_retryable_error_types text[] DEFAULT NULL,
  jitter float8 DEFAULT NULL
) RETURNS taskq.retry_policy
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ROW($1, $2, $3, $4, $5, $6)::taskq.retry_policy;
COMMENT ON FUNCTION taskq.retry_policy(interval, float8, interval, int, text[], float8)
  IS 'build a retry policy; what is NULL or omitted takes the server''s default';

CREATE FUNCTION taskq.retry_policy_from_jsonb(policy jsonb) RETURNS taskq.retry_policy
LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'taskq_retry_policy_from_jsonb';
COMMENT ON FUNCTION taskq.retry_policy_from_jsonb(jsonb)
  IS 'build a retry policy from an object; what is null or absent takes the server''s default';

CREATE FUNCTION taskq.retry_policy_to_jsonb(policy taskq.retry_policy) RETURNS jsonb
LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'taskq_retry_policy_to_jsonb';
COMMENT ON FUNCTION taskq.retry_policy_to_jsonb(taskq.retry_policy)
  IS 'internal: a retry policy as it is stored; read taskq.activities';

--
-- payload_values
--

CREATE FUNCTION taskq.payloads(payloads jsonb) RETURNS jsonb
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'taskq_payloads';
COMMENT ON FUNCTION taskq.payloads(jsonb)
  IS 'what Payloads, one Payload, or a map of them mean, as SQL sees values; NULL for none';

CREATE FUNCTION taskq.to_payloads(VARIADIC args jsonb[]) RETURNS jsonb
LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'taskq_to_payloads';
COMMENT ON FUNCTION taskq.to_payloads(jsonb[])
  IS 'the Payloads that values are in events and commands';

--
-- commands
--

CREATE FUNCTION taskq.command_schedule_activity(
  activity_type text,
  input jsonb DEFAULT NULL,
  start_to_close_timeout interval DEFAULT NULL,
  schedule_to_close_timeout interval DEFAULT NULL,
  schedule_to_start_timeout interval DEFAULT NULL,
  heartbeat_timeout interval DEFAULT NULL,
  activity_id text DEFAULT NULL,
  task_queue text DEFAULT NULL,
  retry_policy taskq.retry_policy DEFAULT NULL,
  header jsonb DEFAULT NULL,
  priority int DEFAULT NULL,
  fairness_key text DEFAULT NULL,
  fairness_weight float8 DEFAULT NULL,
  eager boolean DEFAULT NULL,
  summary text DEFAULT NULL
) RETURNS jsonb
LANGUAGE c VOLATILE PARALLEL SAFE AS 'MODULE_PATHNAME', 'taskq_command_schedule_activity';
COMMENT ON FUNCTION taskq.command_schedule_activity(text, jsonb, interval, interval, interval, interval, text, text, taskq.retry_policy, jsonb, int, text, float8, boolean, text)
  IS 'the command to schedule an activity; without activity_id it gets a uuid';

CREATE FUNCTION taskq.command_start_timer(timer_id text, start_to_fire interval, summary text DEFAULT NULL) RETURNS jsonb
LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'taskq_command_start_timer';
COMMENT ON FUNCTION taskq.command_start_timer(text, interval, text)
  IS 'the command to start a timer';

CREATE FUNCTION taskq.command_cancel_timer(timer_id text) RETURNS jsonb
LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'taskq_command_cancel_timer';
COMMENT ON FUNCTION taskq.command_cancel_timer(text)
  IS 'the command to cancel a timer';

CREATE FUNCTION taskq.command_request_cancel_activity(scheduled_event_id bigint) RETURNS jsonb
LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'taskq_command_request_cancel_activity';
COMMENT ON FUNCTION taskq.command_request_cancel_activity(bigint)
  IS 'the command to ask an activity to stop, by the event that scheduled it';

CREATE FUNCTION taskq.command_complete(result jsonb DEFAULT NULL) RETURNS jsonb
LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'taskq_command_complete';
COMMENT ON FUNCTION taskq.command_complete(jsonb)
  IS 'the command to complete the workflow';

CREATE FUNCTION taskq.command_fail(
  message text,
  type text DEFAULT NULL,
  details jsonb DEFAULT NULL,
  non_retryable boolean DEFAULT false
) RETURNS jsonb
LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'taskq_command_fail';
COMMENT ON FUNCTION taskq.command_fail(text, text, jsonb, boolean)
  IS 'the command to fail the workflow';

CREATE FUNCTION taskq.command_fail_with(failure jsonb) RETURNS jsonb
LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'taskq_command_fail_with';
COMMENT ON FUNCTION taskq.command_fail_with(jsonb)
  IS 'the command to fail the workflow with a failure that has a cause, or is of another kind';

CREATE FUNCTION taskq.command_cancel(details jsonb DEFAULT NULL) RETURNS jsonb
LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'taskq_command_cancel';
COMMENT ON FUNCTION taskq.command_cancel(jsonb)
  IS 'the command to close the workflow as canceled';

CREATE FUNCTION taskq.command_continue_as_new(
  workflow_type text DEFAULT NULL,
  input jsonb DEFAULT NULL,
  task_queue text DEFAULT NULL,
  run_timeout interval DEFAULT NULL,
  task_timeout interval DEFAULT NULL,
  backoff interval DEFAULT NULL,
  retry_policy taskq.retry_policy DEFAULT NULL,
  header jsonb DEFAULT NULL,
  memo jsonb DEFAULT NULL,
  search_attributes jsonb DEFAULT NULL
) RETURNS jsonb
LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'taskq_command_continue_as_new';
COMMENT ON FUNCTION taskq.command_continue_as_new(text, jsonb, text, interval, interval, interval, taskq.retry_policy, jsonb, jsonb, jsonb)
  IS 'the command to go on with a new run, whose history is empty';

CREATE FUNCTION taskq.command_record_marker(
  marker_name text,
  details jsonb DEFAULT NULL,
  failure jsonb DEFAULT NULL,
  header jsonb DEFAULT NULL
) RETURNS jsonb
LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'taskq_command_record_marker';
COMMENT ON FUNCTION taskq.command_record_marker(text, jsonb, jsonb, jsonb)
  IS 'the command to record something of the worker''s own in the history; details is an object';

CREATE FUNCTION taskq.command_upsert_search_attributes(search_attributes jsonb) RETURNS jsonb
LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'taskq_command_upsert_search_attributes';
COMMENT ON FUNCTION taskq.command_upsert_search_attributes(jsonb)
  IS 'the command to set search attributes of the workflow; an object';

CREATE FUNCTION taskq.command_modify_properties(memo jsonb) RETURNS jsonb
LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'taskq_command_modify_properties';
COMMENT ON FUNCTION taskq.command_modify_properties(jsonb)
  IS 'the command to set parts of the memo of the workflow; an object';

--
-- schedule
--

CREATE FUNCTION taskq.schedule_support(internal) RETURNS internal
LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'taskq_schedule_support';
COMMENT ON FUNCTION taskq.schedule_support(internal)
  IS 'internal: lets the planner leave out arguments of schedule that were not given';

CREATE FUNCTION taskq.args(VARIADIC args jsonb[]) RETURNS jsonb
LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'taskq_args';
COMMENT ON FUNCTION taskq.args(jsonb[]) IS 'input of several arguments, for a worker that takes them apart';

CREATE FUNCTION taskq.schedule(
  task_queue text,
  activity_type text,
  input jsonb DEFAULT NULL,
  activity_id text DEFAULT NULL,
  schedule_to_close_timeout interval DEFAULT NULL,
  schedule_to_start_timeout interval DEFAULT NULL,
  start_to_close_timeout interval DEFAULT NULL,
  heartbeat_timeout interval DEFAULT NULL,
  retry_policy taskq.retry_policy DEFAULT NULL,
  start_delay interval DEFAULT NULL,
  priority int DEFAULT NULL,
  fairness_key text DEFAULT NULL,
  fairness_weight float8 DEFAULT NULL,
  id_reuse_policy taskq.id_reuse_policy DEFAULT 'allow_duplicate',
  id_conflict_policy taskq.id_conflict_policy DEFAULT 'fail',
  request_id text DEFAULT NULL,
  header jsonb DEFAULT NULL,
  summary text DEFAULT NULL,
  search_attributes jsonb DEFAULT NULL,
  identity text DEFAULT NULL,
  start_at timestamptz DEFAULT NULL
) RETURNS SETOF taskq.scheduled_run ROWS 1 SUPPORT taskq.schedule_support
LANGUAGE c AS 'MODULE_PATHNAME', 'taskq_schedule';
COMMENT ON FUNCTION taskq.schedule(text, text, jsonb, text, interval, interval, interval, interval,
    taskq.retry_policy, interval, int, text, float8, taskq.id_reuse_policy, taskq.id_conflict_policy,
    text, jsonb, text, jsonb, text, timestamptz)
  IS 'schedule an activity in the current transaction';

CREATE FUNCTION taskq.schedule_many(
  task_queue text,
  activity_type text,
  inputs jsonb[],
  activity_ids text[] DEFAULT NULL,
  schedule_to_close_timeout interval DEFAULT NULL,
  schedule_to_start_timeout interval DEFAULT NULL,
  start_to_close_timeout interval DEFAULT NULL,
  heartbeat_timeout interval DEFAULT NULL,
  retry_policy taskq.retry_policy DEFAULT NULL,
  start_delay interval DEFAULT NULL,
  priority int DEFAULT NULL,
  fairness_key text DEFAULT NULL,
  fairness_weight float8 DEFAULT NULL,
  id_reuse_policy taskq.id_reuse_policy DEFAULT 'allow_duplicate',
  id_conflict_policy taskq.id_conflict_policy DEFAULT 'fail',
  request_id text DEFAULT NULL,
  header jsonb DEFAULT NULL,
  summary text DEFAULT NULL,
  search_attributes jsonb DEFAULT NULL,
  identity text DEFAULT NULL,
  start_at timestamptz DEFAULT NULL
) RETURNS SETOF taskq.scheduled_run ROWS 100 SUPPORT taskq.schedule_support
LANGUAGE c AS 'MODULE_PATHNAME', 'taskq_schedule_many';
COMMENT ON FUNCTION taskq.schedule_many(text, text, jsonb[], text[], interval, interval, interval, interval,
    taskq.retry_policy, interval, int, text, float8, taskq.id_reuse_policy, taskq.id_conflict_policy,
    text, jsonb, text, jsonb, text, timestamptz)
  IS 'schedule one activity per input, all with the same options; rows in the order of inputs';

--
-- poll
--

CREATE FUNCTION taskq.poll(
  task_queue text,
  identity text DEFAULT NULL,
  max_tasks bigint DEFAULT 1,
  max_tasks_per_second float8 DEFAULT NULL
) RETURNS SETOF taskq.activity_task ROWS 1
LANGUAGE c AS 'MODULE_PATHNAME', 'taskq_poll';
COMMENT ON FUNCTION taskq.poll(text, text, bigint, float8)
  IS 'start up to max_tasks attempts that are due; returns at once';

CREATE FUNCTION taskq.poll_many(
  task_queues text[],
  identities text[],
  kinds taskq.task_kind[] DEFAULT NULL,
  normal_names text[] DEFAULT NULL,
  max_tasks_per_second float8[] DEFAULT NULL,
  OUT slot int,
  OUT task taskq.activity_task,
  OUT retry_policy jsonb
) RETURNS SETOF record ROWS 100
LANGUAGE c AS 'MODULE_PATHNAME', 'taskq_poll_many';
COMMENT ON FUNCTION taskq.poll_many(text[], text[], taskq.task_kind[], text[], float8[])
  IS 'poll for many workers, each of which waits for one task; slot says whose it is';

--
-- report
--

CREATE FUNCTION taskq.complete(task_token uuid, result jsonb DEFAULT NULL, identity text DEFAULT NULL)
RETURNS void LANGUAGE c AS 'MODULE_PATHNAME', 'taskq_complete';
COMMENT ON FUNCTION taskq.complete(uuid, jsonb, text) IS 'report success of an attempt';

CREATE FUNCTION taskq.fail(
  task_token uuid,
  message text DEFAULT NULL,
  error_type text DEFAULT NULL,
  details jsonb DEFAULT NULL,
  non_retryable boolean DEFAULT false,
  next_retry_delay interval DEFAULT NULL,
  stack_trace text DEFAULT NULL,
  cause jsonb DEFAULT NULL,
  last_heartbeat_details jsonb DEFAULT NULL,
  identity text DEFAULT NULL
) RETURNS taskq.retry_state LANGUAGE c AS 'MODULE_PATHNAME', 'taskq_fail';
COMMENT ON FUNCTION taskq.fail(uuid, text, text, jsonb, boolean, interval, text, jsonb, jsonb, text)
  IS 'report failure of an attempt; in_progress means that it will be retried';

CREATE FUNCTION taskq.fail_with(
  task_token uuid, failure jsonb, next_retry_delay interval DEFAULT NULL, last_heartbeat_details jsonb DEFAULT NULL,
  identity text DEFAULT NULL
) RETURNS taskq.retry_state LANGUAGE c AS 'MODULE_PATHNAME', 'taskq_fail_with';
COMMENT ON FUNCTION taskq.fail_with(uuid, jsonb, interval, jsonb, text)
  IS 'report failure of an attempt, as one object that is kept as it is';

CREATE FUNCTION taskq.report_canceled(task_token uuid, details jsonb DEFAULT NULL, identity text DEFAULT NULL)
RETURNS void LANGUAGE c AS 'MODULE_PATHNAME', 'taskq_report_canceled';
COMMENT ON FUNCTION taskq.report_canceled(uuid, jsonb, text)
  IS 'report that an attempt stopped because cancellation was requested';

CREATE FUNCTION taskq.release(
  task_token uuid, delay interval DEFAULT NULL, last_heartbeat_details jsonb DEFAULT NULL, identity text DEFAULT NULL
) RETURNS void LANGUAGE c AS 'MODULE_PATHNAME', 'taskq_release';
COMMENT ON FUNCTION taskq.release(uuid, interval, jsonb, text)
  IS 'hand an attempt back as if it had never been started; not handed out again before the delay is over';

CREATE FUNCTION taskq.heartbeat(
  task_token uuid, details jsonb DEFAULT NULL, identity text DEFAULT NULL
) RETURNS SETOF taskq.heartbeat_response ROWS 1
LANGUAGE c AS 'MODULE_PATHNAME', 'taskq_heartbeat';
COMMENT ON FUNCTION taskq.heartbeat(uuid, jsonb, text)
  IS 'report that an attempt is alive; details reach the next attempt';

CREATE FUNCTION taskq.complete_by_id(
  activity_id text DEFAULT NULL, result jsonb DEFAULT NULL, run_id bigint DEFAULT NULL, identity text DEFAULT NULL
) RETURNS void LANGUAGE c AS 'MODULE_PATHNAME', 'taskq_complete_by_id';
COMMENT ON FUNCTION taskq.complete_by_id(text, jsonb, bigint, text)
  IS 'complete an open activity, whether or not an attempt runs';

CREATE FUNCTION taskq.fail_by_id(
  activity_id text DEFAULT NULL,
  message text DEFAULT NULL,
  error_type text DEFAULT NULL,
  details jsonb DEFAULT NULL,
  non_retryable boolean DEFAULT false,
  next_retry_delay interval DEFAULT NULL,
  stack_trace text DEFAULT NULL,
  cause jsonb DEFAULT NULL,
  last_heartbeat_details jsonb DEFAULT NULL,
  run_id bigint DEFAULT NULL,
  identity text DEFAULT NULL
) RETURNS taskq.retry_state LANGUAGE c AS 'MODULE_PATHNAME', 'taskq_fail_by_id';
COMMENT ON FUNCTION taskq.fail_by_id(text, text, text, jsonb, boolean, interval, text, jsonb, jsonb, bigint, text)
  IS 'report failure of the attempt that runs';

CREATE FUNCTION taskq.fail_with_by_id(
  activity_id text DEFAULT NULL, failure jsonb DEFAULT NULL, next_retry_delay interval DEFAULT NULL,
  last_heartbeat_details jsonb DEFAULT NULL, run_id bigint DEFAULT NULL, identity text DEFAULT NULL
) RETURNS taskq.retry_state LANGUAGE c AS 'MODULE_PATHNAME', 'taskq_fail_with_by_id';
COMMENT ON FUNCTION taskq.fail_with_by_id(text, jsonb, interval, jsonb, bigint, text)
  IS 'report failure of the attempt that runs, as one object that is kept as it is';

CREATE FUNCTION taskq.report_canceled_by_id(
  activity_id text DEFAULT NULL, details jsonb DEFAULT NULL, run_id bigint DEFAULT NULL, identity text DEFAULT NULL
) RETURNS void LANGUAGE c AS 'MODULE_PATHNAME', 'taskq_report_canceled_by_id';
COMMENT ON FUNCTION taskq.report_canceled_by_id(text, jsonb, bigint, text)
  IS 'report that the attempt that runs stopped because cancellation was requested';

CREATE FUNCTION taskq.heartbeat_by_id(
  activity_id text DEFAULT NULL, details jsonb DEFAULT NULL, run_id bigint DEFAULT NULL, identity text DEFAULT NULL
) RETURNS SETOF taskq.heartbeat_response ROWS 1
LANGUAGE c AS 'MODULE_PATHNAME', 'taskq_heartbeat_by_id';
COMMENT ON FUNCTION taskq.heartbeat_by_id(text, jsonb, bigint, text)
  IS 'report that the attempt that runs is alive';

--
-- report_batch
--

CREATE FUNCTION taskq.complete_many(
  task_tokens uuid[], results jsonb[] DEFAULT NULL, identity text DEFAULT NULL, identities text[] DEFAULT NULL,
  OUT task_token uuid, OUT ok boolean, OUT error text
) RETURNS SETOF record ROWS 100
LANGUAGE c AS 'MODULE_PATHNAME', 'taskq_complete_many';
COMMENT ON FUNCTION taskq.complete_many(uuid[], jsonb[], text, text[])
  IS 'report success of many attempts; one row per token, in order, with the SQLSTATE where it was refused';

CREATE FUNCTION taskq.fail_many(
  task_tokens uuid[],
  message text DEFAULT NULL,
  error_type text DEFAULT NULL,
  details jsonb DEFAULT NULL,
  non_retryable boolean DEFAULT false,
  next_retry_delay interval DEFAULT NULL,
  stack_trace text DEFAULT NULL,
  cause jsonb DEFAULT NULL,
  last_heartbeat_details jsonb DEFAULT NULL,
  identity text DEFAULT NULL,
  OUT task_token uuid, OUT ok boolean, OUT retry_state taskq.retry_state, OUT error text
) RETURNS SETOF record ROWS 100
LANGUAGE c AS 'MODULE_PATHNAME', 'taskq_fail_many';
COMMENT ON FUNCTION taskq.fail_many(uuid[], text, text, jsonb, boolean, interval, text, jsonb, jsonb, text)
  IS 'report the same failure of many attempts; one row per token, in order';

CREATE FUNCTION taskq.fail_with_many(
  task_tokens uuid[], failures jsonb[], next_retry_delays interval[] DEFAULT NULL, identities text[] DEFAULT NULL,
  last_heartbeat_details jsonb[] DEFAULT NULL,
  OUT task_token uuid, OUT ok boolean, OUT retry_state taskq.retry_state, OUT error text
) RETURNS SETOF record ROWS 100
LANGUAGE c AS 'MODULE_PATHNAME', 'taskq_fail_with_many';
COMMENT ON FUNCTION taskq.fail_with_many(uuid[], jsonb[], interval[], text[], jsonb[])
  IS 'report failures of many attempts, each its own; one row per token, in order, with the SQLSTATE where it was refused';

CREATE FUNCTION taskq.release_many(
  task_tokens uuid[], delay interval DEFAULT NULL, identity text DEFAULT NULL,
  OUT task_token uuid, OUT ok boolean, OUT error text
) RETURNS SETOF record ROWS 100
LANGUAGE c AS 'MODULE_PATHNAME', 'taskq_release_many';
COMMENT ON FUNCTION taskq.release_many(uuid[], interval, text)
  IS 'hand many attempts back; one row per token, in order';

CREATE FUNCTION taskq.heartbeat_many(
  task_tokens uuid[], details jsonb[] DEFAULT NULL, identity text DEFAULT NULL,
  OUT task_token uuid, OUT ok boolean,
  OUT cancel_requested boolean, OUT activity_paused boolean, OUT activity_reset boolean, OUT error text
) RETURNS SETOF record ROWS 100
LANGUAGE c AS 'MODULE_PATHNAME', 'taskq_heartbeat_many';
COMMENT ON FUNCTION taskq.heartbeat_many(uuid[], jsonb[], text)
  IS 'report that many attempts are alive; one row per token, in order';

CREATE FUNCTION taskq.complete_and_poll(
  task_tokens uuid[],
  results jsonb[],
  task_queue text,
  identity text DEFAULT NULL,
  max_tasks bigint DEFAULT 1,
  max_tasks_per_second float8 DEFAULT NULL
) RETURNS SETOF taskq.activity_task ROWS 1
LANGUAGE c AS 'MODULE_PATHNAME', 'taskq_complete_and_poll';
COMMENT ON FUNCTION taskq.complete_and_poll(uuid[], jsonb[], text, text, bigint, float8)
  IS 'complete attempts, then poll: a busy worker''s whole cycle';

--
-- operate
--

CREATE FUNCTION taskq.request_cancel(
  activity_id text DEFAULT NULL, run_id bigint DEFAULT NULL, reason text DEFAULT NULL,
  identity text DEFAULT NULL, request_id text DEFAULT NULL
) RETURNS void LANGUAGE c AS 'MODULE_PATHNAME', 'taskq_request_cancel';
COMMENT ON FUNCTION taskq.request_cancel(text, bigint, text, text, text)
  IS 'cancel an activity: at once when no attempt runs, else by asking its worker';

CREATE FUNCTION taskq.terminate(
  activity_id text DEFAULT NULL, run_id bigint DEFAULT NULL, reason text DEFAULT NULL,
  identity text DEFAULT NULL, request_id text DEFAULT NULL
) RETURNS void LANGUAGE c AS 'MODULE_PATHNAME', 'taskq_terminate';
COMMENT ON FUNCTION taskq.terminate(text, bigint, text, text, text)
  IS 'close an activity at once';

CREATE FUNCTION taskq.pause(
  activity_id text DEFAULT NULL, run_id bigint DEFAULT NULL, reason text DEFAULT NULL,
  identity text DEFAULT NULL, request_id text DEFAULT NULL
) RETURNS void LANGUAGE c AS 'MODULE_PATHNAME', 'taskq_pause';
COMMENT ON FUNCTION taskq.pause(text, bigint, text, text, text)
  IS 'hold an activity back: at once when no attempt runs, else before its next attempt';

CREATE FUNCTION taskq.unpause(
  activity_id text DEFAULT NULL, run_id bigint DEFAULT NULL, reason text DEFAULT NULL,
  identity text DEFAULT NULL, request_id text DEFAULT NULL, jitter interval DEFAULT NULL,
  skip_backoff boolean DEFAULT false
) RETURNS void LANGUAGE c AS 'MODULE_PATHNAME', 'taskq_unpause';
COMMENT ON FUNCTION taskq.unpause(text, bigint, text, text, text, interval, boolean)
  IS 'let a paused activity go on, when its back-off or start delay is over';

CREATE FUNCTION taskq.reset(
  activity_id text DEFAULT NULL, run_id bigint DEFAULT NULL, identity text DEFAULT NULL,
  request_id text DEFAULT NULL, keep_paused boolean DEFAULT false, reset_heartbeat boolean DEFAULT false,
  restore_original_options boolean DEFAULT false, jitter interval DEFAULT NULL
) RETURNS void LANGUAGE c AS 'MODULE_PATHNAME', 'taskq_reset';
COMMENT ON FUNCTION taskq.reset(text, bigint, text, text, boolean, boolean, boolean, interval)
  IS 'start an open activity over with attempt 1';

CREATE FUNCTION taskq.update_options(
  activity_id text DEFAULT NULL, run_id bigint DEFAULT NULL, options jsonb DEFAULT NULL,
  restore_original boolean DEFAULT false, identity text DEFAULT NULL, request_id text DEFAULT NULL
) RETURNS jsonb LANGUAGE c AS 'MODULE_PATHNAME', 'taskq_update_options';
COMMENT ON FUNCTION taskq.update_options(text, bigint, jsonb, boolean, text, text)
  IS 'change options of an open activity; returns all of them';

CREATE FUNCTION taskq.delete(activity_id text DEFAULT NULL, run_id bigint DEFAULT NULL)
RETURNS void LANGUAGE c AS 'MODULE_PATHNAME', 'taskq_delete';
COMMENT ON FUNCTION taskq.delete(text, bigint)
  IS 'remove an activity, open or closed';

CREATE FUNCTION taskq.retry(run_id bigint)
RETURNS SETOF taskq.scheduled_run ROWS 1
LANGUAGE c AS 'MODULE_PATHNAME', 'taskq_retry';
COMMENT ON FUNCTION taskq.retry(bigint)
  IS 'schedule a closed, unsuccessful activity again';

--
-- operate_many: never raises for one of the runs
--

CREATE FUNCTION taskq.request_cancel_many(
  run_ids bigint[], reason text DEFAULT NULL, identity text DEFAULT NULL, request_id text DEFAULT NULL,
  OUT run_id bigint, OUT ok boolean, OUT error text
) RETURNS SETOF record ROWS 100
LANGUAGE c AS 'MODULE_PATHNAME', 'taskq_request_cancel_many';
COMMENT ON FUNCTION taskq.request_cancel_many(bigint[], text, text, text)
  IS 'cancel many activities; one row per run, in order, with the SQLSTATE where it was refused';

CREATE FUNCTION taskq.terminate_many(
  run_ids bigint[], reason text DEFAULT NULL, identity text DEFAULT NULL, request_id text DEFAULT NULL,
  OUT run_id bigint, OUT ok boolean, OUT error text
) RETURNS SETOF record ROWS 100
LANGUAGE c AS 'MODULE_PATHNAME', 'taskq_terminate_many';
COMMENT ON FUNCTION taskq.terminate_many(bigint[], text, text, text)
  IS 'close many activities at once; one row per run, in order, with the SQLSTATE where it was refused';

CREATE FUNCTION taskq.pause_many(
  run_ids bigint[], reason text DEFAULT NULL, identity text DEFAULT NULL, request_id text DEFAULT NULL,
  OUT run_id bigint, OUT ok boolean, OUT error text
) RETURNS SETOF record ROWS 100
LANGUAGE c AS 'MODULE_PATHNAME', 'taskq_pause_many';
COMMENT ON FUNCTION taskq.pause_many(bigint[], text, text, text)
  IS 'hold many activities back; one row per run, in order, with the SQLSTATE where it was refused';

CREATE FUNCTION taskq.unpause_many(
  run_ids bigint[], reason text DEFAULT NULL, identity text DEFAULT NULL, request_id text DEFAULT NULL,
  jitter interval DEFAULT NULL, skip_backoff boolean DEFAULT false,
  OUT run_id bigint, OUT ok boolean, OUT error text
) RETURNS SETOF record ROWS 100
LANGUAGE c AS 'MODULE_PATHNAME', 'taskq_unpause_many';
COMMENT ON FUNCTION taskq.unpause_many(bigint[], text, text, text, interval, boolean)
  IS 'let many paused activities go on; one row per run, in order, with the SQLSTATE where it was refused';

CREATE FUNCTION taskq.reset_many(
  run_ids bigint[], identity text DEFAULT NULL, request_id text DEFAULT NULL, keep_paused boolean DEFAULT false,
  reset_heartbeat boolean DEFAULT false, restore_original_options boolean DEFAULT false, jitter interval DEFAULT NULL,
  OUT run_id bigint, OUT ok boolean, OUT error text
) RETURNS SETOF record ROWS 100
LANGUAGE c AS 'MODULE_PATHNAME', 'taskq_reset_many';
COMMENT ON FUNCTION taskq.reset_many(bigint[], text, text, boolean, boolean, boolean, interval)
  IS 'start many open activities over with attempt 1; one row per run, in order, with the SQLSTATE where it was refused';

CREATE FUNCTION taskq.update_options_many(
  run_ids bigint[], options jsonb DEFAULT NULL, restore_original boolean DEFAULT false,
  identity text DEFAULT NULL, request_id text DEFAULT NULL,
  OUT run_id bigint, OUT ok boolean, OUT error text
) RETURNS SETOF record ROWS 100
LANGUAGE c AS 'MODULE_PATHNAME', 'taskq_update_options_many';
COMMENT ON FUNCTION taskq.update_options_many(bigint[], jsonb, boolean, text, text)
  IS 'change options of many open activities; one row per run, in order, with the SQLSTATE where it was refused';

CREATE FUNCTION taskq.delete_many(
  run_ids bigint[],
  OUT run_id bigint, OUT ok boolean, OUT error text
) RETURNS SETOF record ROWS 100
LANGUAGE c AS 'MODULE_PATHNAME', 'taskq_delete_many';
COMMENT ON FUNCTION taskq.delete_many(bigint[])
  IS 'remove many activities, open or closed; one row per run, in order, with the SQLSTATE where it was refused';

CREATE FUNCTION taskq.retry_many(
  run_ids bigint[],
  OUT run_id bigint, OUT ok boolean, OUT error text, OUT new_run_id bigint
) RETURNS SETOF record ROWS 100
LANGUAGE c AS 'MODULE_PATHNAME', 'taskq_retry_many';
COMMENT ON FUNCTION taskq.retry_many(bigint[])
  IS 'schedule many closed, unsuccessful activities again; one row per run, in order, with the SQLSTATE where it was refused';

--
-- wait
--

CREATE PROCEDURE taskq.wait_for_task(
  task_queue text, timeout interval DEFAULT '60s', INOUT ready boolean DEFAULT NULL, kind taskq.task_kind DEFAULT 'activity',
  sticky_for text DEFAULT NULL
) LANGUAGE c AS 'MODULE_PATHNAME', 'taskq_wait_for_task';
COMMENT ON PROCEDURE taskq.wait_for_task(text, interval, boolean, taskq.task_kind, text)
  IS 'sleep until a poll of the queue would return a task, or the time is up';

CREATE PROCEDURE taskq.wait_for_tasks(
  task_queues text[], timeout interval DEFAULT '60s', INOUT task_queue text DEFAULT NULL,
  kinds taskq.task_kind[] DEFAULT NULL, normal_names text[] DEFAULT NULL
) LANGUAGE c AS 'MODULE_PATHNAME', 'taskq_wait_for_tasks';
COMMENT ON PROCEDURE taskq.wait_for_tasks(text[], interval, text, taskq.task_kind[], text[])
  IS 'sleep until a poll of one of the queues would return a task, or the time is up; the first such queue';

CREATE PROCEDURE taskq.wait_for_close(
  run_id bigint DEFAULT NULL, timeout interval DEFAULT '60s', INOUT status taskq.activity_status DEFAULT NULL,
  INOUT result jsonb DEFAULT NULL, INOUT failure jsonb DEFAULT NULL, activity_id text DEFAULT NULL
) LANGUAGE c AS 'MODULE_PATHNAME', 'taskq_wait_for_close';
COMMENT ON PROCEDURE taskq.wait_for_close(bigint, interval, taskq.activity_status, jsonb, jsonb, text)
  IS 'sleep until the activity is closed, or the time is up';

CREATE PROCEDURE taskq.execute(
  task_queue text,
  activity_type text,
  input jsonb DEFAULT NULL,
  activity_id text DEFAULT NULL,
  schedule_to_close_timeout interval DEFAULT NULL,
  schedule_to_start_timeout interval DEFAULT NULL,
  start_to_close_timeout interval DEFAULT NULL,
  heartbeat_timeout interval DEFAULT NULL,
  retry_policy taskq.retry_policy DEFAULT NULL,
  start_delay interval DEFAULT NULL,
  priority int DEFAULT NULL,
  fairness_key text DEFAULT NULL,
  fairness_weight float8 DEFAULT NULL,
  id_reuse_policy taskq.id_reuse_policy DEFAULT 'allow_duplicate',
  id_conflict_policy taskq.id_conflict_policy DEFAULT 'fail',
  request_id text DEFAULT NULL,
  header jsonb DEFAULT NULL,
  summary text DEFAULT NULL,
  search_attributes jsonb DEFAULT NULL,
  identity text DEFAULT NULL,
  start_at timestamptz DEFAULT NULL,
  timeout interval DEFAULT '60s',
  INOUT result jsonb DEFAULT NULL
) LANGUAGE c AS 'MODULE_PATHNAME', 'taskq_execute';
COMMENT ON PROCEDURE taskq.execute(text, text, jsonb, text, interval, interval, interval, interval,
    taskq.retry_policy, interval, int, text, float8, taskq.id_reuse_policy, taskq.id_conflict_policy,
    text, jsonb, text, jsonb, text, timestamptz, interval, jsonb)
  IS 'schedule an activity, wait until it is closed, and return its result or raise its failure';

--
-- Functions that are activities
--

CREATE FUNCTION taskq.register_function(
  activity_type text, function regprocedure, task_queue text, run_as regrole DEFAULT NULL, concurrency int DEFAULT 1)
RETURNS void
LANGUAGE c AS 'MODULE_PATHNAME', 'taskq_register_function';
COMMENT ON FUNCTION taskq.register_function(text, regprocedure, text, regrole, int)
  IS 'have background workers run a function for activities of that type';

CREATE FUNCTION taskq.unregister_function(activity_type text, task_queue text) RETURNS void
LANGUAGE c AS 'MODULE_PATHNAME', 'taskq_unregister_function';
COMMENT ON FUNCTION taskq.unregister_function(text, text) IS 'undo register_function';

CREATE FUNCTION taskq.record_heartbeat(
  details jsonb DEFAULT NULL, OUT cancel_requested boolean, OUT activity_paused boolean, OUT activity_reset boolean)
LANGUAGE c AS 'MODULE_PATHNAME', 'taskq_record_heartbeat';
COMMENT ON FUNCTION taskq.record_heartbeat(jsonb) IS 'heartbeat of the function that runs as an activity, from inside';

CREATE FUNCTION taskq.current_task() RETURNS taskq.activity_task
LANGUAGE c STABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'taskq_current_task';
COMMENT ON FUNCTION taskq.current_task() IS 'the task that this function runs as; NULL outside of such a function';

CREATE FUNCTION taskq.function_problem(function text, run_as oid) RETURNS text
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'taskq_function_problem';
COMMENT ON FUNCTION taskq.function_problem(text, oid) IS 'internal: why a function cannot run as a role, for the view';

CREATE VIEW taskq.functions AS
SELECT f.activity_type, f.task_queue, f.function, f.run_as, f.concurrency,
  taskq.function_problem(f.function, f.run_as::oid) AS problem
FROM taskq.registered_function f;
COMMENT ON VIEW taskq.functions IS 'functions that are activities';

--
-- workflow_start
--

CREATE TYPE taskq.started_workflow AS (
  workflow_id text,
  run_id bigint,
  created boolean,
  first_run_id bigint,
  status taskq.workflow_status,
  same_request boolean
);
COMMENT ON TYPE taskq.started_workflow IS 'what start_workflow returns: the run, and whether this call has made it';

CREATE FUNCTION taskq.start_workflow(
  task_queue text,
  workflow_type text,
  input jsonb DEFAULT NULL,
  workflow_id text DEFAULT NULL,
  execution_timeout interval DEFAULT NULL,
  run_timeout interval DEFAULT NULL,
  task_timeout interval DEFAULT NULL,
  retry_policy taskq.retry_policy DEFAULT NULL,
  start_delay interval DEFAULT NULL,
  cron_schedule text DEFAULT NULL,
  priority int DEFAULT NULL,
  fairness_key text DEFAULT NULL,
  fairness_weight float8 DEFAULT NULL,
  id_reuse_policy taskq.id_reuse_policy DEFAULT 'allow_duplicate',
  id_conflict_policy taskq.workflow_id_conflict_policy DEFAULT 'fail',
  request_id text DEFAULT NULL,
  header jsonb DEFAULT NULL,
  memo jsonb DEFAULT NULL,
  search_attributes jsonb DEFAULT NULL,
  user_metadata jsonb DEFAULT NULL,
  identity text DEFAULT NULL
) RETURNS SETOF taskq.started_workflow ROWS 1
LANGUAGE c AS 'MODULE_PATHNAME', 'taskq_start_workflow';
COMMENT ON FUNCTION taskq.start_workflow(text, text, jsonb, text, interval, interval, interval, taskq.retry_policy, interval, text, int, text, float8, taskq.id_reuse_policy, taskq.workflow_id_conflict_policy, text, jsonb, jsonb, jsonb, jsonb, text)
  IS 'start a workflow';

CREATE FUNCTION taskq.start_workflow_request(request jsonb) RETURNS SETOF taskq.started_workflow ROWS 1
LANGUAGE c AS 'MODULE_PATHNAME', 'taskq_start_workflow_request';
COMMENT ON FUNCTION taskq.start_workflow_request(jsonb)
  IS 'start a workflow as the protocol''s StartWorkflowExecutionRequest says';

CREATE FUNCTION taskq.signal_with_start_workflow(
  task_queue text,
  workflow_type text,
  input jsonb DEFAULT NULL,
  workflow_id text DEFAULT NULL,
  execution_timeout interval DEFAULT NULL,
  run_timeout interval DEFAULT NULL,
  task_timeout interval DEFAULT NULL,
  retry_policy taskq.retry_policy DEFAULT NULL,
  start_delay interval DEFAULT NULL,
  cron_schedule text DEFAULT NULL,
  priority int DEFAULT NULL,
  fairness_key text DEFAULT NULL,
  fairness_weight float8 DEFAULT NULL,
  id_reuse_policy taskq.id_reuse_policy DEFAULT 'allow_duplicate',
  id_conflict_policy taskq.workflow_id_conflict_policy DEFAULT NULL,
  request_id text DEFAULT NULL,
  header jsonb DEFAULT NULL,
  memo jsonb DEFAULT NULL,
  search_attributes jsonb DEFAULT NULL,
  user_metadata jsonb DEFAULT NULL,
  identity text DEFAULT NULL,
  signal_name text DEFAULT NULL,
  signal_input jsonb DEFAULT NULL
) RETURNS SETOF taskq.started_workflow ROWS 1
LANGUAGE c AS 'MODULE_PATHNAME', 'taskq_signal_with_start_workflow';
COMMENT ON FUNCTION taskq.signal_with_start_workflow(text, text, jsonb, text, interval, interval, interval, taskq.retry_policy, interval, text, int, text, float8, taskq.id_reuse_policy, taskq.workflow_id_conflict_policy, text, jsonb, jsonb, jsonb, jsonb, text, text, jsonb)
  IS 'signal a workflow, which is started if it is not running';

CREATE FUNCTION taskq.signal_with_start_workflow_request(request jsonb) RETURNS SETOF taskq.started_workflow ROWS 1
LANGUAGE c AS 'MODULE_PATHNAME', 'taskq_signal_with_start_workflow_request';
COMMENT ON FUNCTION taskq.signal_with_start_workflow_request(jsonb)
  IS 'the same as the protocol''s SignalWithStartWorkflowExecutionRequest says';

--
-- workflow_control
--

CREATE FUNCTION taskq.signal_workflow(
  workflow_id text,
  signal_name text,
  input jsonb DEFAULT NULL,
  run_id bigint DEFAULT NULL,
  request_id text DEFAULT NULL,
  header jsonb DEFAULT NULL,
  identity text DEFAULT NULL
) RETURNS void
LANGUAGE c AS 'MODULE_PATHNAME', 'taskq_signal_workflow';
COMMENT ON FUNCTION taskq.signal_workflow(text, text, jsonb, bigint, text, jsonb, text)
  IS 'send a signal to a running workflow';

CREATE FUNCTION taskq.signal_workflow_request(request jsonb) RETURNS void
LANGUAGE c AS 'MODULE_PATHNAME', 'taskq_signal_workflow_request';
COMMENT ON FUNCTION taskq.signal_workflow_request(jsonb)
  IS 'the same as the protocol''s SignalWorkflowExecutionRequest says';

CREATE FUNCTION taskq.request_cancel_workflow(
  workflow_id text DEFAULT NULL,
  run_id bigint DEFAULT NULL,
  first_run_id bigint DEFAULT NULL,
  reason text DEFAULT NULL,
  identity text DEFAULT NULL,
  request_id text DEFAULT NULL
) RETURNS void
LANGUAGE c AS 'MODULE_PATHNAME', 'taskq_request_cancel_workflow';
COMMENT ON FUNCTION taskq.request_cancel_workflow(text, bigint, bigint, text, text, text)
  IS 'ask a running workflow to end itself';

CREATE FUNCTION taskq.request_cancel_workflow_request(request jsonb) RETURNS void
LANGUAGE c AS 'MODULE_PATHNAME', 'taskq_request_cancel_workflow_request';
COMMENT ON FUNCTION taskq.request_cancel_workflow_request(jsonb)
  IS 'the same as the protocol''s RequestCancelWorkflowExecutionRequest says';

CREATE FUNCTION taskq.terminate_workflow(
  workflow_id text DEFAULT NULL,
  run_id bigint DEFAULT NULL,
  first_run_id bigint DEFAULT NULL,
  reason text DEFAULT NULL,
  details jsonb DEFAULT NULL,
  identity text DEFAULT NULL
) RETURNS void
LANGUAGE c AS 'MODULE_PATHNAME', 'taskq_terminate_workflow';
COMMENT ON FUNCTION taskq.terminate_workflow(text, bigint, bigint, text, jsonb, text)
  IS 'end a running workflow at once';

CREATE FUNCTION taskq.terminate_workflow_request(request jsonb) RETURNS void
LANGUAGE c AS 'MODULE_PATHNAME', 'taskq_terminate_workflow_request';
COMMENT ON FUNCTION taskq.terminate_workflow_request(jsonb)
  IS 'the same as the protocol''s TerminateWorkflowExecutionRequest says';

CREATE FUNCTION taskq.delete_workflow(workflow_id text DEFAULT NULL, run_id bigint DEFAULT NULL) RETURNS void
LANGUAGE c AS 'MODULE_PATHNAME', 'taskq_delete_workflow';
COMMENT ON FUNCTION taskq.delete_workflow(text, bigint)
  IS 'remove a run and its history; one that is running is terminated first';

--
-- workflow_task
--

CREATE FUNCTION taskq.poll_workflow_task(
  task_queue text,
  identity text DEFAULT NULL,
  max_tasks bigint DEFAULT 1,
  sticky_for text DEFAULT NULL
) RETURNS SETOF taskq.workflow_task ROWS 1
LANGUAGE c AS 'MODULE_PATHNAME', 'taskq_poll_workflow_task';
COMMENT ON FUNCTION taskq.poll_workflow_task(text, text, bigint, text)
  IS 'start up to max_tasks workflow tasks that are due; returns at once';

--
-- workflow_report
--

CREATE FUNCTION taskq.complete_workflow_task(
  task_token uuid,
  commands jsonb,
  sticky_task_queue text DEFAULT NULL,
  sticky_schedule_to_start_timeout interval DEFAULT NULL,
  force_new_task boolean DEFAULT false,
  return_new_task boolean DEFAULT false,
  query_results jsonb DEFAULT NULL,
  messages jsonb DEFAULT NULL,
  sdk_metadata jsonb DEFAULT NULL,
  extra jsonb DEFAULT NULL,
  identity text DEFAULT NULL,
  OUT failed_cause text,
  OUT failed_message text,
  OUT closed boolean,
  OUT new_task taskq.workflow_task,
  OUT eager_activities jsonb
) RETURNS SETOF record ROWS 1
LANGUAGE c AS 'MODULE_PATHNAME', 'taskq_complete_workflow_task';
COMMENT ON FUNCTION taskq.complete_workflow_task(uuid, jsonb, text, interval, boolean, boolean, jsonb, jsonb, jsonb, jsonb, text)
  IS 'answer a workflow task with commands';

CREATE FUNCTION taskq.complete_workflow_tasks(
  completions jsonb[],
  OUT slot int,
  OUT ok boolean,
  OUT error text,
  OUT failed_cause text,
  OUT failed_message text,
  OUT closed boolean,
  OUT new_task taskq.workflow_task,
  OUT eager_activities jsonb
) RETURNS SETOF record
LANGUAGE c AS 'MODULE_PATHNAME', 'taskq_complete_workflow_tasks';
COMMENT ON FUNCTION taskq.complete_workflow_tasks(jsonb[])
  IS 'answer many workflow tasks; each completion has the arguments of complete_workflow_task as members';

CREATE FUNCTION taskq.fail_workflow_task(
  task_token uuid,
  cause text,
  failure jsonb DEFAULT NULL,
  identity text DEFAULT NULL
) RETURNS void
LANGUAGE c AS 'MODULE_PATHNAME', 'taskq_fail_workflow_task';
COMMENT ON FUNCTION taskq.fail_workflow_task(uuid, text, jsonb, text)
  IS 'the workflow''s code could not handle the task; it is tried again';

CREATE FUNCTION taskq.release_workflow_task(task_token uuid) RETURNS void
LANGUAGE c AS 'MODULE_PATHNAME', 'taskq_release_workflow_task';
COMMENT ON FUNCTION taskq.release_workflow_task(uuid)
  IS 'hand a workflow task back, as if it had never been polled';

CREATE FUNCTION taskq.worker_gone(sticky_task_queue text) RETURNS void
LANGUAGE c AS 'MODULE_PATHNAME', 'taskq_worker_gone';
COMMENT ON FUNCTION taskq.worker_gone(text)
  IS 'a worker polls its sticky queue no more: what waits there goes to the workflows'' own queues';

CREATE FUNCTION taskq.reset_sticky(workflow_id text, run_id bigint DEFAULT NULL) RETURNS void
LANGUAGE c AS 'MODULE_PATHNAME', 'taskq_reset_sticky';
COMMENT ON FUNCTION taskq.reset_sticky(text, bigint)
  IS 'forget which worker has the run cached';

--
-- workflow_read
--

CREATE FUNCTION taskq.workflow_history(
  run_id bigint,
  after_event_id bigint DEFAULT 0,
  until_event_id bigint DEFAULT NULL,
  max_bytes int DEFAULT NULL,
  newest_first boolean DEFAULT false,
  OUT event_id bigint,
  OUT event_time timestamptz,
  OUT event_type text,
  OUT attributes jsonb,
  OUT user_metadata jsonb,
  OUT extra jsonb
) RETURNS SETOF record
LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'taskq_workflow_history';
COMMENT ON FUNCTION taskq.workflow_history(bigint, bigint, bigint, int, boolean)
  IS 'events of a run, with attributes as the protocol prints them';

CREATE FUNCTION taskq.workflow_run(workflow_id text) RETURNS bigint
LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'taskq_workflow_run';
COMMENT ON FUNCTION taskq.workflow_run(text)
  IS 'the latest run of a workflow';

CREATE TYPE taskq.workflow_end AS (
  run_id bigint,
  status taskq.workflow_status,
  result jsonb,
  failure jsonb
);
COMMENT ON TYPE taskq.workflow_end IS 'how a workflow has ended, as workflow_outcome tells it';

CREATE FUNCTION taskq.workflow_outcome(
  workflow_id text DEFAULT NULL,
  run_id bigint DEFAULT NULL,
  follow_runs boolean DEFAULT true
) RETURNS SETOF taskq.workflow_end ROWS 1
LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'taskq_workflow_outcome';
COMMENT ON FUNCTION taskq.workflow_outcome(text, bigint, boolean)
  IS 'how a workflow has ended, or that it has not';

CREATE FUNCTION taskq.pending_activity(workflow_id text, activity_id text, workflow_run_id bigint DEFAULT NULL) RETURNS bigint
LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'taskq_pending_activity';
COMMENT ON FUNCTION taskq.pending_activity(text, text, bigint)
  IS 'the run_id of a running workflow''s activity, for complete_by_id and its kin';

--
-- workflow_replay
--

CREATE FUNCTION taskq.replay(run_id bigint) RETURNS boolean
LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'taskq_replay';
COMMENT ON FUNCTION taskq.replay(bigint)
  IS 'for superusers: true if the run is what its history says, else an error';

--
-- workflow_wait
--

CREATE PROCEDURE taskq.wait_for_workflow(
  workflow_id text DEFAULT NULL, run_id bigint DEFAULT NULL, timeout interval DEFAULT '60s',
  INOUT status taskq.workflow_status DEFAULT NULL, INOUT result jsonb DEFAULT NULL, INOUT failure jsonb DEFAULT NULL
) LANGUAGE c AS 'MODULE_PATHNAME', 'taskq_wait_for_workflow';
COMMENT ON PROCEDURE taskq.wait_for_workflow(text, bigint, interval, taskq.workflow_status, jsonb, jsonb)
  IS 'sleep until the workflow is closed, with all runs that it goes on as, or the time is up';

--
-- channel
--

CREATE FUNCTION taskq.channel(task_queue text, kind taskq.task_kind DEFAULT 'activity', sticky_for text DEFAULT NULL) RETURNS text
LANGUAGE c AS 'MODULE_PATHNAME', 'taskq_channel';
COMMENT ON FUNCTION taskq.channel(text, taskq.task_kind, text)
  IS 'the name to LISTEN on for tasks of a queue; asks for notifications for one hour, LISTEN for as long as it listens';

CREATE FUNCTION taskq.worker_channel(identity text) RETURNS text
LANGUAGE c AS 'MODULE_PATHNAME', 'taskq_worker_channel';
COMMENT ON FUNCTION taskq.worker_channel(text)
  IS 'the name to LISTEN on for what happens to attempts that a worker holds; likewise';

--
-- listen
--

CREATE FUNCTION taskq.listen(
  listener text, task_queues text[], kind taskq.task_kind DEFAULT 'activity', normal_names text[] DEFAULT NULL
) RETURNS text
LANGUAGE c AS 'MODULE_PATHNAME', 'taskq_listen';
COMMENT ON FUNCTION taskq.listen(text, text[], taskq.task_kind, text[])
  IS 'the name to LISTEN on for tasks of many queues, whose names are the payloads; asks for notifications for one hour';

CREATE FUNCTION taskq.unlisten(
  listener text, task_queues text[] DEFAULT NULL, kind taskq.task_kind DEFAULT 'activity', normal_names text[] DEFAULT NULL
) RETURNS void
LANGUAGE c AS 'MODULE_PATHNAME', 'taskq_unlisten';
COMMENT ON FUNCTION taskq.unlisten(text, text[], taskq.task_kind, text[])
  IS 'a listener wants to hear no more of these queues, or of any';

--
-- watch
--

CREATE FUNCTION taskq.watch(run_ids bigint[]) RETURNS text[]
LANGUAGE c AS 'MODULE_PATHNAME', 'taskq_watch';
COMMENT ON FUNCTION taskq.watch(bigint[])
  IS 'the names to LISTEN on for what becomes of runs; asks for notifications for one hour';

--
-- configure_queue
--

CREATE FUNCTION taskq.configure_queue(
  task_queue text, config jsonb, reason text DEFAULT NULL, identity text DEFAULT NULL, kind taskq.task_kind DEFAULT 'activity'
) RETURNS jsonb LANGUAGE c AS 'MODULE_PATHNAME', 'taskq_configure_queue';
COMMENT ON FUNCTION taskq.configure_queue(text, jsonb, text, text, taskq.task_kind)
  IS 'change settings of a task queue; returns all that are set';

CREATE FUNCTION taskq.is_paused(config jsonb) RETURNS boolean
LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'taskq_is_paused';
COMMENT ON FUNCTION taskq.is_paused(jsonb) IS 'internal: does a queue that is configured so hand nothing out; read taskq.task_queues';

--
-- internal
--

CREATE FUNCTION taskq.clock() RETURNS timestamptz
LANGUAGE c VOLATILE PARALLEL SAFE AS 'MODULE_PATHNAME', 'taskq_clock';
COMMENT ON FUNCTION taskq.clock() IS 'internal: the instant that taskq takes for now';

CREATE FUNCTION taskq.newest_heartbeat(
  run_id bigint, nonce bigint, last_time timestamptz, count bigint, details jsonb
) RETURNS taskq.heartbeat_state
LANGUAGE c VOLATILE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'taskq_newest_heartbeat';
COMMENT ON FUNCTION taskq.newest_heartbeat(bigint, bigint, timestamptz, bigint, jsonb)
  IS 'internal: the last heartbeat of an attempt, given what is stored of it; read taskq.activities';

--
-- read
--

CREATE FUNCTION taskq.duration(microseconds bigint) RETURNS interval
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'taskq_duration';
COMMENT ON FUNCTION taskq.duration(bigint) IS 'internal: a duration as it is stored; read taskq.activities';

CREATE FUNCTION taskq.later(instant timestamptz, microseconds bigint) RETURNS timestamptz
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'taskq_later';
COMMENT ON FUNCTION taskq.later(timestamptz, bigint) IS 'internal: an instant that much later, NULL when there is none; read taskq.activities';

CREATE VIEW taskq.activities AS
SELECT
  o.run_id,
  o.activity_id::text,
  o.activity_type::text,
  o.task_queue::text,
  CASE WHEN o.state = 6 THEN 'paused'::taskq.activity_status ELSE 'running' END AS status,
  CASE o.state
    WHEN 1 THEN 'scheduled'::taskq.run_state
    WHEN 2 THEN 'started'
    WHEN 3 THEN 'cancel_requested'
    WHEN 4 THEN 'pause_requested'
    WHEN 5 THEN CASE WHEN o.control ? 'reset_keep_paused'::text THEN 'pause_requested'::taskq.run_state ELSE 'started' END
    WHEN 6 THEN 'paused'
  END AS run_state,
  o.attempt,
  o.input,
  o.header,
  NULL::jsonb AS result,
  NULL::jsonb AS failure,
  NULL::taskq.retry_state AS retry_state,
  o.last_failure,
  (o.beat).details AS heartbeat_details,
  (o.beat).last_time AS last_heartbeat_time,
  coalesce((o.beat).count, 0) AS total_heartbeat_count,
  nullif(o.worker, '') AS last_worker_identity,
  o.schedule_time,
  taskq.later(o.schedule_time, coalesce(o.start_delay, 0)) AS execution_time,
  taskq.later(taskq.later(o.schedule_time, coalesce(o.start_delay, 0)), o.schedule_to_close) AS expiration_time,
  coalesce(o.first_started_time, nullif(o.started_time, '-infinity')) AS first_started_time,
  nullif(o.started_time, '-infinity') AS last_started_time,
  o.last_complete_time AS last_attempt_complete_time,
  CASE WHEN o.state = 1 AND o.dispatch_time > taskq.clock() THEN
    taskq.duration(o.retry_interval)
  END AS current_retry_interval,
  CASE WHEN o.state = 1 AND o.dispatch_time > taskq.clock() THEN o.dispatch_time END AS next_attempt_schedule_time,
  NULL::timestamptz AS close_time,
  NULL::interval AS execution_duration,
  taskq.duration(o.schedule_to_close) AS schedule_to_close_timeout,
  taskq.duration(o.schedule_to_start) AS schedule_to_start_timeout,
  taskq.duration(o.start_to_close) AS start_to_close_timeout,
  taskq.duration(o.heartbeat_timeout) AS heartbeat_timeout,
  taskq.retry_policy_to_jsonb(o.retry_policy) AS retry_policy,
  taskq.duration(o.start_delay) AS start_delay,
  o.priority,
  nullif(o.fairness_key, '')::text AS fairness_key,
  o.fairness_weight,
  o.control #>> '{cancel,reason}'::text[] AS cancel_reason,
  o.summary,
  o.search_attributes,
  o.transitions AS state_transition_count,
  o.owner AS workflow_run_id,
  o.scheduled_event_id
FROM (
  SELECT o.*,
    -- only an attempt in progress can have one that is not stored yet
    CASE WHEN o.state IN (2, 3, 4, 5) THEN taskq.newest_heartbeat(o.run_id, o.nonce, h.last_time, h.count, h.details) ELSE h END AS beat
  FROM (
    -- apart, since each has an index of its own for activity ids
    SELECT *, NULL::bigint AS owner FROM taskq.open a WHERE a.scope = 0::bigint UNION ALL
    SELECT *, w.scope FROM taskq.open w WHERE w.scope > 0::bigint AND w.activity_id IS NOT NULL
  ) o LEFT JOIN taskq.heartbeat_state h ON h.run_id = o.run_id
) o
UNION ALL
SELECT
  c.run_id, c.activity_id::text, c.activity_type::text, c.task_queue::text, c.status, NULL::taskq.run_state, c.attempt,
  c.input, c.header, c.result, c.failure, c.retry_state, c.last_failure,
  c.heartbeat_details, c.heartbeat_time, coalesce(c.heartbeat_count, 0), nullif(c.worker, ''),
  c.schedule_time,
  taskq.later(c.schedule_time, coalesce(c.start_delay, 0)),
  taskq.later(taskq.later(c.schedule_time, coalesce(c.start_delay, 0)), c.schedule_to_close),
  coalesce(c.first_started_time, c.started_time), c.started_time,
  coalesce(c.last_complete_time, CASE WHEN c.status OPERATOR(pg_catalog.=) 'completed' THEN c.close_time END),
  NULL::interval, NULL::timestamptz,
  c.close_time, c.close_time - c.schedule_time,
  taskq.duration(c.schedule_to_close),
  taskq.duration(c.schedule_to_start),
  taskq.duration(c.start_to_close),
  taskq.duration(c.heartbeat_timeout),
  taskq.retry_policy_to_jsonb(c.retry_policy),
  taskq.duration(c.start_delay),
  c.priority, nullif(c.fairness_key, '')::text, c.fairness_weight,
  c.control #>> '{cancel,reason}'::text[], c.summary, c.search_attributes, c.transitions,
  NULL::bigint, NULL::bigint
FROM (
  -- without conditions or expressions: the planner sees through it
  TABLE taskq.closed_0 UNION ALL TABLE taskq.closed_1 UNION ALL TABLE taskq.closed_2 UNION ALL
  TABLE taskq.closed_3 UNION ALL TABLE taskq.closed_4 UNION ALL TABLE taskq.closed_5 UNION ALL
  TABLE taskq.closed_6 UNION ALL TABLE taskq.closed_7 UNION ALL TABLE taskq.closed_long
) c
WHERE c.expire_time > taskq.clock();
COMMENT ON VIEW taskq.activities IS 'all activities, open and closed';

CREATE FUNCTION taskq.describe(activity_id text DEFAULT NULL, run_id bigint DEFAULT NULL)
RETURNS SETOF taskq.activities ROWS 1
LANGUAGE c AS 'MODULE_PATHNAME', 'taskq_describe';
COMMENT ON FUNCTION taskq.describe(text, bigint) IS 'one activity; by activity_id alone its latest run';

CREATE FUNCTION taskq.outcome(
  run_id bigint,
  OUT status taskq.activity_status, OUT result jsonb, OUT failure jsonb, OUT retry_state taskq.retry_state
) RETURNS SETOF record ROWS 1
LANGUAGE c AS 'MODULE_PATHNAME', 'taskq_outcome';
COMMENT ON FUNCTION taskq.outcome(bigint) IS 'how an activity ended, or its status so far';

--
-- run_ids
--

CREATE FUNCTION taskq.run_uuid(run_id bigint) RETURNS uuid
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'taskq_run_uuid';
COMMENT ON FUNCTION taskq.run_uuid(bigint) IS 'a run_id as a uuid, for programs that need one; of this installation only';

CREATE FUNCTION taskq.run_of(run_uuid uuid) RETURNS bigint
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'taskq_run_of';
COMMENT ON FUNCTION taskq.run_of(uuid) IS 'the run_id that run_uuid has made that uuid of';

--
-- workflow_views
--

CREATE TYPE taskq.pending_task AS (state text, attempt int, since timestamptz);
COMMENT ON TYPE taskq.pending_task IS 'the workflow task of a run: scheduled or started, and since when';

CREATE VIEW taskq.workflows AS
SELECT
  o.activity_id::text AS workflow_id,
  o.run_id,
  taskq.run_uuid(o.run_id) AS run_uuid,
  o.activity_type::text AS workflow_type,
  o.home_queue::text AS task_queue,
  'running'::taskq.workflow_status AS status,
  o.start_time,
  taskq.later(o.start_time, coalesce((o.control ->> 'first_task_backoff'::text)::bigint, 0)) AS execution_time,
  NULL::timestamptz AS close_time,
  NULL::interval AS execution_duration,
  o.next_event_id - 1::bigint AS history_length,
  o.history_size AS history_size_bytes,
  o.control ->> 'parent_workflow_id'::text AS parent_workflow_id,
  (o.control ->> 'parent_run_id'::text)::bigint AS parent_run_id,
  coalesce((o.control ->> 'root_run_id'::text)::bigint, o.run_id) AS root_run_id,
  (o.control ->> 'first_run_id'::text)::bigint AS first_run_id,
  coalesce((o.control ->> 'run_attempt'::text)::int, 1) AS attempt,
  o.control ->> 'cron_schedule'::text AS cron_schedule,
  taskq.payloads(jsonb_build_object('fields', o.control -> 'memo'::text)) AS memo,
  o.search_attributes,
  NULL::jsonb AS result,
  NULL::jsonb AS failure,
  (o.run_flags & 1::smallint) OPERATOR(pg_catalog.<>) 0::smallint AS cancel_requested,
  coalesce(o.pending_activities, 0) AS pending_activities,
  coalesce(o.pending_timers, 0) AS pending_timers,
  0 AS pending_children,
  CASE o.state
    WHEN 1::smallint THEN ROW('scheduled', o.attempt, o.schedule_time)::taskq.pending_task
    WHEN 2::smallint THEN ROW('started', o.attempt, o.started_time)::taskq.pending_task
  END AS pending_task,
  o.sticky_queue::text AS sticky_task_queue
FROM taskq.open o
WHERE o.scope = (-1)::bigint
UNION ALL
SELECT
  c.workflow_id::text, c.run_id, taskq.run_uuid(c.run_id), c.workflow_type::text, c.home_queue::text, c.status, c.start_time,
  taskq.later(c.start_time, coalesce((c.control ->> 'first_task_backoff'::text)::bigint, 0)),
  c.close_time,
  c.close_time - taskq.later(c.start_time, coalesce((c.control ->> 'first_task_backoff'::text)::bigint, 0)),
  c.history_length, c.history_size,
  c.control ->> 'parent_workflow_id'::text,
  (c.control ->> 'parent_run_id'::text)::bigint,
  coalesce((c.control ->> 'root_run_id'::text)::bigint, c.run_id),
  (c.control ->> 'first_run_id'::text)::bigint,
  coalesce((c.control ->> 'run_attempt'::text)::int, 1),
  c.control ->> 'cron_schedule'::text,
  taskq.payloads(jsonb_build_object('fields', c.control -> 'memo'::text)),
  c.search_attributes, c.result, c.failure,
  (c.run_flags & 1::smallint) OPERATOR(pg_catalog.<>) 0::smallint,
  0, 0, 0, NULL::taskq.pending_task, NULL::text
FROM (
  -- without conditions or expressions: the planner sees through it
  TABLE taskq.closed_run_0 UNION ALL TABLE taskq.closed_run_1 UNION ALL TABLE taskq.closed_run_2 UNION ALL
  TABLE taskq.closed_run_3 UNION ALL TABLE taskq.closed_run_4 UNION ALL TABLE taskq.closed_run_5 UNION ALL
  TABLE taskq.closed_run_6 UNION ALL TABLE taskq.closed_run_7 UNION ALL TABLE taskq.closed_run_long
) c
WHERE c.expire_time > taskq.clock();
COMMENT ON VIEW taskq.workflows IS 'all runs of workflows, open and closed';

CREATE FUNCTION taskq.run_events(
  run_id bigint,
  OUT event_id bigint, OUT event_time timestamptz, OUT event_type text, OUT attributes jsonb, OUT user_metadata jsonb, OUT extra jsonb
) RETURNS SETOF record ROWS 50
LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'taskq_run_events';
COMMENT ON FUNCTION taskq.run_events(bigint) IS 'internal: all events of a run, 40001 if it is gone; read taskq.workflow_events';

CREATE FUNCTION taskq.event_summary(attributes jsonb) RETURNS text
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'taskq_event_summary';
COMMENT ON FUNCTION taskq.event_summary(jsonb) IS 'internal: attributes of an event as one line; read taskq.workflow_events';

-- The history is read run by run: of each only the leaves that have some of it.
-- Conditions on run_id and workflow_id get down to the tables that have the runs.
CREATE VIEW taskq.workflow_events AS
SELECT r.run_id, r.workflow_id, e.event_id, e.event_time, e.event_type, e.attributes, e.user_metadata, e.extra,
  taskq.event_summary(e.attributes) AS summary
FROM (
  SELECT o.run_id, o.activity_id::text AS workflow_id FROM taskq.open o WHERE o.scope = (-1)::bigint
  UNION ALL
  SELECT c.run_id, c.workflow_id::text
  FROM (
  TABLE taskq.closed_run_0 UNION ALL TABLE taskq.closed_run_1 UNION ALL TABLE taskq.closed_run_2 UNION ALL
  TABLE taskq.closed_run_3 UNION ALL TABLE taskq.closed_run_4 UNION ALL TABLE taskq.closed_run_5 UNION ALL
  TABLE taskq.closed_run_6 UNION ALL TABLE taskq.closed_run_7 UNION ALL TABLE taskq.closed_run_long
  ) c
  WHERE c.expire_time > taskq.clock()
) r
CROSS JOIN LATERAL taskq.run_events(r.run_id) e;
COMMENT ON VIEW taskq.workflow_events IS 'events of all runs of workflows';

CREATE VIEW taskq.workflow_timers AS
SELECT t.run_id, o.activity_id::text AS workflow_id, t.timer_id::text, t.started_event_id, t.fire_time
FROM taskq.run_timer t JOIN taskq.open o ON o.run_id = t.run_id;
COMMENT ON VIEW taskq.workflow_timers IS 'timers of running workflows that have not fired';

CREATE FUNCTION taskq.describe_workflow(workflow_id text DEFAULT NULL, run_id bigint DEFAULT NULL) RETURNS json
LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'taskq_describe_workflow';
COMMENT ON FUNCTION taskq.describe_workflow(text, bigint)
  IS 'one run of a workflow, with what it waits for; by workflow_id alone its latest run';

--
-- queue_counts
--

CREATE FUNCTION taskq.one_queue(internal) RETURNS internal
LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'taskq_one_queue';
COMMENT ON FUNCTION taskq.one_queue(internal)
  IS 'internal: support function of what tells of queues, for queries that want one';

CREATE FUNCTION taskq.queue_counts(
  one_queue text DEFAULT NULL,
  OUT task_queue text, OUT priority int, OUT backlog_count bigint, OUT oldest timestamptz, OUT delayed_count bigint,
  OUT started_count bigint, OUT paused_count bigint, OUT kind taskq.task_kind
) RETURNS SETOF record
LANGUAGE c SUPPORT taskq.one_queue AS 'MODULE_PATHNAME', 'taskq_queue_counts';
COMMENT ON FUNCTION taskq.queue_counts(text)
  IS 'internal: open tasks by queue and level (NULL = on any), as committed; read taskq.task_queues';

--
-- queue_views
--

CREATE FUNCTION taskq.queue_rates(
  task_queue text, kind taskq.task_kind,
  OUT add_rate float8, OUT dispatch_rate float8, OUT rate_limit float8, OUT rate_limit_source text,
  OUT rate_limiting_active boolean
) RETURNS SETOF record ROWS 1
LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'taskq_queue_rates';
COMMENT ON FUNCTION taskq.queue_rates(text, taskq.task_kind) IS 'internal: rates and effective rate limit of a queue; read taskq.task_queues';

CREATE FUNCTION taskq.poller_states(
  one_queue text DEFAULT NULL,
  OUT task_queue text, OUT identity text, OUT last_access_time timestamptz, OUT rate_per_second float8,
  OUT waiting boolean, OUT kind taskq.task_kind
) RETURNS SETOF record
LANGUAGE c SUPPORT taskq.one_queue AS 'MODULE_PATHNAME', 'taskq_poller_states';
COMMENT ON FUNCTION taskq.poller_states(text) IS 'internal: pollers of the last minutes; read taskq.pollers';

CREATE FUNCTION taskq.queue_statistics(
  one_queue text DEFAULT NULL,
  OUT task_queue text,
  OUT scheduled bigint, OUT started bigint, OUT completed bigint, OUT failed bigint, OUT retried bigint,
  OUT canceled bigint, OUT terminated bigint,
  OUT timed_out_schedule_to_start bigint, OUT timed_out_start_to_close bigint,
  OUT timed_out_schedule_to_close bigint, OUT timed_out_heartbeat bigint,
  OUT heartbeats bigint, OUT empty_polls bigint,
  OUT schedule_to_start_histogram bigint[], OUT execution_histogram bigint[],
  OUT stats_reset timestamptz,
  OUT released bigint, OUT kind taskq.task_kind
) RETURNS SETOF record
LANGUAGE c SUPPORT taskq.one_queue AS 'MODULE_PATHNAME', 'taskq_queue_statistics';
COMMENT ON FUNCTION taskq.queue_statistics(text) IS 'internal: counters of queues; read taskq.stat_task_queues';

-- Conditions on task_queue get down to each member of a UNION ALL, and to the
-- functions: a view of one queue looks at no other.
CREATE VIEW taskq.pollers AS
SELECT task_queue, identity, last_access_time, rate_per_second, waiting, kind FROM taskq.poller_states();
COMMENT ON VIEW taskq.pollers IS 'who polled which queue in the last five minutes';

-- Queues of workflows have a name of their own there.
CREATE VIEW taskq.configured_queues AS
SELECT c.task_queue, 'activity'::taskq.task_kind AS kind FROM taskq.queue_config c
WHERE NOT (c.task_queue >= '/_sys/w/'::text AND c.task_queue < '/_sys/w0'::text)
UNION ALL
SELECT substr(c.task_queue, 9), 'workflow' FROM taskq.queue_config c
WHERE c.task_queue >= '/_sys/w/'::text AND c.task_queue < '/_sys/w0'::text;
COMMENT ON VIEW taskq.configured_queues IS 'internal: names of configured queues; read taskq.task_queues';

CREATE VIEW taskq.task_queues AS
SELECT
  q.task_queue,
  coalesce(q.backlog_count, 0)::bigint AS backlog_count,
  taskq.clock() - q.oldest AS backlog_age,
  coalesce(q.delayed_count, 0)::bigint AS delayed_count,
  coalesce(q.started_count, 0)::bigint AS started_count,
  coalesce(q.paused_count, 0)::bigint AS paused_count,
  r.add_rate AS tasks_add_rate,
  r.dispatch_rate AS tasks_dispatch_rate,
  r.rate_limit,
  r.rate_limit_source,
  r.rate_limiting_active,
  coalesce(taskq.is_paused(c.config), false) AS paused,
  c.config,
  c.reason AS config_reason,
  c.identity AS config_update_identity,
  c.update_time AS config_update_time,
  q.poller_count,
  q.kind
FROM (
  SELECT
    u.task_queue,
    u.kind,
    sum(u.backlog_count) AS backlog_count,
    min(u.oldest) AS oldest,
    sum(u.delayed_count) AS delayed_count,
    sum(u.started_count) AS started_count,
    sum(u.paused_count) AS paused_count,
    count(u.identity) AS poller_count
  FROM (
    SELECT o.task_queue COLLATE "C" AS task_queue, o.kind, o.backlog_count, o.oldest, o.delayed_count, o.started_count, o.paused_count, NULL::text AS identity
    FROM taskq.queue_counts() o
    UNION ALL SELECT c.task_queue, c.kind, NULL, NULL, NULL, NULL, NULL, NULL FROM taskq.configured_queues c
    UNION ALL SELECT p.task_queue COLLATE "C", p.kind, NULL, NULL, NULL, NULL, NULL, p.identity FROM taskq.poller_states() p
  ) u
  GROUP BY 1, 2
) q
LEFT JOIN taskq.queue_config c ON c.task_queue = CASE WHEN q.kind OPERATOR(pg_catalog.=) 'workflow' THEN '/_sys/w/'::text || q.task_queue ELSE q.task_queue END
CROSS JOIN LATERAL taskq.queue_rates(q.task_queue, q.kind) r;
COMMENT ON VIEW taskq.task_queues IS 'task queues that have open tasks, a configuration or a poller';

CREATE VIEW taskq.task_queue_priorities AS
SELECT
  q.task_queue,
  l.level AS priority,
  coalesce(sum(q.backlog_count) FILTER (WHERE q.priority = l.level), 0)::bigint AS backlog_count,
  taskq.clock() - min(q.oldest) FILTER (WHERE q.priority = l.level) AS backlog_age,
  q.kind
FROM (
  SELECT o.task_queue COLLATE "C" AS task_queue, o.kind, o.priority, o.backlog_count, o.oldest FROM taskq.queue_counts() o
  UNION ALL SELECT c.task_queue, c.kind, NULL, NULL, NULL FROM taskq.configured_queues c
  UNION ALL SELECT p.task_queue COLLATE "C", p.kind, NULL, NULL, NULL FROM taskq.poller_states() p
) q
CROSS JOIN generate_series(1, 5) l(level)
GROUP BY 1, 2, 5;
COMMENT ON VIEW taskq.task_queue_priorities IS 'backlog of task queues per priority level';

CREATE VIEW taskq.stat_task_queues AS
SELECT * FROM taskq.queue_statistics();
COMMENT ON VIEW taskq.stat_task_queues IS 'counters of task queues since stats_reset';

CREATE FUNCTION taskq.stat_reset(task_queue text DEFAULT NULL, kind taskq.task_kind DEFAULT 'activity') RETURNS void
LANGUAGE c AS 'MODULE_PATHNAME', 'taskq_stat_reset';
COMMENT ON FUNCTION taskq.stat_reset(text, taskq.task_kind) IS 'set the counters of a task queue, or of all, to zero';

--
-- health
--

CREATE FUNCTION taskq.health_checks(OUT check_name text, OUT status text, OUT detail text, OUT hint text)
RETURNS SETOF record ROWS 20
LANGUAGE c AS 'MODULE_PATHNAME', 'taskq_health_checks';
COMMENT ON FUNCTION taskq.health_checks() IS 'internal: the checks of taskq.health that are not of PostgreSQL''s own catalogs';

-- names no table of taskq, or it would wait for who has locked one
CREATE VIEW taskq.health AS
SELECT h.check_name, h.status, h.detail, h.hint FROM taskq.health_checks() h
UNION ALL
SELECT 'oldest_snapshot',
  CASE WHEN x.age > interval '1h' THEN 'critical' WHEN x.age > interval '5min' THEN 'warning' ELSE 'ok' END,
  CASE WHEN x.who IS NULL THEN 'no session holds an old snapshot'
    WHEN x.age IS NULL THEN x.who || ' holds back the removal of dead rows; only pg_read_all_stats sees for how long'::text
    ELSE x.who || ' has held back the removal of dead rows for '::text || x.age::text END,
  CASE WHEN x.age > interval '5min' AND x.prepared THEN 'Use COMMIT PREPARED or ROLLBACK PREPARED.'
    WHEN x.age > interval '5min' THEN 'End that transaction, or set idle_in_transaction_session_timeout.' END
FROM (SELECT 1) one LEFT JOIN (
  SELECT 'pid '::text || a.pid::text AS who, clock_timestamp() - a.xact_start AS age, age(a.backend_xmin) AS xids,
    false AS prepared
  FROM pg_catalog.pg_stat_activity a
  WHERE a.backend_xmin IS NOT NULL AND a.datname = current_database() AND a.pid <> pg_backend_pid()
  UNION ALL
  SELECT 'prepared transaction "'::text || p.gid || '"'::text, clock_timestamp() - p.prepared, age(p.transaction), true
  FROM pg_catalog.pg_prepared_xacts p
  WHERE p.database = current_database()
  ORDER BY xids DESC, age DESC NULLS LAST LIMIT 1) x ON true
UNION ALL
SELECT 'dead_rows',
  CASE WHEN s.dead > 100000 AND s.dead > 5 * s.live THEN 'warning' ELSE 'ok' END,
  'about '::text || s.dead::text || ' dead and '::text || s.live::text || ' live rows in taskq.open'::text,
  CASE WHEN s.dead > 100000 AND s.dead > 5 * s.live THEN 'Does autovacuum run, and does no old snapshot hold it back?' END
FROM (SELECT coalesce(sum(n_dead_tup), 0::numeric)::bigint AS dead, coalesce(sum(n_live_tup), 0::numeric)::bigint AS live
      FROM pg_catalog.pg_stat_all_tables WHERE schemaname = 'taskq' AND relname = 'open') s
UNION ALL
SELECT 'notify_queue',
  CASE WHEN u.usage > 0.75::float8 THEN 'critical' WHEN u.usage > 0.25::float8 THEN 'warning' ELSE 'ok' END,
  'NOTIFY queue is '::text || round((u.usage * 100::float8)::numeric, 1)::text || ' % full'::text,
  CASE WHEN u.usage > 0.25::float8 THEN 'Some session listens and has been in a transaction for long.' END
FROM (SELECT pg_catalog.pg_notification_queue_usage() AS usage) u;
COMMENT ON VIEW taskq.health IS 'is taskq working well here: one row per check';

--
-- Nodes
--

CREATE FUNCTION taskq.node_of(run_id bigint) RETURNS int
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN ($1 >> 48)::int;
COMMENT ON FUNCTION taskq.node_of(bigint) IS 'the node where a run was scheduled';

-- the first bit tells tokens of workflow tasks from those of activities
CREATE FUNCTION taskq.node_of(task_token uuid) RETURNS int
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN ('x'::text || left($1::text, 4))::bit(16)::int & 32767;
COMMENT ON FUNCTION taskq.node_of(uuid) IS 'the node that issued a task token';

CREATE FUNCTION taskq.set_node(node int) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF node IS NULL THEN
    RAISE EXCEPTION 'node is not set' USING ERRCODE = '22004';
  ELSIF node NOT BETWEEN 0 AND 16383 THEN
    RAISE EXCEPTION 'node must be between 0 and 16383' USING ERRCODE = '22023';
  END IF;
  LOCK TABLE taskq.open IN EXCLUSIVE MODE;
  IF EXISTS (SELECT 1 FROM taskq.activities) OR (SELECT is_called FROM taskq.run_id_seq) THEN
    RAISE EXCEPTION 'the installation is not empty' USING ERRCODE = 'TQ003',
      CONSTRAINT = 'installation_not_empty', DETAIL = '{}',
      HINT = 'The node is part of every run_id and is set before the first one.';
  END IF;
  -- unlike setval, this goes with a rollback
  EXECUTE format('ALTER SEQUENCE taskq.run_id_seq RESTART WITH %s', (node::bigint << 48) + 1);
END
$$;
COMMENT ON FUNCTION taskq.set_node(int) IS 'make run ids of this database start at node << 48; once, while it is empty';

--
-- Access
--

-- The parts that grant_access knows, and what belongs to each.
CREATE FUNCTION taskq.access_objects(access text, OUT routines name[], OUT views name[])
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  reading_routines CONSTANT name[] := ARRAY['clock', 'duration', 'later', 'newest_heartbeat', 'retry_policy_to_jsonb', 'is_paused', 'queue_counts', 'queue_rates', 'poller_states', 'queue_statistics', 'health_checks',
    'describe', 'outcome', 'run_events', 'event_summary', 'describe_workflow', 'workflow_run', 'workflow_outcome', 'workflow_history', 'wait_for_workflow', 'wait_for_close', 'node_of', 'run_uuid', 'run_of', 'payloads'];
  reading_views CONSTANT name[] := ARRAY['activities', 'workflows', 'workflow_events', 'workflow_timers', 'task_queues', 'task_queue_priorities', 'pollers',
    'stat_task_queues', 'health'];
BEGIN
  routines := CASE access
    WHEN 'producer' THEN ARRAY['start_workflow', 'start_workflow_request', 'signal_workflow', 'signal_workflow_request', 'signal_with_start_workflow', 'signal_with_start_workflow_request',
      'workflow_run', 'workflow_outcome', 'wait_for_workflow', 'workflow_history', 'describe_workflow', 'watch', 'schedule', 'schedule_many', 'retry_policy', 'retry_policy_from_jsonb', 'args', 'payloads', 'to_payloads', 'execute', 'outcome', 'describe', 'wait_for_close', 'node_of', 'run_uuid', 'run_of']::name[]
    WHEN 'worker' THEN ARRAY['poll_workflow_task', 'complete_workflow_task', 'complete_workflow_tasks', 'fail_workflow_task', 'release_workflow_task', 'workflow_history', 'worker_gone', 'reset_sticky', 'pending_activity', 'signal_workflow', 'signal_workflow_request',
      'retry_policy', 'retry_policy_from_jsonb', 'args', 'payloads', 'to_payloads', 'command_schedule_activity', 'command_start_timer', 'command_cancel_timer', 'command_request_cancel_activity', 'command_complete', 'command_fail', 'command_fail_with', 'command_cancel', 'command_continue_as_new',
      'command_record_marker', 'command_upsert_search_attributes', 'command_modify_properties',
      'describe', 'outcome', 'poll', 'poll_many', 'wait_for_task', 'wait_for_tasks', 'channel', 'worker_channel', 'listen', 'unlisten', 'complete', 'fail', 'fail_with', 'report_canceled',
      'release', 'release_many', 'heartbeat', 'complete_by_id', 'fail_by_id', 'fail_with_by_id', 'report_canceled_by_id', 'heartbeat_by_id', 'complete_many', 'fail_many', 'fail_with_many',
      'heartbeat_many', 'complete_and_poll', 'record_heartbeat', 'current_task', 'node_of', 'run_uuid', 'run_of']::name[]
    WHEN 'developer' THEN ARRAY['register_function', 'unregister_function', 'record_heartbeat', 'current_task', 'function_problem']::name[]
    WHEN 'operator' THEN ARRAY['request_cancel_workflow', 'request_cancel_workflow_request', 'terminate_workflow', 'terminate_workflow_request', 'delete_workflow', 'reset_sticky', 'request_cancel', 'terminate', 'pause', 'unpause', 'reset', 'update_options', 'delete', 'retry',
      'request_cancel_many', 'terminate_many', 'pause_many', 'unpause_many', 'reset_many', 'update_options_many', 'delete_many',
      'retry_many', 'watch', 'configure_queue', 'retry_policy', 'stat_reset']::name[] || reading_routines
    WHEN 'monitor' THEN reading_routines
  END;
  views := CASE WHEN access IN ('operator', 'monitor') THEN reading_views WHEN access = 'developer' THEN '{functions}' ELSE '{}' END;
  IF access IS NULL THEN
    RAISE EXCEPTION 'access is not set' USING ERRCODE = '22004';
  ELSIF routines IS NULL THEN
    RAISE EXCEPTION 'unrecognized access "%"', pg_catalog.left(access, 100) USING ERRCODE = '22023',
      HINT = 'Access is one of producer, worker, operator, monitor, developer.';
  END IF;
END
$$;
COMMENT ON FUNCTION taskq.access_objects(text) IS 'internal: what grant_access grants';

CREATE FUNCTION taskq.grant_access(role regrole, access text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  objects record;
  object text;
BEGIN
  IF role IS NULL THEN
    RAISE EXCEPTION 'role is not set' USING ERRCODE = '22004';
  ELSIF NOT EXISTS (SELECT 1 FROM pg_roles r WHERE r.oid = role::oid) THEN
    RAISE EXCEPTION 'role with OID % does not exist', role::oid USING ERRCODE = '42704';
  END IF;
  SELECT * INTO objects FROM taskq.access_objects(access);
  -- one at a time: of two who change the rights of one object PostgreSQL stops one
  LOCK TABLE taskq.instance IN SHARE UPDATE EXCLUSIVE MODE;
  EXECUTE format('GRANT USAGE ON SCHEMA taskq TO %s', role);
  FOR object IN
    SELECT p.oid::regprocedure FROM pg_proc p
    WHERE p.pronamespace = 'taskq'::regnamespace AND p.proname = ANY (objects.routines)
  LOOP
    EXECUTE format('GRANT EXECUTE ON ROUTINE %s TO %s', object, role);
  END LOOP;
  FOREACH object IN ARRAY objects.views LOOP
    EXECUTE format('GRANT SELECT ON taskq.%I TO %s', object, role);
  END LOOP;
END
$$;
COMMENT ON FUNCTION taskq.grant_access(regrole, text)
  IS 'let a role be a producer, worker, operator, monitor or developer';

-- Parts share functions.  What belongs to another part that the role has all of
-- stays, unless that other part is contained in the one that goes.
CREATE FUNCTION taskq.revoke_access(role regrole, access text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  objects record;
  object text;
  kept text[];
BEGIN
  IF role IS NULL THEN
    RAISE EXCEPTION 'role is not set' USING ERRCODE = '22004';
  ELSIF NOT EXISTS (SELECT 1 FROM pg_roles r WHERE r.oid = role::oid) THEN
    RAISE EXCEPTION 'role with OID % does not exist', role::oid USING ERRCODE = '42704';
  END IF;
  SELECT * INTO objects FROM taskq.access_objects(access);
  LOCK TABLE taskq.instance IN SHARE UPDATE EXCLUSIVE MODE;	-- as in grant_access
  SELECT array_agg(other.part) INTO kept
  FROM unnest(ARRAY['producer', 'worker', 'operator', 'monitor', 'developer']) other(part), taskq.access_objects(other.part) o
  WHERE other.part <> access AND NOT o.routines <@ objects.routines
    AND NOT EXISTS (
      SELECT 1 FROM pg_proc p
      WHERE p.pronamespace = 'taskq'::regnamespace AND p.proname = ANY (o.routines)
        AND NOT EXISTS (SELECT 1 FROM aclexplode(p.proacl) a WHERE a.grantee = role::oid));
  FOR object IN
    SELECT p.oid::regprocedure FROM pg_proc p
    WHERE p.pronamespace = 'taskq'::regnamespace AND p.proname = ANY (objects.routines)
  LOOP
    EXECUTE format('REVOKE EXECUTE ON ROUTINE %s FROM %s', object, role);
  END LOOP;
  FOREACH object IN ARRAY objects.views LOOP
    EXECUTE format('REVOKE SELECT ON taskq.%I FROM %s', object, role);
  END LOOP;
  PERFORM taskq.grant_access(role, part) FROM unnest(kept) part;
  -- the schema goes with the last thing in it
  IF NOT EXISTS (
    SELECT 1 FROM pg_proc p, aclexplode(p.proacl) a
    WHERE p.pronamespace = 'taskq'::regnamespace AND a.grantee = role::oid
    UNION ALL
    SELECT 1 FROM pg_class c, aclexplode(c.relacl) a
    WHERE c.relnamespace = 'taskq'::regnamespace AND a.grantee = role::oid)
  THEN
    EXECUTE format('REVOKE USAGE ON SCHEMA taskq FROM %s', role);
  END IF;
END
$$;
COMMENT ON FUNCTION taskq.revoke_access(regrole, text)
  IS 'take back what grant_access granted';

REVOKE ALL ON ALL TABLES IN SCHEMA taskq FROM PUBLIC;
REVOKE ALL ON ALL ROUTINES IN SCHEMA taskq FROM PUBLIC;

GRANT USAGE ON SCHEMA taskq TO pg_monitor;
GRANT SELECT ON taskq.task_queues, taskq.task_queue_priorities, taskq.pollers, taskq.stat_task_queues, taskq.health
  TO pg_monitor;
GRANT EXECUTE ON FUNCTION taskq.clock(), taskq.is_paused(jsonb), taskq.queue_counts(text), taskq.queue_rates(text, taskq.task_kind), taskq.poller_states(text), taskq.queue_statistics(text),
  taskq.health_checks() TO pg_monitor;

-- the background worker serves this database from the commit on
CREATE FUNCTION taskq.installed() RETURNS void
LANGUAGE c AS 'MODULE_PATHNAME', 'taskq_installed';
SELECT taskq.installed();
DROP FUNCTION taskq.installed();
