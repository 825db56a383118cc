-- docs/semantics.md: scheduling: validation, id policies, request ids; many at once.

BEGIN;
\ir ../include/helpers.psql
SELECT * FROM no_plan();

-- a call with "start_to_close_timeout => 1 h" and these arguments instead of, or on top of, ('q', 'test')
CREATE FUNCTION call(arguments text, names text = '''q'', ''test''', timeout text = ', start_to_close_timeout => ''1 h''') RETURNS text
LANGUAGE sql AS $$ SELECT 'SELECT * FROM taskq.schedule(' || names || timeout || coalesce(', ' || nullif(arguments, ''), '') || ')' $$;

-- 1: task queue
SELECT throws_ok(call('', 'NULL, ''test'''), '22004', 'task_queue is not set', 'task queue NULL');
SELECT throws_ok(call('', ''''', ''test'''), '22023', 'missing task queue name', 'task queue empty');
SELECT throws_ok(call('', 'repeat(''x'', 1001), ''test'''), '22023', 'task_queue exceeds length limit', 'task queue too long');
SELECT throws_ok(call('', 'repeat(''ü'', 501), ''test'''), '22023', 'task_queue exceeds length limit', 'task queue too long in bytes');
SELECT lives_ok(call('', 'repeat(''x'', 1000), ''test'''), 'task queue of 1000 bytes');
SELECT throws_ok(call('', '''/_sys/x'', ''test'''), '22023', 'task queue name cannot start with reserved prefix /_sys/', 'task queue with reserved prefix');
SELECT lives_ok(call('', '''/_SYS/x'', ''test'''), 'the prefix is case-sensitive');
SELECT lives_ok(call('', ''' '', ''test'''), 'a blank is a name');

