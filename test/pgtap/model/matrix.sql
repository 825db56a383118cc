-- docs/semantics.md: every operation in every state.
--
-- The table below is that of the section, with the closed states in columns of
-- their own.  Each cell is tried on a fresh activity in its second attempt.
-- A cell is what the call returns, if anything, and the state and attempt
-- afterwards (S2 = scheduled, attempt 2), or an error:
--
--	 NF		TQ001 "activity not found for ID: ..."
--	 IA1	22023 and FP2 ... FP11: TQ003, with the text of that footnote
--	 .		does not exist

\ir ../include/helpers.psql

CREATE TABLE matrix (
  n int GENERATED ALWAYS AS IDENTITY, operation text,
  s text, r text, cr text, pr text, rr text, p text,
  c text, f text, x text, t text, o text, unknown text
);
INSERT INTO matrix (operation, s, r, cr, pr, rr, p, c, f, x, t, o, unknown) VALUES
--                            S          R          CR          PR          RR          P          C       F       X       T       O       unknown
('poll',                      'task R2', 'R2',      'CR2',      'PR2',      'RR2',      'P2',      'C2',   'F2',   'X2',   'T2',   'O2',   '-'),
('complete(token)',           'NF S2',   'C2',      'C2',       'C2',       'C2',       'NF P2',   'NF C2','NF F2','NF X2','NF T2','NF O2','NF -'),
('complete(id)',              'C2',      'C2',      'C2',       'C2',       'C2',       'C2',      'NF C2','NF F2','NF X2','NF T2','NF O2','NF -'),
('fail(token)',               'NF S2',   'retry S3','cancel F2','retry P3', 'retry S1', 'NF P2',   'NF C2','NF F2','NF X2','NF T2','NF O2','NF -'),
('fail(id)',                  'NF S2',   'retry S3','cancel F2','retry P3', 'retry S1', 'NF P2',   'NF C2','NF F2','NF X2','NF T2','NF O2','NF -'),
('fail(token, for good)',     'NF S2',   'final F2','cancel F2','final F2', 'retry S1', 'NF P2',   'NF C2','NF F2','NF X2','NF T2','NF O2','NF -'),
('fail(id, for good)',        'NF S2',   'final F2','cancel F2','final F2', 'retry S1', 'NF P2',   'NF C2','NF F2','NF X2','NF T2','NF O2','NF -'),
('fail_with',                 'NF S2',   'retry S3','cancel F2','retry P3', 'retry S1', 'NF P2',   'NF C2','NF F2','NF X2','NF T2','NF O2','NF -'),
('fail_with(for good)',       'NF S2',   'final F2','cancel F2','final F2', 'retry S1', 'NF P2',   'NF C2','NF F2','NF X2','NF T2','NF O2','NF -'),
('fail_with_many',            'TQ001 S2','retry S3','cancel F2','retry P3', 'retry S1', 'TQ001 P2','TQ001 C2','TQ001 F2','TQ001 X2','TQ001 T2','TQ001 O2','TQ001 -'),
('fail_with(id)',             'NF S2',   'retry S3','cancel F2','retry P3', 'retry S1', 'NF P2',   'NF C2','NF F2','NF X2','NF T2','NF O2','NF -'),
('report_canceled(token)',    'NF S2',   'IA1 R2',  'X2',       'IA1 PR2',  'IA1 RR2',  'NF P2',   'NF C2','NF F2','NF X2','NF T2','NF O2','NF -'),
('report_canceled(id)',       'NF S2',   'IA1 R2',  'X2',       'IA1 PR2',  'IA1 RR2',  'NF P2',   'NF C2','NF F2','NF X2','NF T2','NF O2','NF -'),
('release',                   'NF S2',   'S2',      'X2',       'P2',       'S1',       'NF P2',   'NF C2','NF F2','NF X2','NF T2','NF O2','NF -'),
('release(delay)',            'NF S2',   'S2',      'X2',       'P2',       'S1',       'NF P2',   'NF C2','NF F2','NF X2','NF T2','NF O2','NF -'),
('release_many',              'false S2','true S2', 'true X2',  'true P2',  'true S1',  'false P2','false C2','false F2','false X2','false T2','false O2','false -'),
('heartbeat(token)',          'NF S2',   '{} R2',   '{c} CR2',  '{p} PR2',  '{r} RR2',  'NF P2',   'NF C2','NF F2','NF X2','NF T2','NF O2','NF -'),
('heartbeat(id)',             'NF S2',   '{} R2',   '{c} CR2',  '{p} PR2',  '{r} RR2',  'NF P2',   'NF C2','NF F2','NF X2','NF T2','NF O2','NF -'),
('request_cancel',            'X2',      'CR2',     'FP2 CR2',  'CR2',      'CR2',      'X2',      'FP3 C2','FP3 F2','FP3 X2','FP3 T2','FP3 O2','NF -'),
('request_cancel(again)',     '.',       '.',       'CR2',      '.',        '.',        '.',       'C2',   'F2',   'X2',   'T2',   'O2',   'NF -'),
('terminate',                 'T2',      'T2',      'T2',       'T2',       'T2',       'T2',      'FP5 C2','FP5 F2','FP5 X2','FP4 T2','FP5 O2','NF -'),
('terminate(again)',          '.',       '.',       '.',        '.',        '.',        '.',       '.',    '.',    '.',    'T2',   '.',    'NF -'),
('pause',                     'P2',      'PR2',     'FP6 CR2',  'FP6 PR2',  'FP6 RR2',  'FP6 P2',  'FP6 C2','FP6 F2','FP6 X2','FP6 T2','FP6 O2','NF -'),
('pause(again)',              'S2',      'R2',      'CR2',      'PR2',      'RR2',      'P2',      'C2',   'F2',   'X2',   'T2',   'O2',   'NF -'),
('unpause',                   'FP7 S2',  'FP7 R2',  'FP7 CR2',  'R2',       'FP7 RR2',  'S2',      'FP3 C2','FP3 F2','FP3 X2','FP3 T2','FP3 O2','NF -'),
('unpause(again)',            'S2',      'R2',      'CR2',      'PR2',      'RR2',      'P2',      'C2',   'F2',   'X2',   'T2',   'O2',   'NF -'),
('reset',                     'S1',      'RR2',     'FP8 CR2',  'RR2',      'FP9 RR2',  'S1',      'FP10 C2','FP10 F2','FP10 X2','FP10 T2','FP10 O2','NF -'),
('reset(keep_paused)',        'S1',      'RR2',     'FP8 CR2',  'RR2',      'FP9 RR2',  'P1',      'FP10 C2','FP10 F2','FP10 X2','FP10 T2','FP10 O2','NF -'),
('reset(again)',              'S2',      'R2',      'CR2',      'PR2',      'RR2',      'P2',      'C2',   'F2',   'X2',   'T2',   'O2',   'NF -'),
('update_options',            '2 S2',    '2 R2',    'FP11 CR2', '2 PR2',    'FP11 RR2', '2 P2',    'FP11 C2','FP11 F2','FP11 X2','FP11 T2','FP11 O2','NF -'),
('update_options(again)',     '4 S2',    '4 R2',    '4 CR2',    '4 PR2',    '4 RR2',    '4 P2',    '4 C2', '4 F2', '4 X2', '4 T2', '4 O2', 'NF -'),
('describe',                  'running S2','running R2','running CR2','running PR2','running RR2','paused P2','completed C2','failed F2','canceled X2','terminated T2','timed_out O2','NF -'),
('outcome',                   'running S2','running R2','running CR2','running PR2','running RR2','paused P2','completed C2','failed F2','canceled X2','terminated T2','timed_out O2','NF -'),
('delete',                    '-',       '-',       '-',        '-',        '-',        '-',       '-',    '-',    '-',    '-',    '-',    'NF -');

