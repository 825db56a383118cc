-- Every call, every command and every time-out, in every state of a run, of an
-- activity and of a timer: docs/workflow_matrix.md, whose source is
-- include/workflow_matrix.psql.
--
-- Each cell is tried on a workflow of its own.  No transaction block is open then,
-- since in one events wait until it ends.

\ir ../include/helpers.psql
\ir ../include/workflow_matrix.psql

CREATE SEQUENCE ids;
CREATE TYPE fixture AS (w text, r bigint, t uuid, a uuid, n bigint);

-- ----------------------------------------------------------------------
-- Calls, as the table writes them
-- ----------------------------------------------------------------------

CREATE FUNCTION task(task taskq.workflow_task) RETURNS text
LANGUAGE sql AS $$
  SELECT format('attempt %s, events %s to %s', (task).attempt, (task).history -> 0 ->> 'eventId', (task).history -> -1 ->> 'eventId')
    || CASE WHEN (task).transient IS NOT NULL THEN ' and ' || jsonb_array_length((task).transient) ELSE '' END
$$;
CREATE FUNCTION poll(queue text, sticky_for text = NULL) RETURNS text
LANGUAGE sql AS $$
  SELECT coalesce((SELECT task(p) FROM taskq.poll_workflow_task(queue, 'worker', sticky_for => sticky_for) p), 'none')
$$;
CREATE FUNCTION list(VARIADIC commands jsonb[]) RETURNS jsonb LANGUAGE sql AS $$ SELECT to_jsonb(commands) $$;
CREATE FUNCTION complete(token uuid, commands jsonb = '[]', sticky text = NULL, force boolean = false, return_new boolean = false) RETURNS text
LANGUAGE sql AS $$
  SELECT coalesce(replace(failed_cause, 'WORKFLOW_TASK_FAILED_CAUSE_', ''), CASE WHEN closed THEN 'closed' ELSE 'ok' END)
    || CASE WHEN (new_task).run_id IS NOT NULL THEN ', ' || task(new_task) ELSE '' END || CASE WHEN failed_cause IS NOT NULL AND closed THEN ', closed' ELSE '' END
  FROM taskq.complete_workflow_task(token, CASE jsonb_typeof(commands) WHEN 'object' THEN list(commands) ELSE commands END, sticky, CASE WHEN sticky IS NOT NULL THEN interval '1 day' END, force, return_new, identity => 'worker')
$$;
CREATE FUNCTION command(type text, attributes jsonb) RETURNS jsonb
LANGUAGE sql AS $$
  SELECT jsonb_build_object('commandType', 'COMMAND_TYPE_' || type,
    replace(lower(left(type, 1)) || substr(replace(initcap(replace(type, '_', ' ')), ' ', ''), 2), 'Id', 'Id') || 'CommandAttributes', attributes)
$$;
CREATE FUNCTION activity(queue text) RETURNS jsonb
LANGUAGE sql AS $$
  SELECT taskq.command_schedule_activity('A', start_to_close_timeout => '1 day', activity_id => 'a', task_queue => queue,
    retry_policy => taskq.retry_policy(initial_interval => '1 h', maximum_interval => '1 h'))
$$;
CREATE FUNCTION started(s taskq.started_workflow) RETURNS text
LANGUAGE sql AS $$
  SELECT CASE WHEN (s).created THEN 'created' WHEN (s).same_request THEN 'same request' ELSE 'existing' END
$$;
CREATE FUNCTION start(w text, reuse taskq.id_reuse_policy = 'allow_duplicate', conflict taskq.workflow_id_conflict_policy = 'fail',
  request text = NULL) RETURNS text
LANGUAGE sql AS $$
  SELECT started(s) FROM taskq.start_workflow(w, 'W', workflow_id => w, id_reuse_policy => reuse, id_conflict_policy => conflict, request_id => request) s
$$;
CREATE FUNCTION signal_with_start(w text, reuse taskq.id_reuse_policy = 'allow_duplicate', conflict taskq.workflow_id_conflict_policy = NULL,
  request text = NULL, delay interval = NULL) RETURNS text