-- 2: activity type and id
SELECT throws_ok(call('', '''q'', NULL'), '22004', 'activity_type is not set', 'activity type NULL');
SELECT throws_ok(call('', '''q'', '''''), '22023', 'activity_type is not set', 'activity type empty');
SELECT throws_ok(call('', '''q'', repeat(''x'', 1001)'), '22023', 'activity_type exceeds length limit', 'activity type too long');
SELECT throws_ok(call('activity_id => '''''), '22023', 'activity_id is not set', 'activity id empty');
SELECT throws_ok(call('activity_id => repeat(''x'', 1001)'), '22023', 'activity_id exceeds length limit', 'activity id too long');
SELECT lives_ok(call('activity_id => repeat(''x'', 1000)', '''q'', repeat(''y'', 1000)'), 'type and id of 1000 bytes');

-- the planner may leave arguments out, and look at the call again after that
SELECT throws_ok(format('SELECT s FROM generate_series(1, 2) g, LATERAL taskq.%I(%s) s', proname,
    (SELECT string_agg(CASE WHEN n < missing THEN format('%L', CASE format_type(t, NULL) WHEN 'jsonb[]' THEN '{1}' ELSE 'x' END) ELSE 'NULL' END, ', ' ORDER BY n)
     FROM unnest(proargtypes[:pronargs - pronargdefaults - 1]) WITH ORDINALITY a (t, n))),
  CASE missing WHEN 3 THEN '22023' ELSE '22004' END, NULL, format('%s in a join, arguments from number %s NULL', proname, missing))
FROM pg_proc, generate_series(1, pronargs - pronargdefaults) missing
WHERE pronamespace = 'taskq'::regnamespace AND prosupport <> 0;

-- 2: priority, fairness
SELECT throws_ok(call('priority => -1'), '22023', 'invalid priorities: priority key can''t be negative', 'priority negative');
SELECT throws_ok(call('fairness_key => repeat(''x'', 65)'), '22023', 'invalid priorities: fairness key length exceeds limit', 'fairness key too long');
SELECT lives_ok(call('fairness_key => repeat(''x'', 64)'), 'fairness key of 64 bytes');
SELECT throws_ok(call('fairness_weight => -1'), '22023', 'invalid priorities: must be greater than zero', 'fairness weight negative');
SELECT throws_ok(call(format('fairness_weight => %L', w)), '22023', 'invalid priorities: fairness weight must be a finite number', 'fairness weight ' || w)
  FROM unnest('{NaN,Infinity,-Infinity}'::text[]) w;

-- 2: timeouts; the values of 3.1 are in model/timeouts.sql
SELECT throws_ok(call(format('%s_timeout => %L', argument, value), timeout => ''), '22023', format('invalid %s: %s', name, problem), argument || ' ' || value)
  FROM (VALUES ('schedule_to_close', 'schedule_to_close_timeout'), ('schedule_to_start', 'schedule_to_start_timeout'),
      ('start_to_close', 'start_to_close_timeout'), ('heartbeat', 'heartbeat_timeout')) n (argument, name),
    (VALUES ('-1 s', 'must not be negative'), ('-1 day', 'must not be negative'), ('1 day -1 s', 'must not mix signs'),
      ('-1 day 1 s', 'must not mix signs'), ('1 mon', 'must not contain months, whose length varies'),
      ('1 year', 'must not contain months, whose length varies'), ('-1 mon', 'must not contain months, whose length varies'),
      ('200000000 days', 'out of range')) v (value, problem);
SELECT throws_ok(call('activity_id => ''my id''', timeout => ''), '22023',
  'a valid start_to_close_timeout or schedule_to_close_timeout must be set on the activity', 'no timeout at all');
SELECT lives_ok(call('heartbeat_timeout => ''106751991 days 04:00:54.775807'', start_delay => ''1 h'', schedule_to_start_timeout => ''106751991 days 04:00:54.775807''',
  timeout => ', start_to_close_timeout => ''106751991 days 04:00:54.775807'''), 'the longest durations');
SELECT lives_ok(call('', timeout => ', schedule_to_close_timeout => ''106751991 days 04:00:54.775807'''), 'a deadline beyond the range of timestamptz');
SELECT lives_ok('SELECT * FROM taskq.activities', '... can be read');
SELECT is((SELECT count(*) FROM taskq.activities WHERE schedule_to_close_timeout IS NOT NULL AND expiration_time IS NOT NULL), 0, '... and is none');

-- intervals can be infinite since PostgreSQL 17
SELECT CASE WHEN current_setting('server_version_num')::int >= 170000 THEN
    throws_ok(format(sql, value), '22023', NULL, format('%s in %s', value, left(sql, 40)))
  ELSE throws_ok(format(sql, value), '22007', NULL, format('%s in %s', value, left(sql, 40))) END
FROM unnest(ARRAY[call('schedule_to_close_timeout => %L'), call('schedule_to_start_timeout => %L'), call('heartbeat_timeout => %L'), call('start_delay => %L'),
    call('retry_policy => taskq.retry_policy(%L)'), call('retry_policy => taskq.retry_policy(maximum_interval => %L, maximum_attempts => 1)'),
    'SELECT taskq.fail(gen_random_uuid(), next_retry_delay => %L)', 'SELECT taskq.unpause(''x'', jitter => %L)', 'SELECT taskq.reset(''x'', jitter => %L)']) sql,
  unnest('{infinity,-infinity}'::text[]) value;

-- the order of the checks: the first wrong thing is reported
SELECT throws_ok(call('activity_id => '''', retry_policy => taskq.retry_policy(''-1 s''), priority => -1, start_delay => ''-1 s''', ''''', '''''), '22023',
  'missing task queue name', 'order: the task queue first');
SELECT throws_ok(call('activity_id => '''', retry_policy => taskq.retry_policy(''-1 s''), priority => -1, start_delay => ''-1 s''', '''q'', '''''), '22023',
  'activity_id is not set', 'order: then the activity id');
SELECT throws_ok(call('retry_policy => taskq.retry_policy(''-1 s''), priority => -1, start_delay => ''-1 s''', '''q'', '''''), '22023',
  'activity_type is not set', 'order: then the type');
SELECT throws_ok(call('activity_id => repeat(''x'', 1001), retry_policy => taskq.retry_policy(''-1 s''), priority => -1, start_delay => ''-1 s'''), '22023',
  'invalid initial_interval set on retry policy: must not be negative', 'order: then the retry policy');
SELECT throws_ok(call('activity_id => repeat(''x'', 1001), priority => -1, start_delay => ''-1 s'''), '22023',
  'activity_id exceeds length limit', 'order: then lengths');
SELECT throws_ok(call('priority => -1, start_delay => ''-1 s''', timeout => ''), '22023',
  'invalid priorities: priority key can''t be negative', 'order: then priorities');
SELECT throws_ok(call('start_delay => ''-1 s''', timeout => ''), '22023',
  'a valid start_to_close_timeout or schedule_to_close_timeout must be set on the activity', 'order: then timeouts');
SELECT throws_ok(call('start_delay => ''-1 s'', request_id => repeat(''x'', 1001)'), '22023', 'invalid start_delay: must not be negative',
  'order: then the start delay');

-- 3: start delay
SELECT throws_ok(call('start_delay => ''1 mon'''), '22023', NULL, 'start delay of months');
SELECT throws_ok(call('start_delay => ''106751991 days'''), '22023', 'invalid start_delay: out of range', 'start delay beyond the range of timestamptz');
SELECT lives_ok(call('start_delay => ''0'''), 'start delay 0');

-- 4: request id and identity
SELECT throws_ok(call('request_id => repeat(''x'', 1001)'), '22023', 'request ID exceeds length limit', 'request id too long');
SELECT throws_ok(call('identity => repeat(''x'', 1001)'), '22023', 'identity exceeds length limit', 'identity too long');
SELECT lives_ok(call('request_id => repeat(''x'', 1000), identity => repeat(''x'', 1000)'), 'request id and identity of 1000 bytes');

-- 6, 7, 8: payloads
SET LOCAL taskq.max_payload_size = '1kB';
CREATE FUNCTION bytes(n int) RETURNS jsonb LANGUAGE sql AS $$ SELECT jsonb_build_object('x', repeat('x', n - 17)) $$;
SELECT is(pg_column_size(bytes(1024)), 1024, 'a jsonb of 1024 bytes');
SELECT lives_ok(call('input => t.bytes(1024), header => t.bytes(1024), search_attributes => t.bytes(1024)'), 'payloads of exactly the limit');
SELECT throws_ok(call('input => t.bytes(1025)'), '22023', 'input exceeds length limit', 'input too large');
SELECT throws_ok(call('header => t.bytes(1025)'), '22023', 'header exceeds length limit', 'header too large');
SELECT throws_ok(call('search_attributes => t.bytes(1025)'), '22023', 'search_attributes exceeds length limit', 'search attributes too large');
CREATE TABLE toasted AS SELECT bytes(100000) AS j;
SELECT throws_ok(call('input => (SELECT j FROM t.toasted)'), '22023', 'input exceeds length limit', 'a compressed input counts detoasted');
RESET taskq.max_payload_size;
SELECT lives_ok(call('input => (SELECT j FROM t.toasted), header => (SELECT j FROM t.toasted), search_attributes => (SELECT j FROM t.toasted)'),
  'toasted payloads');
SELECT throws_ok(call('summary => repeat(''x'', 401)'), '22023', 'summary exceeds length limit', 'summary too long');
SELECT lives_ok(call('summary => repeat(''x'', 400)'), 'summary of 400 bytes');
SELECT throws_ok(call(format('search_attributes => %L', j)), '22023', 'search_attributes must be a JSON object', 'search attributes ' || j)
  FROM unnest(ARRAY['null', '[]', '1']) j;

-- what is refused leaves nothing
SELECT is((SELECT count(*) FROM taskq.activities WHERE priority < 0 OR task_queue = ''), 0, 'what is refused leaves nothing');

-- everything is stored as given
SELECT run_id AS run, activity_id, created FROM taskq.schedule('Q', 'T', '{"i": 1}', 'id', '5 h', '4 h', '3 h', '2 h', taskq.retry_policy('7 s'), '1 h',
  7, 'key', 0.5, 'reject_duplicate', 'use_existing', 'req', '{"h": 1}', 'sum', '{"s": 1}', 'me') \gset
SELECT is(:'activity_id' || :'created', 'idt', 'the row that is returned');
SELECT is(show(:run, 'run_id activity_id activity_type task_queue input header summary search_attributes priority fairness_key fairness_weight'),
  :'run' || ' id T Q {"i": 1} {"h": 1} sum {"s": 1} 7 key 0.5', 'payloads, names and priorities as given; a priority above 5, too');
SELECT is(show(:run, 'schedule_to_close_timeout schedule_to_start_timeout start_to_close_timeout heartbeat_timeout start_delay'),
  '05:00:00 04:00:00 03:00:00 02:00:00 01:00:00', 'timeouts as given');
SELECT is((SELECT taskq.retry_policy_from_jsonb(retry_policy) FROM a(:run)), taskq.retry_policy('7 s', 2, '700 s', 0, NULL, 0), 'the effective retry policy');
SELECT new('unset') AS run \gset
SELECT is(show(:run, 'activity_id input header summary search_attributes priority fairness_key fairness_weight start_delay'), '- - - - - - - - -',
  'unset things read as NULL');
SELECT new('jsonnull', input => 'null') AS run \gset
SELECT is((SELECT input FROM a(:run)), 'null', 'an input that is JSON null is not NULL');
SELECT is((SELECT input FROM taskq.poll('jsonnull')), 'null', '... nor when it is polled');
SELECT run_id AS run FROM taskq.schedule('q', 'test', start_to_close_timeout => '1 day', priority => 0, fairness_key => '', fairness_weight => 0, header => 'null') \gset
SELECT is(show(:run, 'priority fairness_key fairness_weight start_to_close_timeout'), '0 - - 24:00:00', 'priority 0 as given; empty key and weight 0 are unset; 1 day is 24 hours');
SELECT is((SELECT header FROM a(:run)), 'null', 'a header that is JSON null is not NULL');
SELECT lives_ok(call('id_reuse_policy => NULL, id_conflict_policy => NULL'), 'policies that are NULL are the default');

-- id policies: no run yet
SELECT is((SELECT created FROM taskq.schedule('q', 'test', activity_id => 'new ' || r || c, start_to_close_timeout => '1 h', id_reuse_policy => r, id_conflict_policy => c)),
    true, format('no run with the id: created (%s, %s)', r, c))
  FROM unnest(enum_range(NULL::taskq.id_reuse_policy)) r, unnest(enum_range(NULL::taskq.id_conflict_policy)) c;

-- id policies: a run is open (also paused): the conflict policy decides, whatever the reuse policy
SELECT run_id AS open FROM taskq.schedule('q', 'test', activity_id => 'open', start_to_close_timeout => '1 h', request_id => 'r1') \gset
SELECT run_id AS paused FROM taskq.schedule('q', 'test', activity_id => 'paused', start_to_close_timeout => '1 h', request_id => 'r1') \gset
SELECT taskq.pause('paused');
SELECT throws_ok(call(format('activity_id => %L, id_reuse_policy => %L, id_conflict_policy => ''fail''', id, r)), 'TQ002',
    'activity execution already started', format('%s, fail, %s: already started', id, r))
  FROM unnest('{open,paused}'::text[]) id, unnest(enum_range(NULL::taskq.id_reuse_policy)) r;
SELECT is((SELECT (run_id, activity_id, created)::text FROM taskq.schedule('other', 'test', activity_id => id, start_to_close_timeout => '1 s', input => '1',
      id_reuse_policy => r, id_conflict_policy => 'use_existing')),
    format('(%s,%s,f)', run, id), format('%s, use_existing, %s: the run that is open', id, r))
  FROM (VALUES ('open', :open), ('paused', :paused)) x (id, run), unnest(enum_range(NULL::taskq.id_reuse_policy)) r;
SELECT is(show(:open, 'task_queue input start_to_close_timeout'), 'q - 01:00:00', '... the new request''s options and input are ignored');

-- id policies: the latest run is closed: the reuse policy decides, whatever the conflict policy
CREATE FUNCTION closed(how text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
  id text := 'closed ' || how || ' ' || gen_random_uuid();
  token uuid;
BEGIN
  PERFORM new(id, id);
  token := take(id);
  CASE how
    WHEN 'completed' THEN PERFORM taskq.complete(token);
    WHEN 'failed' THEN PERFORM taskq.fail(token, 'x', non_retryable => true);
    WHEN 'canceled' THEN PERFORM taskq.request_cancel(id), taskq.report_canceled(token);
    WHEN 'terminated' THEN PERFORM taskq.terminate(id);
  END CASE;
  RETURN id;
END
$$;
CREATE FUNCTION again(how text, r taskq.id_reuse_policy, c taskq.id_conflict_policy) RETURNS text
LANGUAGE plpgsql AS $$
BEGIN
  RETURN (SELECT CASE WHEN created THEN 'created' ELSE 'existing' END FROM taskq.schedule('q', 'test', activity_id => closed(how), start_to_close_timeout => '1 s',
    id_reuse_policy => r, id_conflict_policy => c));
EXCEPTION
  WHEN SQLSTATE 'TQ002' THEN RETURN 'TQ002';
END
$$;
CREATE TABLE reuse (how text, allow_duplicate text, allow_duplicate_failed_only text, reject_duplicate text);
INSERT INTO reuse VALUES
--            allow_duplicate  allow_duplicate_failed_only  reject_duplicate
('completed',  'created',       'TQ002',                     'TQ002'),
('failed',     'created',       'created',                   'TQ002'),
('canceled',   'created',       'created',                   'TQ002'),
('terminated', 'created',       'created',                   'TQ002');
SELECT is(again(how, r.key::taskq.id_reuse_policy, c), r.value, format('%s, %s, %s', how, r.key, c))
  FROM reuse, jsonb_each_text(to_jsonb(reuse) - 'how') r, unnest(enum_range(NULL::taskq.id_conflict_policy)) c;
SELECT new('multi', 'multi') \g /dev/null
SELECT taskq.complete_by_id('multi');
SELECT new('multi', 'multi') \g /dev/null
SELECT taskq.terminate('multi');
SELECT ok(created, 'only the latest run counts') FROM taskq.schedule('q', 'test', activity_id => 'multi', start_to_close_timeout => '1 s',
  id_reuse_policy => 'allow_duplicate_failed_only');

-- TQ002: the DETAIL names run and request
CREATE FUNCTION detail(sql text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
  result text;
BEGIN
  EXECUTE sql;
  RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
  GET STACKED DIAGNOSTICS result = PG_EXCEPTION_DETAIL;
  RETURN result;
END
$$;
SELECT is(detail(call('activity_id => ''open'''))::jsonb ->> key, value, 'TQ002: the DETAIL carries ' || key)
  FROM (VALUES ('run_id', :'open'), ('request_id', 'r1'), ('status', 'running')) v (key, value);
SELECT is(detail(call('activity_id => ''id'', id_reuse_policy => ''reject_duplicate''', timeout => '')), 'activity_id is "id", activity_type is "test".',
  'no timeout: the DETAIL names the activity');
SELECT is(detail(call('summary => ''no id''', timeout => '')), 'activity_type is "test".', 'what was not given is not shown, as if it were empty');

-- an empty text is a value; only a request id and a fairness key are none when empty
SELECT run_id AS run FROM taskq.schedule('empties', 'test', activity_id => 'empties', summary => '', fairness_key => '', request_id => '', start_to_close_timeout => '1 h') \gset
SELECT is((SELECT summary FROM a(:run)), '', 'an empty summary is kept');
SELECT is(show(:run, 'fairness_key'), '-', 'an empty fairness key is none');
SELECT throws_ok(call('activity_id => ''empties'', request_id => '''''), 'TQ002', NULL, 'so is an empty request id');
SELECT taskq.fail(take('empties'), '', '', stack_trace => '');
SELECT is((SELECT last_failure FROM a(:run)), '{"kind": "application", "message": "", "type": "", "stack_trace": ""}', 'an empty message, type and stack trace are kept');
SELECT taskq.pause('empties', request_id => '');
SELECT throws_ok('SELECT taskq.pause(''empties'', request_id => '''')', 'TQ003', NULL, 'an empty request id is none for an operator, either');
SELECT taskq.request_cancel('empties', reason => '');
SELECT is((SELECT failure -> 'details' FROM a(:run)), '[""]', 'an empty reason is kept');
SELECT is((SELECT cancel_reason FROM a(:run)), '', 'as cancel_reason, too');
SELECT taskq.terminate(run_id => new('empties', 'terminated'), reason => '');
SELECT is((SELECT failure ->> 'message' FROM taskq.activities WHERE activity_id = 'terminated'), '', 'and by terminate');
SELECT throws_ok(call, '22023', NULL, 'must not be empty: ' || call)
FROM unnest(ARRAY['SELECT taskq.schedule('''', ''t'')', 'SELECT taskq.schedule(''q'', '''')', 'SELECT taskq.schedule(''q'', ''t'', activity_id => '''')',
  'SELECT taskq.poll('''')', 'SELECT taskq.poll(''q'', '''')', 'SELECT taskq.channel('''')', 'SELECT taskq.worker_channel('''')', 'SELECT taskq.configure_queue('''', ''{}'')',
  'SELECT taskq.configure_queue(''q'', ''{}'', identity => '''')', 'SELECT taskq.stat_reset('''')', 'SELECT taskq.pause(''empties'', identity => '''')',
  'SELECT taskq.complete(gen_random_uuid(), identity => '''')']) call;

-- request ids: idempotent, before any policy
SELECT run_id AS run FROM taskq.schedule('q', 'test', activity_id => 'idem', start_to_close_timeout => '1 h', request_id => 'same') \gset
SELECT is((SELECT (run_id, activity_id, created)::text FROM taskq.schedule('q', 'test', activity_id => 'idem', start_to_close_timeout => '1 h', request_id => 'same')),
  format('(%s,idem,f)', :run), 'the same request id: the same run');
SELECT throws_ok(call('activity_id => ''idem'', request_id => ''other'''), 'TQ002', NULL, 'another request id: the conflict policy');
SELECT taskq.complete_by_id('idem');
SELECT is((SELECT (run_id, activity_id, created)::text FROM taskq.schedule('q', 'test', activity_id => 'idem', start_to_close_timeout => '1 h', request_id => 'same',
    id_reuse_policy => r)), format('(%s,idem,f)', :run), format('the same request id, closed, %s: the same run, even so', r))
  FROM unnest(enum_range(NULL::taskq.id_reuse_policy)) r;
SELECT is((SELECT count(*) FROM taskq.activities WHERE activity_id = 'idem'), 1, '... and no other');
SELECT ok(created, 'another request id, closed: created') FROM taskq.schedule('q', 'test', activity_id => 'idem', start_to_close_timeout => '1 h', request_id => 'other');
SELECT throws_ok(call('activity_id => ''idem'', request_id => ''same'''), 'TQ002', NULL, 'the request id of a run that is not the latest does not count');
SELECT new('empty', 'empty') \g /dev/null
SELECT throws_ok(call('activity_id => ''empty'', request_id => '''''), 'TQ002', NULL, 'an empty request id is none: never the same request');
SELECT is((SELECT count(DISTINCT run_id) FROM generate_series(1, 3) i, taskq.schedule('q', i::text, start_to_close_timeout => '1 h', request_id => 'same')), 3,
  'a request id without activity id has no effect');

-- the longest names, which are stored compressed
SELECT run_id AS run FROM taskq.schedule(repeat('q', 1000), repeat('t', 1000), activity_id => repeat('i', 1000), start_to_close_timeout => '1 h', request_id => repeat('r', 1000)) \gset
SELECT is((SELECT run_id FROM taskq.schedule('q', 'test', activity_id => repeat('i', 1000), start_to_close_timeout => '1 h', request_id => repeat('r', 1000))), :run,
  'names of 1000 bytes: the same request id, open');
SELECT lives_ok('SELECT taskq.pause(repeat(''i'', 1000), request_id => repeat(''p'', 1000)), taskq.pause(repeat(''i'', 1000), request_id => repeat(''p'', 1000)), '
  'taskq.unpause(repeat(''i'', 1000))', '... control operations');
SELECT is((SELECT activity_id || activity_type || task_queue FROM taskq.poll(repeat('q', 1000), repeat('w', 1000))), repeat('i', 1000) || repeat('t', 1000) || repeat('q', 1000), '... poll');
SELECT throws_ok(format('SELECT taskq.terminate(repeat(''i'', 1000), %s, identity => repeat(''w'', 1000)), taskq.heartbeat_by_id(repeat(''i'', 1000))', :run), 'TQ001',
  'activity not found for ID: ' || repeat('i', 1000), '... both ids, and the message');
SELECT taskq.complete_by_id(repeat('i', 1000));
SELECT is((SELECT run_id FROM taskq.schedule('q', 'test', activity_id => repeat('i', 1000), start_to_close_timeout => '1 h', request_id => repeat('r', 1000))), :run,
  '... the same request id, closed');
SELECT is((SELECT activity_id || last_worker_identity FROM taskq.describe(repeat('i', 1000), :run)), repeat('i', 1000) || repeat('w', 1000), '... describe');

-- schedule_many
CREATE TABLE many AS SELECT * FROM taskq.schedule_many('many', 'test', ARRAY['3', '1', '2']::jsonb[], start_to_close_timeout => '1 h') WITH ORDINALITY;
SELECT is((SELECT array_agg(input ORDER BY ordinality) FROM many JOIN taskq.activities USING (run_id)), ARRAY['3', '1', '2']::jsonb[],
  'schedule_many: rows in the order of inputs');
SELECT is((SELECT array_agg(input) FROM taskq.poll('many', max_tasks => 9)), ARRAY['3', '1', '2']::jsonb[], '... delivered in that order');
SELECT count(*) FROM taskq.schedule_many('many2', 'test', ARRAY[NULL, 'null']::jsonb[], start_to_close_timeout => '1 h') \g /dev/null
SELECT is((SELECT array_agg(input IS NULL) FROM taskq.poll('many2', max_tasks => 2)), '{t,f}', 'schedule_many: NULL and JSON null are distinct');
SELECT is((SELECT string_agg(activity_id || created, ' ' ORDER BY ordinality) FROM taskq.schedule_many('many3', 'test', ARRAY['1', '2', '3']::jsonb[],
  ARRAY['z', 'a', 'm'], start_to_close_timeout => '1 h') WITH ORDINALITY), 'ztrue atrue mtrue', 'schedule_many: activity ids');
SELECT is((SELECT string_agg(activity_id || input, ' ') FROM taskq.poll('many3', max_tasks => 9)), 'z1 a2 m3', '... each with its input');
SELECT is((SELECT array_agg(activity_id IS NULL) FROM taskq.schedule_many('many4', 'test', ARRAY['1', '2']::jsonb[], ARRAY[NULL, 'x'], start_to_close_timeout => '1 h')),
  '{t,f}', 'schedule_many: some without an id');
SELECT is_empty('SELECT * FROM taskq.schedule_many(''q'', ''test'', ''{}'', start_to_close_timeout => ''1 h'')', 'schedule_many: no inputs, no rows');
SELECT is_empty('SELECT * FROM taskq.schedule_many(''q'', ''test'', ''{}'', ''{}'', start_to_close_timeout => ''1 h'')', 'schedule_many: no inputs and no ids');
SELECT throws_ok('SELECT taskq.schedule_many(''q'', ''test'', NULL, start_to_close_timeout => ''1 h'')', '22004', 'inputs is not set', 'schedule_many: inputs NULL');
SELECT throws_ok('SELECT taskq.schedule_many(''q'', ''test'', ''{1,2}'', ''{a}'', start_to_close_timeout => ''1 h'')', '22023',
  'inputs and activity_ids must have the same length', 'schedule_many: arrays of different length');
SELECT throws_ok('SELECT taskq.schedule_many(''q'', ''test'', ''{{1},{2}}'', start_to_close_timeout => ''1 h'')', '22023',
  'inputs must be a one-dimensional array', 'schedule_many: two dimensions');
SELECT throws_ok('SELECT taskq.schedule_many(''q'', ''test'', ''{1,2}'', ''{a,""}'', start_to_close_timeout => ''1 h'')', '22023', 'activity_id is not set',
  'schedule_many: an empty id');
SELECT throws_ok('SELECT taskq.schedule_many(''q'', ''test'', ''{1}'', ARRAY[repeat(''x'', 1001)], start_to_close_timeout => ''1 h'')', '22023',
  'activity_id exceeds length limit', 'schedule_many: an id too long');
SELECT throws_ok('SELECT taskq.schedule_many(''q'', ''test'', ''{1}'')', '22023', 'a valid start_to_close_timeout or schedule_to_close_timeout must be set on the activity',
  'schedule_many: options are validated as in schedule');
SELECT throws_ok('SELECT taskq.schedule_many(NULL, ''test'', ''{1}'', start_to_close_timeout => ''1 h'')', '22004', 'task_queue is not set', 'schedule_many: task queue NULL');
SET LOCAL taskq.max_payload_size = '1kB';
SELECT throws_ok('SELECT taskq.schedule_many(''q'', ''test'', ARRAY[''1'', t.bytes(1025)], start_to_close_timeout => ''1 h'')', '22023', 'input exceeds length limit',
  'schedule_many: one input too large');
RESET taskq.max_payload_size;

-- schedule_many: the same id more than once
SELECT throws_ok('SELECT taskq.schedule_many(''q'', ''test'', ''{1,2}'', ''{dup,dup}'', start_to_close_timeout => ''1 h'')', 'TQ002',
  'activity execution already started', 'schedule_many: an id twice in one call: already started');
SELECT throws_ok('SELECT taskq.describe(''dup'')', 'TQ001', NULL, '... and nothing of it remains');
SELECT is((SELECT array_agg(created ORDER BY ordinality) FROM taskq.schedule_many('q', 'test', ARRAY['1', '2', '3']::jsonb[], '{dup,other,dup}',
  start_to_close_timeout => '1 h', id_conflict_policy => 'use_existing') WITH ORDINALITY), '{t,t,f}', 'schedule_many: with use_existing the second is the first');
SELECT is((SELECT count(DISTINCT run_id) FROM taskq.schedule_many('q', 'test', ARRAY['1', '2']::jsonb[], '{dup2,dup2}', start_to_close_timeout => '1 h', request_id => 'r')), 1,
  'schedule_many: with a request id likewise');
SELECT is((SELECT input FROM taskq.describe('dup2')), '1', '... the first one''s input counts');
SELECT throws_ok('SELECT taskq.schedule_many(''q'', ''test'', ''{1,2}'', ''{fresh,dup}'', start_to_close_timeout => ''1 h'')', 'TQ002', NULL, 'schedule_many: one id in use');
SELECT throws_ok('SELECT taskq.describe(''fresh'')', 'TQ001', NULL, '... nothing is scheduled');
SELECT is((SELECT count(*) FROM taskq.schedule_many('big', 'test', (SELECT array_agg(to_jsonb(i)) FROM generate_series(1, 1000) i), start_to_close_timeout => '1 h')), 1000,
  'schedule_many: a thousand');

SELECT * FROM finish();
ROLLBACK;
