-- docs/reference.md: errors of class TQ carry a word and facts, so that programs
-- need not read messages.

BEGIN;
\ir ../include/helpers.psql
SELECT * FROM no_plan();

CREATE TYPE raised AS (code text, word text, facts jsonb);
CREATE FUNCTION raised(statement text) RETURNS raised
LANGUAGE plpgsql AS $$
DECLARE
  result raised;
BEGIN
  EXECUTE statement;
  RETURN NULL;
EXCEPTION WHEN OTHERS THEN
  GET STACKED DIAGNOSTICS result.code = RETURNED_SQLSTATE, result.word = CONSTRAINT_NAME, result.facts = PG_EXCEPTION_DETAIL;
  RETURN result;
END
$$;
-- the same as one text: SQLSTATE, word, the facts that are named
CREATE FUNCTION short(statement text, keys text = 'run_id status run_state attempt') RETURNS text
LANGUAGE sql AS $$
  SELECT concat_ws(' ', r.code, r.word,
    (SELECT string_agg(r.facts ->> key, ' ' ORDER BY n) FROM string_to_table(keys, ' ') WITH ORDINALITY k (key, n)))
  FROM raised(statement) r
$$;

-- TQ001: what is known of the run
SELECT new('q', 'a', policy => taskq.retry_policy(initial_interval => '1 h', maximum_attempts => 3)) AS a \gset
SELECT is(short(format('SELECT taskq.complete(%L)', gen_random_uuid())), 'TQ001 activity_not_found', 'a token that never was: nothing is known');
SELECT is((raised('SELECT taskq.complete(gen_random_uuid())')).facts, '{}', 'the detail is an object all the same');
SELECT is(short('SELECT taskq.fail_by_id(''a'')'), format('TQ001 no_attempt %s running scheduled 1', :'a'), 'no attempt yet');
SELECT take('q') AS token \gset
SELECT taskq.fail(:'token', 'x');
SELECT is(short(format('SELECT taskq.complete(%L)', :'token')), format('TQ001 attempt_over %s running scheduled 2', :'a'), 'backing off: attempt 1 is over');
SELECT is((raised(format('SELECT taskq.heartbeat(%L)', :'token'))).facts ->> 'next_attempt_schedule_time',
  to_json((a(:a)).next_attempt_schedule_time) #>> '{}', 'until when, as JSON has instants');
SELECT set_clock('2 h');
SELECT take('q') AS second \gset
SELECT set_clock('0');
SELECT is(short(format('SELECT taskq.fail(%L, ''y'')', :'token')), format('TQ001 attempt_over %s running started 2', :'a'), 'another attempt runs');
SELECT is(short(format('SELECT taskq.release(%L)', :'token')), format('TQ001 attempt_over %s running started 2', :'a'), 'the same for release');
SELECT is(short(format('SELECT taskq.complete(%L)', ('0000' || lpad(to_hex(:a), 12, '0') || repeat('0', 16))::uuid)),
  'TQ001 activity_not_found', 'a forged token cannot name a run by its number');
SELECT taskq.complete(:'second');
SELECT is(short(call), format('TQ001 activity_closed %s completed 2', :'a'), 'closed: ' || call)
FROM unnest(ARRAY[format('SELECT taskq.complete(%L)', :'token'), format('SELECT taskq.report_canceled(%L)', :'second'),
  'SELECT taskq.complete_by_id(''a'')', format('SELECT taskq.heartbeat_by_id(run_id => %s)', :a)]) call;
SELECT is((raised('SELECT taskq.complete_by_id(''a'')')).facts ->> 'close_time', to_json((a(:a)).close_time) #>> '{}', 'when it was closed');
SELECT is(short(call), 'TQ001 activity_not_found', 'nothing is known: ' || call)
FROM unnest(ARRAY['SELECT taskq.describe(''nobody'')', 'SELECT taskq.outcome(0)', 'SELECT taskq.terminate(''nobody'')',
  'SELECT taskq.delete(''nobody'')', 'SELECT taskq.retry(0)', 'SELECT taskq.complete_by_id(run_id => 0)']) call;

-- no number stands for "no run", and an activity id beside it does not help
SELECT is(short(call), 'TQ001 activity_not_found', 'no such run: ' || call)
FROM pg_proc p, unnest(ARRAY[9223372036854775807, -9223372036854775808, 0]) run_id, unnest(ARRAY['', ', activity_id => ''a''']) id,
  format('SELECT taskq.%I(run_id => (%s)%s%s)', proname, run_id, id, CASE proname WHEN 'update_options' THEN ', restore_original => true' END) call
WHERE pronamespace = 'taskq'::regnamespace AND prokind = 'f' AND pronargs - pronargdefaults <= 1 AND proname NOT IN ('node_of', 'run_uuid', 'run_of') AND proname NOT LIKE '%workflow%' AND proname NOT IN ('reset_sticky', 'replay', 'run_events')
  AND 'run_id' = ANY (proargnames[:pronargs]) AND (id = '' OR 'activity_id' = ANY (proargnames[:pronargs]));

-- TQ002
SELECT new('q', 'b') AS b \gset
SELECT is(short('SELECT t.new(''q'', ''b'')'), format('TQ002 activity_running %s running scheduled 1', :'b'), 'an open run has the id');
SELECT is(short('SELECT taskq.schedule(''q'', ''t'', activity_id => ''a'', id_reuse_policy => ''reject_duplicate'', start_to_close_timeout => ''1 h'')'),
  format('TQ002 activity_closed %s completed 2', :'a'), 'a closed run forbids it');

-- TQ003: a word for each reason
SELECT is(short('SELECT taskq.unpause(''b'')'), format('TQ003 not_unpausable %s running scheduled 1', :'b'), 'unpause: not paused');
SELECT taskq.pause('b');
SELECT is(short('SELECT taskq.pause(''b'')'), format('TQ003 not_pausable %s paused paused 1', :'b'), 'pause: paused');
SELECT is(short(format('SELECT taskq.retry(%s)', :b)), format('TQ003 activity_running %s paused paused 1', :'b'), 'retry: open');
SELECT is(short(format('SELECT taskq.retry(%s)', :a)), format('TQ003 activity_completed %s completed 2', :'a'), 'retry: completed');
SELECT is(short(format('SELECT taskq.%s(''a'')', call)), format('TQ003 %s %s completed 2', word, :'a'), call || ': closed')
FROM (VALUES ('request_cancel', 'activity_closed'), ('terminate', 'activity_closed'), ('reset', 'activity_closed'),
  ('unpause', 'activity_closed'), ('pause', 'activity_closed')) v (call, word);
SELECT is(short('SELECT taskq.update_options(''a'', options => ''{"priority": 1}'')'), format('TQ003 activity_closed %s completed 2', :'a'), 'update_options: closed');
SELECT new('q2', 'c') AS c \gset
SELECT take('q2') AS token \gset
SELECT is(short('SELECT taskq.update_options(''c'', options => ''{"start_delay": "1 s"}'')'), format('TQ003 already_dispatched %s running started 1', :'c'), 'update_options: dispatched');
SELECT taskq.reset('c', restore_original_options => true);
SELECT is(short('SELECT taskq.reset(''c'')'), format('TQ003 reset_pending %s running reset_requested 1', :'c'), 'reset: pending');
SELECT is(short('SELECT taskq.update_options(''c'', options => ''{"priority": 1}'')'), format('TQ003 reset_pending %s running reset_requested 1', :'c'), 'update_options: reset pending');
SELECT taskq.request_cancel('c', request_id => 'one');
SELECT is(short('SELECT taskq.request_cancel(''c'')'), format('TQ003 cancel_already_requested %s running cancel_requested 1', :'c'), 'request_cancel: pending');
SELECT is((raised('SELECT taskq.request_cancel(''c'')')).facts ->> 'cancel_request_id', 'one', 'by which request');
SELECT is(short('SELECT taskq.reset(''c'')'), format('TQ003 cancel_pending %s running cancel_requested 1', :'c'), 'reset: cancel pending');
SELECT taskq.terminate('c', request_id => 'two');
SELECT is(short('SELECT taskq.terminate(''c'')'), format('TQ003 already_terminated %s terminated 1', :'c'), 'terminate: terminated');
SELECT is((raised('SELECT taskq.terminate(''c'')')).facts - 'run_id' - 'close_time',
  '{"activity_id": "c", "task_queue": "q2", "status": "terminated", "attempt": 1, "cancel_request_id": "one", "terminate_request_id": "two"}', 'by which request');
SELECT is(short('SELECT taskq.set_node(1)'), 'TQ003 installation_not_empty', 'set_node: not empty');

-- TQ004
SELECT taskq.configure_queue('full', '{"max_backlog": 1}');
SELECT new('full');
SELECT is(short('SELECT t.new(''full'')', 'task_queue max_backlog'), 'TQ004 max_backlog full 1', 'a limit of the queue');

SELECT taskq.configure_queue('full', '{"max_backlog": null}');
SELECT new('full', 'again') AS again \gset
SELECT taskq.terminate('again');
SELECT taskq.configure_queue('full', '{"max_backlog": 1}');
SELECT is(short(format('SELECT taskq.retry(%s)', :again), 'task_queue max_backlog'), 'TQ004 max_backlog full 1', 'retry, too');
SELECT is((SELECT error FROM taskq.retry_many(ARRAY[:again])), 'TQ004', 'and retry_many says so');

-- text that is no value of its type
SELECT throws_ok(call, code, NULL, call)
FROM (VALUES ('SELECT taskq.complete(''x'')', '22P02'), ('SELECT taskq.schedule(''q'', ''t'', ''{'')', '22P02'),
  ('SELECT taskq.schedule(''q'', ''t'', id_reuse_policy => ''x'')', '22P02'), ('SELECT taskq.schedule(''q'', ''t'', start_to_close_timeout => '''')', '22007'),
  ('SELECT taskq.schedule(''q'', ''t'', start_at => ''soon'')', '22007'), ('SELECT taskq.schedule(''q'', ''t'', start_at => ''300000-01-01'')', '22008'),
  ('SELECT taskq.schedule(''q'', ''t'', start_delay => ''10000000000 days'')', '22015')) v (call, code);

-- what is not there is no fact: no key is null or empty
SELECT new('bare') AS bare \gset
SELECT is((raised(format(call, :bare))).facts, format('{"run_id": "%s", "task_queue": "bare", "status": "running", "run_state": "scheduled", "attempt": 1}', :bare)::jsonb, 'a run without ids: ' || call)
FROM unnest(ARRAY['SELECT taskq.unpause(run_id => %s)', 'SELECT taskq.fail_by_id(run_id => %s)', 'SELECT taskq.retry(%s)']) call;
SELECT is(taskq.update_options(run_id => :bare, options => '{"fairness_key": ""}') -> 'fairness_key', 'null', 'nor is an option empty');

UPDATE taskq.open SET state = 3 WHERE run_id = :bare;
SELECT throws_ok(format('SELECT taskq.request_cancel(run_id => %s)', :bare), 'TQ003', 'cancellation already requested', 'a message without the request that is not known');

-- no fact shows a payload
SELECT new('secret', 's', input => '"payload"') AS s \gset
SELECT take('secret') AS token \gset
SELECT taskq.complete(:'token', '"payload"');
SELECT unalike((raised(format('SELECT taskq.complete(%L)', :'token'))).facts::text, '%payload%', 'facts hold no payload');

-- 22004: a call that takes both names a run, by one of them, before anything else is judged
CREATE VIEW by_either AS
  SELECT p.proname::text AS name, CASE p.prokind WHEN 'p' THEN 'CALL' ELSE 'SELECT' END AS verb,
    EXISTS (SELECT FROM unnest(p.proargnames) n WHERE n = 'identity') AS has_identity
  FROM pg_proc p
  WHERE p.pronamespace = 'taskq'::regnamespace
    AND (SELECT count(*) FROM unnest(p.proargnames, p.proargmodes) a (name, mode)
         WHERE a.name IN ('activity_id', 'run_id') AND coalesce(a.mode, 'i') = 'i') = 2;
SELECT is(string_agg(name, ' ' ORDER BY name), 'complete_by_id delete describe fail_by_id fail_with_by_id heartbeat_by_id pause report_canceled_by_id request_cancel reset terminate '
  'unpause update_options wait_for_close', 'calls that take activity_id and run_id') FROM by_either;
SELECT throws_ok(format('%s taskq.%I()', verb, name), '22004', 'neither activity_id nor run_id is set', 'neither: ' || name)
FROM by_either ORDER BY name;
SELECT throws_ok(format('SELECT taskq.%I(identity => repeat(''x'', 1001))', name), '22004', NULL, 'neither, nor anything else: ' || name)
FROM by_either WHERE has_identity ORDER BY name;
SELECT throws_ok('SELECT taskq.update_options(options => ''{"x": 1}'', restore_original => true)', '22004', NULL, 'neither, nor anything else: options');

-- both, which do not belong together: nothing is known, whichever run has the id
SELECT new('both', 'b1') AS b1 \gset
SELECT is(short(format('SELECT taskq.%I(activity_id => ''b1'', run_id => %s%s)', name, run,
    CASE name WHEN 'update_options' THEN ', options => ''{"priority": 1}''' ELSE '' END), 'run_id status'),
  'TQ001 activity_not_found', format('%s: not that run: %s', name, run))
FROM by_either, unnest(ARRAY[0, -1, :s]) run WHERE verb = 'SELECT' ORDER BY name, run;

-- both, of an older run: the facts are those of that run, not of the latest one
SELECT new('older', 'o') AS older \gset
SELECT taskq.complete_by_id('o');
SELECT new('older', 'o');
SELECT is(short(format('SELECT taskq.%I(activity_id => ''o'', run_id => %s)', name, :older), 'run_id status'), format('TQ001 activity_closed %s completed', :older), 'closed, while a later run is open: ' || name)
FROM by_either WHERE name LIKE '%by_id' ORDER BY name;

-- names are those of SQL
SELECT throws_matching(call, '(start_to_close_timeout|next_retry_delay|maximum_attempts|task_queue|activity_type)', 'a name of SQL: ' || call)
FROM unnest(ARRAY['SELECT taskq.schedule(''q'', ''t'')', 'SELECT taskq.fail(gen_random_uuid(), next_retry_delay => ''-1 s'')',
  'SELECT taskq.schedule(''q'', ''t'', start_to_close_timeout => ''1 h'', retry_policy => taskq.retry_policy(maximum_attempts => -1))',
  'SELECT taskq.schedule(NULL, ''t'')', 'SELECT taskq.schedule(''q'', NULL)', 'SELECT taskq.poll(NULL)']) call;

SELECT * FROM finish();
ROLLBACK;