LANGUAGE sql AS $$
  SELECT started(s) FROM taskq.signal_with_start_workflow(w, 'W', workflow_id => w, id_reuse_policy => reuse, id_conflict_policy => conflict,
    request_id => request, start_delay => delay, signal_name => 's') s
$$;

-- ----------------------------------------------------------------------
-- States
-- ----------------------------------------------------------------------

CREATE FUNCTION sticky_of(w text) RETURNS text LANGUAGE sql AS $$ SELECT w || '-sticky' $$;
CREATE FUNCTION take_task(w text, sticky boolean = false) RETURNS uuid
LANGUAGE sql AS $$
  SELECT task_token FROM taskq.poll_workflow_task(CASE WHEN sticky THEN sticky_of(w) ELSE w END, 'worker', sticky_for => CASE WHEN sticky THEN w END)
$$;

-- a run, and its first task polled
CREATE FUNCTION make_run(delay interval = NULL, run_timeout interval = NULL) RETURNS fixture
LANGUAGE plpgsql AS $$
DECLARE
  f fixture;
BEGIN
  f.w := 'matrix-' || txid_current() || '-' || nextval('ids');
  SELECT run_id INTO STRICT f.r FROM taskq.start_workflow(f.w, 'W', workflow_id => f.w, task_timeout => '120 s', run_timeout => run_timeout,
    start_delay => delay, request_id => 'start');
  f.t := overlay(gen_random_uuid()::text PLACING '8' FROM 1)::uuid;
  f.a := overlay(gen_random_uuid()::text PLACING '0' FROM 1)::uuid;
  f.n := f.r + (1::bigint << 40);
  RETURN f;
END
$$;

CREATE FUNCTION make(state text, run_timeout interval = NULL, sticky_time interval = '1 day', delay interval = '1 h') RETURNS fixture
LANGUAGE plpgsql AS $$
DECLARE
  f fixture := make_run(CASE state WHEN 'delayed' THEN delay END, run_timeout);
BEGIN
  CASE
    WHEN state = 'unknown' THEN PERFORM taskq.delete_workflow(f.w);
    WHEN state IN ('delayed', 'scheduled') THEN NULL;
    WHEN state = 'terminated' THEN PERFORM taskq.terminate_workflow(f.w);
    WHEN state = 'timed_out' THEN NULL;
    ELSE f.t := take_task(f.w);
  END CASE;
  CASE
    WHEN state ~ '^(unknown|delayed|scheduled|terminated|timed_out|started)$' THEN NULL;
    WHEN state = 'started +1' THEN PERFORM taskq.signal_workflow(f.w, 's');
    WHEN state ~ ' 2' THEN
      PERFORM taskq.fail_workflow_task(f.t, 'WORKFLOW_WORKER_UNHANDLED_FAILURE');
      IF state = 'started 2' THEN
        f.t := take_task(f.w);
      ELSIF state = 'scheduled 2 grown' THEN
        PERFORM taskq.signal_workflow(f.w, 's');
      END IF;
    WHEN state IN ('idle', 'scheduled canceling') THEN
      PERFORM complete(f.t);
      IF state <> 'idle' THEN
        PERFORM taskq.request_cancel_workflow(f.w);
      END IF;
    WHEN state ~ 'sticky|home' THEN
      PERFORM taskq.complete_workflow_task(f.t, '[]', sticky_of(f.w), sticky_time);
      IF state <> 'idle sticky' THEN
        IF state <> 'scheduled home' THEN
          PERFORM poll(sticky_of(f.w), f.w);
        END IF;
        PERFORM taskq.signal_workflow(f.w, 's');
      END IF;
      IF state = 'started sticky' THEN
        f.t := take_task(f.w, true);
      END IF;
    WHEN state IN ('completed', 'deleted') THEN
      PERFORM complete(f.t, taskq.command_complete());
      IF state = 'deleted' THEN
        PERFORM taskq.delete_workflow(f.w);
      END IF;
    WHEN state = 'failed' THEN PERFORM complete(f.t, taskq.command_fail('x'));
    WHEN state = 'canceled' THEN PERFORM complete(f.t, taskq.command_cancel());
    WHEN state = 'continued_as_new' THEN PERFORM complete(f.t, taskq.command_continue_as_new(backoff => '1 h'));
  END CASE;
  RETURN f;
