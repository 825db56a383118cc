-- docs/reference.md: operators' calls for many runs.  They do what the single
-- calls do, and never raise for one run.

BEGIN;
\ir ../include/helpers.psql
SELECT * FROM no_plan();

-- every call for many, with run ids to be put in, and the event alone
CREATE TABLE call (name text, sql text, single text);
INSERT INTO call VALUES
('request_cancel', 'taskq.request_cancel_many(%s)', 'taskq.request_cancel(run_id => %s)'),
('terminate', 'taskq.terminate_many(%s)', 'taskq.terminate(run_id => %s)'),
('pause', 'taskq.pause_many(%s)', 'taskq.pause(run_id => %s)'),
('unpause', 'taskq.unpause_many(%s)', 'taskq.unpause(run_id => %s)'),
('reset', 'taskq.reset_many(%s)', 'taskq.reset(run_id => %s)'),
('update_options', 'taskq.update_options_many(%s, ''{"priority": 1}'')', 'taskq.update_options(run_id => %s, options => ''{"priority": 1}'')'),
('delete', 'taskq.delete_many(%s)', 'taskq.delete(run_id => %s)'),
('retry', 'taskq.retry_many(%s)', 'taskq.retry(%s)');

-- arguments
SELECT throws_ok('SELECT * FROM ' || format(sql, 'NULL'), '22004', 'run_ids is not set', name || ': no array') FROM call;
SELECT throws_ok('SELECT * FROM ' || format(sql, 'ARRAY[1, NULL]'), '22023', 'run_ids must not contain NULL', name || ': a NULL') FROM call;
SELECT throws_ok('SELECT * FROM ' || format(sql, 'ARRAY[[1], [2]]'), '22023', 'run_ids must be a one-dimensional array', name || ': two dimensions') FROM call;
SELECT is_empty('SELECT * FROM ' || format(sql, '''{}'''), name || ': nothing') FROM call;
SELECT throws_ok('SELECT * FROM taskq.terminate_many(''{}'', request_id => repeat(''x'', 1001))', '22023', NULL, 'options are checked');
SELECT throws_ok('SELECT * FROM taskq.update_options_many(''{}'')', '22023', NULL, 'those of update_options, too');
SELECT throws_ok('SELECT * FROM taskq.unpause_many(''{}'', jitter => ''1 mon'')', '22023', NULL, 'and durations');

-- an activity in every state; the answer for each is that of the single call
CREATE FUNCTION in_state(state text) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
  q CONSTANT text := gen_random_uuid();
  run CONSTANT bigint := new(q, policy => taskq.retry_policy(maximum_attempts => 1));
  token uuid;
BEGIN
  IF state NOT IN ('scheduled', 'paused') THEN
    token := take(q);
  END IF;
  CASE state
    WHEN 'paused', 'pause_requested' THEN PERFORM taskq.pause(run_id => run);
    WHEN 'cancel_requested' THEN PERFORM taskq.request_cancel(run_id => run);
    WHEN 'reset_requested' THEN PERFORM taskq.reset(run_id => run);
    WHEN 'completed' THEN PERFORM taskq.complete(token);
    WHEN 'failed' THEN PERFORM taskq.fail(token, 'no');
    WHEN 'terminated' THEN PERFORM taskq.terminate(run_id => run);
    WHEN 'gone' THEN PERFORM taskq.delete(run_id => run);
    ELSE NULL;
  END CASE;
  RETURN run;
END
$$;
CREATE FUNCTION answer(statement text) RETURNS text
LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE statement;
  RETURN 'ok';
EXCEPTION WHEN OTHERS THEN
  RETURN SQLSTATE;
END
$$;
CREATE TABLE state (n serial, state text);
INSERT INTO state (state) VALUES ('scheduled'), ('started'), ('cancel_requested'), ('pause_requested'), ('reset_requested'),
  ('paused'), ('completed'), ('failed'), ('terminated'), ('gone');
CREATE TABLE one AS
  SELECT c.name, s.n, answer('SELECT ' || format(c.single, in_state(s.state))) AS answer
  FROM call c, state s;
CREATE TABLE runs AS
  SELECT c.name, s.n, in_state(s.state) AS run_id FROM call c, state s;
CREATE TABLE many (name text, n int, run_id bigint, answer text);
DO $$
DECLARE
  c call;
BEGIN
  FOR c IN SELECT * FROM call LOOP
    EXECUTE format('INSERT INTO many SELECT %L, r.n, m.run_id, coalesce(m.error, ''ok'')
        FROM %s m JOIN runs r ON r.run_id = m.run_id AND r.name = %1$L WHERE m.ok = (m.error IS NULL)',
      c.name, format(c.sql, (SELECT format('%L::bigint[]', array_agg(run_id ORDER BY random())) FROM runs WHERE name = c.name)));
  END LOOP;
END
$$;
SELECT results_eq(format('SELECT n, answer FROM many WHERE name = %L ORDER BY n', name), format('SELECT n, answer FROM one WHERE name = %L ORDER BY n', name),
  name || ': answers as those of the single calls') FROM call;
SELECT is((SELECT count(DISTINCT answer) FROM many), 3, 'among them refusals of both kinds');
SELECT is_empty($$SELECT m.name, m.n FROM many m, state s WHERE s.n = m.n AND m.name = 'terminate' AND m.answer = 'ok'
  AND show(m.run_id, 'status') IS DISTINCT FROM 'terminated'$$, 'and what is ok was done');

-- rows come in the order of the input; a run given twice is judged twice
SELECT new('o') AS a, new('o') AS b \gset
SELECT results_eq(format('SELECT run_id, ok, error FROM taskq.terminate_many(ARRAY[%s, 0, %s, %1$s])', :b, :a),
  format('VALUES (%s::bigint, true, NULL::text), (0, false, ''TQ001''), (%s, true, NULL), (%1$s, true, NULL)', :b, :a),
  'in order; one request id serves all, so the second time is the same request');