-- <S> is the state, <C> and <T> are the request ids of cancel and terminate
CREATE TABLE footnote (code text, sqlstate text, message text);
INSERT INTO footnote VALUES
('NF',   'TQ001', 'activity not found for ID: <A>'),
('IA1',  '22023', 'unable to mark activity as canceled without activity being request canceled first'),
('FP2',  'TQ003', 'cancellation already requested with request ID <C>'),
('FP3',  'TQ003', 'activity is in terminal state <S>'),
('FP4',  'TQ003', 'already terminated with request ID <T>'),
('FP5',  'TQ003', 'invalid transition from <S>'),
('FP6',  'TQ003', 'activity is in non-pausable state <S>'),
('FP7',  'TQ003', 'activity is in non-unpausable state <S>'),
('FP8',  'TQ003', 'cannot reset an activity with a pending cancellation'),
('FP9',  'TQ003', 'cannot reset an activity with a pending reset'),
('FP10', 'TQ003', 'activity execution is not running'),
('FP11', 'TQ003', 'cannot update options for activity in state <S>');

CREATE TABLE state (code text, name text);
INSERT INTO state VALUES ('S', 'scheduled'), ('R', 'started'), ('CR', 'cancel_requested'), ('PR', 'pause_requested'),
  ('RR', 'reset_requested'), ('P', 'paused'), ('C', 'completed'), ('F', 'failed'), ('X', 'canceled'), ('T', 'terminated'), ('O', 'timed_out');