END
$$;

-- the second task of a run that has scheduled an activity
CREATE FUNCTION second_task(f fixture) RETURNS uuid
LANGUAGE plpgsql AS $$
BEGIN
  PERFORM taskq.signal_workflow(f.w, 's');
  RETURN take_task(f.w);
END
$$;

CREATE FUNCTION make_activity(activity text, run text) RETURNS fixture
LANGUAGE plpgsql AS $$
DECLARE
  f fixture := make_run();
BEGIN
  f.t := take_task(f.w);
  PERFORM complete(f.t, activity(f.w));
  f.n := taskq.pending_activity(f.w, 'a');
  IF activity NOT IN ('queued', 'paused', 'completed +1') THEN
    f.a := take(f.w);
  END IF;
  CASE
    WHEN activity = 'back-off' THEN PERFORM taskq.fail(f.a, 'x');
    WHEN activity IN ('paused', 'pausing') THEN PERFORM taskq.pause(run_id => f.n);
    WHEN activity = 'canceling' THEN
      f.t := second_task(f);
      PERFORM complete(f.t, taskq.command_request_cancel_activity(5));
    WHEN activity = 'completed' THEN PERFORM taskq.complete(f.a);
    ELSE NULL;
  END CASE;
  CASE
    WHEN run = 'scheduled' THEN PERFORM taskq.signal_workflow(f.w, 's');
    WHEN run = 'terminated' THEN PERFORM taskq.terminate_workflow(f.w);
    WHEN run <> 'idle' THEN f.t := second_task(f);
    ELSE NULL;
  END CASE;
  IF activity = 'completed +1' THEN
    f.a := take(f.w);
    PERFORM taskq.complete(f.a);
  END IF;
  IF run ~ ' 2' THEN
    PERFORM taskq.fail_workflow_task(f.t, 'WORKFLOW_WORKER_UNHANDLED_FAILURE');
  END IF;
  IF run = 'started 2' THEN
    f.t := take_task(f.w);
  END IF;
  RETURN f;
END
$$;

-- one whose timer fires has to be committed, and waited for, before its task is polled
CREATE FUNCTION make_timer(state text) RETURNS fixture
LANGUAGE plpgsql AS $$
DECLARE
  f fixture := make_run();
BEGIN
  f.t := take_task(f.w);
  PERFORM complete(f.t, CASE state
    WHEN 'never' THEN '[]'
    WHEN 'canceled' THEN list(taskq.command_start_timer('t', '1 day'), taskq.command_cancel_timer('t'))
    WHEN 'pending' THEN taskq.command_start_timer('t', '1 day')
    ELSE taskq.command_start_timer('t', '30 s') END);
  IF state <> 'fired' THEN
    f.t := second_task(f);
  END IF;
  RETURN f;
END
$$;

-- ----------------------------------------------------------------------
-- What is seen
-- ----------------------------------------------------------------------

CREATE FUNCTION event_name(type text, attributes jsonb) RETURNS text
LANGUAGE sql AS $$
  SELECT regexp_replace(regexp_replace(replace(initcap(replace(type, '_', ' ')), ' ', ''), '^ActivityTask', 'Activity'), '^Workflow(Execution)?|(?<=Upsert)Workflow', '')
    || coalesce('(' || nullif(concat_ws(', ',
      replace(attributes ->> 'cause', 'WORKFLOW_TASK_FAILED_CAUSE_', ''),
      nullif(replace(attributes ->> 'timeoutType', 'TIMEOUT_TYPE_', ''), 'START_TO_CLOSE'),
      CASE WHEN type = 'workflow_task_scheduled' THEN CASE attributes #>> '{taskQueue,kind}' WHEN 'TASK_QUEUE_KIND_STICKY' THEN 'sticky' END END,
      CASE WHEN type = 'workflow_task_scheduled' THEN 'attempt ' || nullif((attributes ->> 'attempt')::int, 1) END), '') || ')', '')