SELECT results_eq(format('SELECT ok, error FROM taskq.delete_many(ARRAY[%s, %1$s])', :a), 'VALUES (true, NULL), (false, ''TQ001'')', 'deleted once');
SELECT results_eq(format('SELECT ok, error FROM taskq.terminate_many(ARRAY[%s], request_id => ''other'')', :b), 'VALUES (false, ''TQ003'')',
  'another request finds it closed');

-- options reach every run
SELECT new('p') AS a, new('p') AS b \gset
SELECT taskq.pause_many(ARRAY[:a, :b], 'lunch', 'me', 'r1');
SELECT is((SELECT count(*) FROM taskq.pause_many(ARRAY[:a, :b], request_id => 'r1') WHERE ok), 2, 'the same request again is fine');
SELECT is((SELECT count(*) FROM taskq.unpause_many(ARRAY[:a, :b], jitter => '1 h') WHERE ok), 2, 'unpaused with jitter');
SELECT is_empty(format('SELECT * FROM taskq.poll(''p'', max_tasks => 2) WHERE started_time IS NULL'), 'none due at once that has no start');
SELECT taskq.update_options_many(ARRAY[:a, :b], '{"priority": 5, "task_queue": "p2"}');
SELECT is(show(:a, 'priority task_queue') || ' ' || show(:b, 'priority task_queue'), '5 p2 5 p2', 'options of both');
SELECT taskq.request_cancel_many(ARRAY[:a, :b], 'why');
SELECT is((a(:b)).cancel_reason, 'why', 'the reason is kept');

-- retried: the id may be in use, which is an error of one run only
CREATE TABLE closed AS
  SELECT i, new('r', 'id' || i, policy => taskq.retry_policy(maximum_attempts => 1)) AS run_id FROM generate_series(1, 150) i;
SELECT count(*) FROM taskq.terminate_many(ARRAY(SELECT run_id FROM closed));
SELECT new('r', 'id70') AS busy \gset
CREATE TABLE again AS SELECT * FROM taskq.retry_many(ARRAY(SELECT run_id FROM closed ORDER BY i));
SELECT is((SELECT count(*) FROM again WHERE ok AND new_run_id IS NOT NULL AND error IS NULL), 149, 'all but one are scheduled again');
SELECT results_eq('SELECT c.i, a.error, a.new_run_id FROM again a JOIN closed c USING (run_id) WHERE NOT a.ok', 'VALUES (70, ''TQ002'', NULL::bigint)', 'the one whose id is in use is not');
SELECT is((SELECT count(*) FROM again a JOIN taskq.activities v ON v.run_id = a.new_run_id AND v.status = 'running'), 149, 'they are open, each once');
SELECT is((SELECT count(*) FROM taskq.activities WHERE task_queue = 'r' AND status = 'running'), 150, 'and nothing of the failed try is left');

-- limits of the queue are errors of one run, too
SELECT taskq.configure_queue('full', '{"max_backlog": 3}');
CREATE TABLE full_runs AS SELECT new('full') AS run_id FROM generate_series(1, 3);
SELECT count(*) FROM taskq.terminate_many(ARRAY(SELECT run_id FROM full_runs));
SELECT new('full') FROM generate_series(1, 2);
SELECT results_eq('SELECT count(*) FILTER (WHERE ok), count(*) FILTER (WHERE error = ''TQ004'') FROM taskq.retry_many(ARRAY(SELECT run_id FROM full_runs))',
  'VALUES (1::bigint, 2::bigint)', 'until max_backlog is reached');

-- a row that cannot be closed is an error of its run
SELECT new('bad') AS bad, new('bad') AS good \gset
SELECT format($$INSERT INTO taskq.closed_%s (run_id, schedule_time, close_time, expire_time, transitions, attempt, status,
    task_queue, activity_type, fairness_key, worker)
  VALUES (%s, now(), now(), 'infinity', 1, 1, 'failed', 'bad', 't', '', '')$$, leaf, :bad) FROM generate_series(0, 7) leaf \gexec
SELECT results_eq(format('SELECT run_id, ok, error FROM taskq.terminate_many(ARRAY[%s, %s])', :bad, :good),
  format('VALUES (%s::bigint, false, ''23505''), (%s, true, NULL)', :bad, :good), 'the others are done');

-- an error that is not of one run ends all of it; who catches it has undone what he did before
CREATE FUNCTION breaks(queue text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS $$
BEGIN
  IF queue = 'broken' THEN
    RAISE 'broken' USING ERRCODE = '40001';
  END IF;
  RETURN queue;
END
$$;
CREATE INDEX breaks ON taskq.open (breaks(task_queue));
CREATE TABLE done (what text);
CREATE FUNCTION try_all(runs bigint[]) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO done VALUES ('before');
  PERFORM taskq.update_options_many(runs, '{"task_queue": "broken"}');
  RETURN 'done';
EXCEPTION WHEN serialization_failure THEN
  INSERT INTO done VALUES ('caught');
  RETURN SQLSTATE;
END
$$;
SELECT is(try_all(ARRAY[new('b1'), new('b2')]), '40001', 'a serialization failure is raised');
SELECT results_eq('SELECT what FROM done', ARRAY['caught'], 'and what was done before it is undone');
DROP INDEX taskq.breaks;

-- what was done goes with a savepoint
SELECT new('s') AS a \gset
SAVEPOINT s;
SELECT taskq.terminate_many(ARRAY[:a]);
ROLLBACK TO s;
SELECT is(show(:a, 'status'), 'running', 'rolled back');

SELECT * FROM finish();
ROLLBACK;