CREATE TYPE fresh AS (run bigint, id text, token uuid, paused text, unpaused text, reset text, updated text);

-- An activity in that state, in its second attempt, with a token of it (or of
-- the first one).  It was paused, unpaused, reset and updated before; closed
-- ones were cancelled, too, when that could be.  O has to be made by timers.
CREATE FUNCTION make(state text) RETURNS fresh
LANGUAGE plpgsql AS $$
DECLARE
  result fresh;
BEGIN
  PERFORM set_clock('-1 h');
  result.id := 'matrix ' || nextval('matrix_ids');
  result.run := new(result.id, result.id, policy => taskq.retry_policy(maximum_attempts => CASE state WHEN 'O' THEN 2 ELSE 9 END),
                    stc => CASE state WHEN 'O' THEN interval '10 min' ELSE '1 day' END);
  PERFORM taskq.pause(result.id, request_id => 'pause 1');
  PERFORM taskq.unpause(result.id, request_id => 'unpause 1');
  PERFORM taskq.reset(result.id, request_id => 'reset 1');
  PERFORM taskq.update_options(result.id, options => '{"priority": 4}', request_id => 'update 1');
  result.paused := 'pause 1';
  result.unpaused := 'unpause 1';
  result.reset := 'reset 1';
  result.updated := 'update 1';
  result.token := take(result.id);
  PERFORM taskq.fail(result.token, 'first attempt');
  PERFORM set_clock('-50 min');
  IF state NOT IN ('S', 'P') THEN
    result.token := take(result.id);
  END IF;
  IF state IN ('CR', 'C', 'F', 'X', 'T', 'O') THEN
    PERFORM taskq.request_cancel(result.id, request_id => 'cancel 1');
  END IF;
  CASE state
    WHEN 'S', 'R', 'CR', 'O' THEN NULL;
    WHEN 'PR', 'P' THEN
      PERFORM taskq.pause(result.id, request_id => 'pause 2');
      result.paused := 'pause 2';
    WHEN 'RR' THEN
      PERFORM taskq.reset(result.id, request_id => 'reset 2');
      result.reset := 'reset 2';
    WHEN 'C' THEN PERFORM taskq.complete(result.token);
    WHEN 'F' THEN PERFORM taskq.fail(result.token, 'x');
    WHEN 'X' THEN PERFORM taskq.report_canceled(result.token);
    WHEN 'T' THEN PERFORM taskq.terminate(result.id, request_id => 'terminate 1');
    WHEN 'UNKNOWN' THEN PERFORM taskq.delete(result.id);
  END CASE;
  PERFORM set_clock('0');
  RETURN result;
END
$$;
CREATE SEQUENCE matrix_ids;