$$;

CREATE FUNCTION exists_run(run bigint) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
  PERFORM taskq.workflow_outcome(run_id => run, follow_runs => false);
  RETURN true;
EXCEPTION WHEN SQLSTATE 'TQ001' THEN
  RETURN false;
END
$$;
CREATE FUNCTION latest(w text) RETURNS bigint
LANGUAGE plpgsql AS $$
BEGIN
  RETURN taskq.workflow_run(w);
EXCEPTION WHEN SQLSTATE 'TQ001' THEN
  RETURN NULL;
END
$$;

CREATE FUNCTION events(run bigint) RETURNS text[]
LANGUAGE plpgsql AS $$
BEGIN
  IF run IS NULL OR NOT exists_run(run) THEN
    RETURN NULL;
  END IF;
  RETURN (SELECT array_agg(event_id || ' ' || event_name(event_type, attributes) ORDER BY event_id) FROM taskq.workflow_history(run));
END
$$;

-- what is in the one and not in the other
CREATE FUNCTION difference(before text[], after text[]) RETURNS text
LANGUAGE sql AS $$
  SELECT nullif(concat_ws(', ',
    (SELECT string_agg('-' || e, ', ' ORDER BY n) FROM unnest(before) WITH ORDINALITY u (e, n) WHERE e <> ALL (after)),
    (SELECT string_agg(e, ', ' ORDER BY n) FROM unnest(after) WITH ORDINALITY u (e, n) WHERE e <> ALL (coalesce(before, '{}')))), '')
$$;

CREATE FUNCTION run_state(run bigint) RETURNS text
LANGUAGE plpgsql AS $$
BEGIN
  IF NOT exists_run(run) THEN
    RETURN 'deleted';
  END IF;
  RETURN coalesce((
    SELECT concat_ws(' ',
      CASE WHEN run_flags & 8 <> 0 THEN 'delayed' WHEN state = 7 THEN 'idle' WHEN state = 1 THEN 'scheduled' ELSE 'started' END,
      CASE WHEN run_flags & 32 <> 0 THEN attempt END,
      CASE WHEN run_flags & 64 <> 0 THEN 'grown' END,
      CASE WHEN sticky_queue IS NOT NULL THEN CASE WHEN state <> 7 AND task_queue LIKE '/\_sys/w/%' THEN 'home' ELSE 'sticky' END END,
      (SELECT '+' || nullif(count(*), 0) FROM taskq.run_inbox i WHERE i.run_id = o.run_id),
      CASE WHEN run_flags & 1 <> 0 THEN 'canceling' END)
    FROM taskq.open o WHERE o.run_id = run),
    (SELECT status::text FROM taskq.workflow_outcome(run_id => run, follow_runs => false)));
END
$$;
CREATE FUNCTION activity_state(run bigint) RETURNS text
LANGUAGE sql AS $$
  SELECT coalesce((
    SELECT CASE run_state WHEN 'scheduled' THEN CASE WHEN next_attempt_schedule_time IS NULL THEN 'queued' ELSE 'back-off' END
      WHEN 'cancel_requested' THEN 'canceling' WHEN 'pause_requested' THEN 'pausing' ELSE run_state::text END
    FROM taskq.activities WHERE workflow_run_id = run AND activity_id = 'a'), 'none')
$$;
CREATE FUNCTION timer_state(run bigint) RETURNS text
LANGUAGE sql AS $$ SELECT CASE WHEN EXISTS (SELECT FROM taskq.run_timer WHERE run_id = run AND timer_id = 't') THEN 'pending' ELSE 'none' END $$;
CREATE FUNCTION state_of(section text, run bigint) RETURNS text
LANGUAGE sql AS $$
  SELECT concat_ws('; ', run_state(run), CASE section WHEN 'activity' THEN activity_state(run) WHEN 'report' THEN activity_state(run) WHEN 'timer' THEN timer_state(run) END)