-- the state in which an activity is, "-" when it does not exist
CREATE FUNCTION state_of(activity text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
  v taskq.activities;
  code text;
BEGIN
  SELECT * INTO v FROM taskq.describe(activity);
  SELECT s.code INTO code FROM state s WHERE s.name = coalesce(v.run_state::text, v.status::text);
  -- public run states don't show a requested reset, but the worker hears of it
  IF code IN ('R', 'PR') AND (SELECT activity_reset FROM taskq.heartbeat_by_id(activity)) THEN
    code := 'RR';
  END IF;
  RETURN code || v.attempt;
EXCEPTION
  WHEN SQLSTATE 'TQ001' THEN RETURN '-';
END
$$;

CREATE FUNCTION apply(operation text, a fresh) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
  result text;
BEGIN
  CASE operation
    WHEN 'poll' THEN SELECT 'task' INTO result FROM taskq.poll(a.id);
    WHEN 'complete(token)' THEN PERFORM taskq.complete(a.token);
    WHEN 'complete(id)' THEN PERFORM taskq.complete_by_id(a.id);
    WHEN 'fail(token)' THEN result := taskq.fail(a.token, 'x');
    WHEN 'fail(id)' THEN result := taskq.fail_by_id(a.id, 'x');
    WHEN 'fail(token, for good)' THEN result := taskq.fail(a.token, 'x', non_retryable => true);
    WHEN 'fail(id, for good)' THEN result := taskq.fail_by_id(a.id, 'x', non_retryable => true);
    WHEN 'fail_with' THEN result := taskq.fail_with(a.token, '{"message": "x"}');
    WHEN 'fail_with(for good)' THEN result := taskq.fail_with(a.token, '{"message": "x", "non_retryable": true}');
    WHEN 'fail_with_many' THEN SELECT coalesce(error, retry_state::text) INTO STRICT result FROM taskq.fail_with_many(ARRAY[a.token], '{"{}"}');
    WHEN 'fail_with(id)' THEN result := taskq.fail_with_by_id(a.id, '{"message": "x"}');
    WHEN 'report_canceled(token)' THEN PERFORM taskq.report_canceled(a.token);
    WHEN 'report_canceled(id)' THEN PERFORM taskq.report_canceled_by_id(a.id);
    WHEN 'release' THEN PERFORM taskq.release(a.token);
    WHEN 'release(delay)' THEN PERFORM taskq.release(a.token, '1 h');
    WHEN 'release_many' THEN SELECT ok INTO STRICT result FROM taskq.release_many(ARRAY[a.token]);
    WHEN 'heartbeat(token)' THEN SELECT h::text INTO result FROM taskq.heartbeat(a.token) h;
    WHEN 'heartbeat(id)' THEN SELECT h::text INTO result FROM taskq.heartbeat_by_id(a.id) h;
    WHEN 'request_cancel' THEN PERFORM taskq.request_cancel(a.id, request_id => 'new');
    WHEN 'request_cancel(again)' THEN PERFORM taskq.request_cancel(a.id, request_id => 'cancel 1');
    WHEN 'terminate' THEN PERFORM taskq.terminate(a.id, request_id => 'new');
    WHEN 'terminate(again)' THEN PERFORM taskq.terminate(a.id, request_id => 'terminate 1');
    WHEN 'pause' THEN PERFORM taskq.pause(a.id, request_id => 'new');
    WHEN 'pause(again)' THEN PERFORM taskq.pause(a.id, request_id => a.paused);
    WHEN 'unpause' THEN PERFORM taskq.unpause(a.id, request_id => 'new');
    WHEN 'unpause(again)' THEN PERFORM taskq.unpause(a.id, request_id => a.unpaused);
    WHEN 'reset' THEN PERFORM taskq.reset(a.id, request_id => 'new');
    WHEN 'reset(keep_paused)' THEN PERFORM taskq.reset(a.id, request_id => 'new', keep_paused => true);
    WHEN 'reset(again)' THEN PERFORM taskq.reset(a.id, request_id => a.reset);
    WHEN 'update_options' THEN result := taskq.update_options(a.id, options => '{"priority": 2}', request_id => 'new') ->> 'priority';
    WHEN 'update_options(again)' THEN result := taskq.update_options(a.id, options => '{"priority": 1}', request_id => a.updated) ->> 'priority';
    WHEN 'describe' THEN SELECT status INTO STRICT result FROM taskq.describe(a.id);
    WHEN 'outcome' THEN SELECT status INTO STRICT result FROM taskq.outcome(a.run);
    WHEN 'delete' THEN PERFORM taskq.delete(a.id);
  END CASE;
  RETURN CASE result
    WHEN 'in_progress' THEN 'retry' WHEN 'cancel_requested' THEN 'cancel' WHEN 'non_retryable_failure' THEN 'final'
    WHEN '(f,f,f)' THEN '{}' WHEN '(t,f,f)' THEN '{c}' WHEN '(f,t,f)' THEN '{p}' WHEN '(f,f,t)' THEN '{r}'
    ELSE result END;
END
$$;

-- the code of an error, when state, SQLSTATE and message are those of it
CREATE FUNCTION code_of(raised text, text_raised text, in_state text, a fresh) RETURNS text
LANGUAGE sql AS $$
  SELECT coalesce(min(code), raised || ': ' || text_raised)
  FROM footnote
  WHERE sqlstate = raised
    AND text_raised IN (
      replace(replace(replace(replace(message, '<S>', coalesce((SELECT name FROM state s WHERE s.code = in_state), '')),
        '<C>', 'cancel 1'), '<T>', 'terminate 1'), '<A>', a.id),
      -- nothing is known of a deleted activity but what the call has named
      CASE WHEN in_state = 'UNKNOWN' THEN replace(message, '<A>', a.token::text) END,
      CASE WHEN in_state = 'UNKNOWN' THEN replace(message, '<A>', a.run::text) END)
$$;

CREATE FUNCTION cell(operation text, state text, a fresh) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
  result text;
BEGIN
  BEGIN
    result := apply(operation, a);
  EXCEPTION WHEN OTHERS THEN
    result := code_of(SQLSTATE, SQLERRM, state, a);
  END;
  RETURN concat_ws(' ', result, state_of(a.id));
END
$$;

CREATE VIEW cells AS
  SELECT n, operation, upper(j.key) AS state, j.value AS expected
  FROM matrix, jsonb_each_text(to_jsonb(matrix) - 'n' - 'operation') j
  WHERE j.value <> '.';

-- those that have to time out are made first, and committed for the worker
CREATE TABLE timed_out AS
  SELECT operation, make('O') AS a FROM cells WHERE state = 'O' ORDER BY n;
CALL wait_until('NOT EXISTS (SELECT FROM timed_out o WHERE (SELECT status FROM taskq.outcome((o.a).run)) <> ''timed_out'')');

BEGIN;
SELECT * FROM no_plan();

SELECT is(cell(operation, state, coalesce((SELECT a FROM timed_out o WHERE o.operation = c.operation AND c.state = 'O'), make(state))),
    expected, operation || ' in ' || state)
  FROM cells c ORDER BY n, array_position('{S,R,CR,PR,RR,P,C,F,X,T,O,UNKNOWN}', state);

-- footnote 11, second half
SELECT make('R') AS a \gset
SELECT taskq.reset((:'a'::fresh).id, restore_original_options => true);
SELECT throws_ok(format('SELECT taskq.update_options(%L, options => ''{"priority": 2}'')', (:'a'::fresh).id), 'TQ003',
  'cannot update options while a deferred reset with restore_original_options is pending', 'update_options in RR with a deferred restore');

-- an anonymous call is always a new request
SELECT make('CR') AS a \gset
SELECT throws_like(format('SELECT taskq.request_cancel(%L)', (:'a'::fresh).id), 'cancellation already requested with request ID cancel 1',
  'request_cancel without a request id is a different request');
SELECT make('PR') AS a \gset
SELECT throws_ok(format('SELECT taskq.pause(%L)', (:'a'::fresh).id), 'TQ003', 'activity is in non-pausable state pause_requested',
  'pause without a request id is a different request');

-- only the last successful request id is kept
SELECT make('S') AS a \gset
SELECT taskq.pause((:'a'::fresh).id, request_id => 'pause 2');
SELECT throws_ok(format('SELECT taskq.pause(%L, request_id => ''pause 1'')', (:'a'::fresh).id), 'TQ003', NULL,
  'the request id of an earlier pause is not remembered');
SELECT throws_ok(format('SELECT taskq.pause(%L, request_id => ''pause 3'')', (:'a'::fresh).id), 'TQ003', NULL, 'a pause that fails ...');
SELECT taskq.unpause((:'a'::fresh).id);
SELECT taskq.pause((:'a'::fresh).id, request_id => 'pause 3');
SELECT is(state_of((:'a'::fresh).id), 'P2', '... does not record its request id');

SELECT * FROM finish();
ROLLBACK;

SELECT taskq.delete(run_id => (a).run) FROM timed_out \g /dev/null
DROP SCHEMA t CASCADE;