$$;

-- NULL if the run is what its history says
CREATE FUNCTION replayed(run bigint) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
  detail text;
BEGIN
  IF exists_run(run) THEN
    PERFORM taskq.replay(run);
  END IF;
  RETURN NULL;
EXCEPTION WHEN OTHERS THEN
  GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
  RETURN concat_ws(': ', SQLERRM, detail);
END
$$;

-- ----------------------------------------------------------------------
-- All cells
-- ----------------------------------------------------------------------

CREATE TABLE cell AS
  SELECT row_number() OVER (ORDER BY call_n, state_n)::int AS id, e.*, NULL::fixture AS f, NULL::text[] AS before
  FROM expected e;
ALTER TABLE cell ADD PRIMARY KEY (id);
CREATE TABLE result (id int PRIMARY KEY, answer text, events text, afterwards text, replayed text);

CREATE PROCEDURE make_all()
LANGUAGE plpgsql AS $$
DECLARE
  c cell;
  made fixture;
BEGIN
  FOR c IN SELECT * FROM cell ORDER BY section <> 'timer', time IS NULL, id LOOP
    PERFORM set_clock(CASE WHEN c.time = 'task' THEN '-150 s' WHEN c.time IS NOT NULL OR c.state IN ('timed_out', 'fired', 'fired +1') THEN '-1 min' ELSE '0' END::interval);
    CASE c.section
      WHEN 'run' THEN
        made := make(c.state, CASE WHEN c.time = 'run' OR c.state = 'timed_out' THEN interval '30 s' END,
          CASE WHEN c.time = 'sticky' THEN interval '30 s' ELSE interval '1 day' END, CASE WHEN c.time = 'delay' THEN interval '30 s' ELSE interval '1 h' END);
      WHEN 'activity' THEN made := make_activity(c.state, 'started');
      WHEN 'timer' THEN made := make_timer(c.state);
      WHEN 'report' THEN made := make_activity(split_part(c.state, ' / ', 1), split_part(c.state, ' / ', 2));
    END CASE;
    UPDATE cell SET f = made, before = events(made.r) WHERE id = c.id;
    COMMIT;
  END LOOP;
  PERFORM set_clock('0');
END
$$;

CREATE PROCEDURE try(cell_id int)
LANGUAGE plpgsql AS $$
DECLARE
  c cell;
  f fixture;
  query text;
  answer text;
  word text;
  own text[];
  latest_before bigint;
  latest_after bigint;
  events_of_latest text[];
BEGIN
  SELECT * INTO STRICT c FROM cell WHERE id = cell_id;
  f := c.f;
  own := CASE WHEN c.time IS NULL THEN events(f.r) ELSE c.before END;
  latest_before := latest(f.w);
  events_of_latest := events(latest_before);
  IF c.state IN ('idle sticky', 'started sticky') OR c.state LIKE 'started%' AND c.call LIKE 'complete (sticky%' THEN
    PERFORM poll(sticky_of(f.w), f.w);	-- its worker is there
  END IF;
  PERFORM set_clock(coalesce(c.shift, '0'));
  query := c.sql;
  query := replace(query, '$w', quote_literal(f.w));
  query := replace(query, '$s', quote_literal(sticky_of(f.w)));
  query := replace(query, '$next', coalesce((split_part(own[array_length(own, 1)], ' ', 1)::int + CASE c.state WHEN 'started 2' THEN 4 ELSE 2 END)::text, '0'));
  query := replace(query, '$r', f.r::text);
  query := replace(query, '$t', quote_literal(f.t));
  query := replace(query, '$a', quote_literal(f.a));
  query := replace(query, '$n', f.n::text);
  COMMIT;
  IF c.answer ~ '^(TQ\d+|22023)\M' THEN
    BEGIN
      EXECUTE 'SELECT ' || query INTO answer;
    EXCEPTION WHEN OTHERS THEN
      GET STACKED DIAGNOSTICS word = CONSTRAINT_NAME;
      answer := SQLSTATE || CASE WHEN word <> '' THEN ' ' || word ELSE CASE WHEN SQLSTATE NOT IN ('22023') THEN ': ' || SQLERRM ELSE '' END END;
    END;
  ELSIF query IS NOT NULL THEN
    EXECUTE 'SELECT ' || query INTO answer;
  END IF;
  PERFORM set_clock('0');
  latest_after := latest(f.w);
  INSERT INTO result
  SELECT cell_id, CASE WHEN query IS NULL THEN '' ELSE coalesce(nullif(answer, ''), 'ok') END,
    concat_ws('; ', CASE WHEN exists_run(f.r) THEN difference(own, events(f.r)) END,
      CASE WHEN latest_after <> f.r THEN CASE WHEN latest_after IS DISTINCT FROM latest_before THEN 'new: ' || difference(NULL, events(latest_after))
        ELSE 'next: ' || difference(events_of_latest, events(latest_after)) END END),
    state_of(c.section, f.r), concat_ws('; ', replayed(f.r), CASE WHEN latest_after <> f.r THEN replayed(latest_after) END);
  COMMIT;
END
$$;

CALL make_all();
CALL wait_until($$NOT EXISTS (
  SELECT FROM cell WHERE (time IS NOT NULL OR state IN ('timed_out', 'fired', 'fired +1'))
    AND NOT CASE WHEN section = 'timer' THEN timer_state((f).r) = 'none'
      WHEN time IS NOT NULL THEN state_of(section, (f).r) = afterwards ELSE run_state((f).r) = state END)$$);

-- its task is polled only now
CREATE FUNCTION poll_fired(f fixture) RETURNS fixture
LANGUAGE plpgsql AS $$
BEGIN
  f.t := take_task(f.w);
  RETURN f;
END
$$;
UPDATE cell SET f = poll_fired(f) WHERE state = 'fired';

-- an error that is none of the table's is reported below
\set ON_ERROR_STOP 0
SELECT format('CALL try(%s)', id) FROM cell ORDER BY id \gexec
\set ON_ERROR_STOP 1

SELECT * FROM no_plan();

\set written `cat docs/workflow_matrix.md`
SELECT is(:'written', document(), 'docs/workflow_matrix.md is what psql -f test/pgtap/include/workflow_matrix_document.psql prints');

SELECT is((SELECT string_agg(format('%s in %s', call, state), ', ') FROM cell WHERE answer IS NULL), NULL, 'each call has a rule for each state');
SELECT is((SELECT string_agg(format('%s: %s', call, states), ', ') FROM rule r
  WHERE EXISTS (SELECT FROM states_of(r.states) s WHERE NOT EXISTS (SELECT FROM state JOIN call c USING (section) WHERE c.name = r.call AND state.name = s))
    OR NOT EXISTS (SELECT FROM call c WHERE c.name = r.call)), NULL, 'each rule names calls and states');
SELECT is((SELECT string_agg(format('%s: %s', call, state), ', ') FROM (SELECT call, state FROM named GROUP BY call, state HAVING count(*) > 1) twice), NULL,
  'no two rules say something about the same');

SELECT is(coalesce(r.answer, 'error') || ' | ' || coalesce(r.events, '') || ' | ' || coalesce(r.afterwards, '') || coalesce(nullif(' | ' || r.replayed, ' | '), ''),
    c.answer || ' | ' || c.events || ' | ' || c.afterwards, c.call || ' in ' || c.state)
  FROM cell c LEFT JOIN result r USING (id) ORDER BY id;

SELECT * FROM finish();

SELECT count(taskq.delete_workflow(run_id => run_id)) FROM taskq.open WHERE scope = -1 AND activity_id LIKE 'matrix-%' \g /dev/null
DROP SCHEMA t CASCADE;
