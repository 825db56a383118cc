-- docs/semantics.md: which token is valid, and what the others meet.

BEGIN;
\ir ../include/helpers.psql
SELECT * FROM no_plan();

-- a call that takes a token, as SQL text
CREATE TABLE call (name text, sql text);
INSERT INTO call VALUES
('complete', 'SELECT taskq.complete(%L)'),
('fail', 'SELECT taskq.fail(%L, ''x'')'),
('report_canceled', 'SELECT taskq.report_canceled(%L)'),
('heartbeat', 'SELECT taskq.heartbeat(%L)');

-- 1: no token, garbage
SELECT throws_ok(format(sql, NULL), '22004', 'task_token is not set', name || ': NULL token') FROM call;
SELECT throws_ok(format(sql, 'nonsense'), '22P02', NULL, name || ': text that is no uuid') FROM call;
SELECT throws_ok(format(sql, ''), '22P02', NULL, name || ': empty text is no uuid') FROM call;
SELECT throws_ok(format(sql, token), 'TQ001', 'activity not found for ID: ' || token, name || ': a uuid that is no token')
  FROM call, gen_random_uuid() token;
SELECT throws_ok(format(sql, '00000000-0000-0000-0000-000000000000'), 'TQ001', NULL, name || ': the nil uuid') FROM call;
SELECT throws_ok(format(sql, 'ffffffff-ffff-ffff-ffff-ffffffffffff'), 'TQ001', NULL, name || ': the greatest uuid') FROM call;

-- 3: the name of what is not found
SELECT new('q3') AS run \gset
SELECT take('q3') AS token \gset
SELECT taskq.complete(:'token');
SELECT throws_ok(format(sql, :'token'), 'TQ001', format('activity not found for ID: %s', :run), name || ': closed, without an id: the run id is named')
  FROM call;
SELECT new('q3b', 'my id') AS run \gset
SELECT take('q3b') AS token \gset
SELECT taskq.complete(:'token');
SELECT throws_ok(format(sql, :'token'), 'TQ001', 'activity not found for ID: my id', name || ': closed, with an id: that is named') FROM call;
SELECT throws_ok(format('SELECT taskq.complete_by_id(run_id => %s)', :run), 'TQ001', 'activity not found for ID: my id',
  'by run_id alone the activity id is named, too');

-- 4: no attempt in progress
SELECT new('q4', 'q4') AS run \gset
SELECT take('q4') AS token \gset
SELECT taskq.fail(:'token', 'x');
SELECT throws_ok(format(sql, :'token'), 'TQ001', 'activity not found for ID: q4', name || ': in back-off') FROM call;
SELECT taskq.pause('q4');
SELECT throws_ok(format(sql, :'token'), 'TQ001', 'activity not found for ID: q4', name || ': paused') FROM call;

-- 5: another attempt
SELECT taskq.unpause('q4', skip_backoff => true);
SELECT take('q4') AS token2 \gset
SELECT isnt(:'token'::uuid, :'token2', 'each attempt has a token of its own');
SELECT throws_ok(format(sql, :'token'), 'TQ001', 'activity not found for ID: q4', name || ': of an attempt that is over') FROM call;
SELECT lives_ok(format('SELECT taskq.heartbeat(%L)', :'token2'), 'the token of the attempt in progress is valid');

-- 6: an attempt-1 token from before a reset cannot complete the new attempt 1
SELECT new('q6', 'q6') AS run \gset
SELECT take('q6') AS token \gset
SELECT taskq.reset('q6');
SELECT lives_ok(format('SELECT taskq.heartbeat(%L)', :'token'), 'valid until the worker yields');
SELECT taskq.fail(:'token', 'x');
SELECT is((SELECT attempt FROM taskq.poll('q6')), 1, 'attempt 1 again');
SELECT throws_ok(format(sql, :'token'), 'TQ001', 'activity not found for ID: q6', name || ': of attempt 1 before the reset') FROM call;

-- 6: control operations on a running attempt do not invalidate its token
SELECT new('q6b', 'q6b') AS run \gset
SELECT take('q6b') AS token \gset
SELECT taskq.update_options('q6b', options => '{"task_queue": "elsewhere", "start_to_close_timeout": "2h"}');
SELECT taskq.pause('q6b');
SELECT taskq.unpause('q6b');
SELECT taskq.request_cancel('q6b');
SELECT lives_ok(format('SELECT taskq.complete(%L)', :'token'), 'valid through update_options, pause, unpause and request_cancel');

-- 7: the token is judged before the state: a stale one gives NF, not IA
SELECT new('q7', 'q7') AS run \gset
SELECT take('q7') AS token \gset
SELECT taskq.fail(:'token', 'x', next_retry_delay => '1 microsecond');
SELECT set_clock('1 s');
SELECT take('q7') AS token2 \gset
SELECT throws_ok(format('SELECT taskq.report_canceled(%L)', :'token'), 'TQ001', NULL, 'report_canceled with a stale token');
SELECT throws_ok(format('SELECT taskq.report_canceled(%L)', :'token2'), '22023', NULL, 'report_canceled with the valid token, not requested');
SELECT set_clock('0');

-- checks of arguments come before those of the token (5.6)
SELECT throws_ok(format('SELECT taskq.fail(%L, ''x'', next_retry_delay => ''-1 s'')', gen_random_uuid()), '22023',
  'invalid next_retry_delay: must not be negative', 'fail: next_retry_delay before the token');
SELECT throws_ok(format('SELECT taskq.fail(%L, ''x'', cause => ''[]'')', gen_random_uuid()), '22023', 'cause must be a failure',
  'fail: cause before the token');
SELECT throws_ok(format('SELECT taskq.complete(%L, identity => repeat(''x'', 1001))', gen_random_uuid()), '22023',
  'identity exceeds length limit', 'complete: identity before the token');

-- opaque, and not to be guessed from another
SELECT count(new('q8')) FROM generate_series(1, 50);
CREATE TABLE tokens AS SELECT task_token, run_id FROM taskq.poll('q8', max_tasks => 50);
SELECT is((SELECT count(DISTINCT task_token) FROM tokens), 50, 'fifty tokens');
SELECT is((SELECT count(DISTINCT substr(task_token::text, 1, 4)) FROM tokens), 1, 'the node can be read ...');
SELECT ok((SELECT count(DISTINCT substr(task_token::text, 5, 9)) > 45 FROM tokens), '... the run cannot');
SELECT is((SELECT count(*) FROM tokens WHERE strpos(replace(task_token::text, '-', ''), lpad(to_hex(run_id), 12, '0')) > 0), 0,
  '... in clear');
SELECT is((SELECT count(*) FROM tokens, taskq.instance i, uuid_send(task_token) t,
    substr(sha256(i.token_key || substr(t, 9)), 1, 6) mask
   WHERE lpad(to_hex(run_id), 12, '0') = (SELECT string_agg(lpad(to_hex(get_byte(t, n + 2) # get_byte(mask, n)), 2, '0'), '' ORDER BY n)
     FROM generate_series(0, 5) n)), 50, 'masked with SHA-256 of key and nonce');
SELECT throws_ok(format('SELECT taskq.complete(%L)', overlay(task_token::text placing '0000-000000000000' from 20)), 'TQ001', NULL,
    'another second half is another token')
  FROM tokens LIMIT 1;

-- by id: 22004 without any id; both must agree
CREATE TABLE by_id (name text, sql text);
INSERT INTO by_id VALUES
('complete_by_id', 'SELECT taskq.complete_by_id(%s)'),
('fail_by_id', 'SELECT taskq.fail_by_id(%s, message => ''x'')'),
('fail_with_by_id', 'SELECT taskq.fail_with_by_id(%s, failure => ''{}'')'),
('report_canceled_by_id', 'SELECT taskq.report_canceled_by_id(%s)'),
('heartbeat_by_id', 'SELECT taskq.heartbeat_by_id(%s)'),
('request_cancel', 'SELECT taskq.request_cancel(%s)'),
('terminate', 'SELECT taskq.terminate(%s)'),
('pause', 'SELECT taskq.pause(%s)'),
('unpause', 'SELECT taskq.unpause(%s)'),
('reset', 'SELECT taskq.reset(%s)'),
('update_options', 'SELECT taskq.update_options(%s, options => ''{"priority": 1}'')'),
('delete', 'SELECT taskq.delete(%s)'),
('describe', 'SELECT taskq.describe(%s)');
SELECT new('ids', 'one') AS one, new('ids', 'two') AS two, new('ids') AS none \gset
SELECT throws_ok(format(sql, 'activity_id => NULL, run_id => NULL'), '22004', NULL, name || ': neither id') FROM by_id;
SELECT throws_ok(format(sql, 'activity_id => ''no such''' ), 'TQ001', 'activity not found for ID: no such', name || ': unknown activity id') FROM by_id;
SELECT throws_ok(format(sql, 'activity_id => ''''' ), 'TQ001', NULL, name || ': empty activity id') FROM by_id;
SELECT throws_ok(format(sql, 'run_id => 4711' ), 'TQ001', 'activity not found for ID: 4711', name || ': unknown run id') FROM by_id;
SELECT throws_ok(format(sql, 'run_id => -1' ), 'TQ001', 'activity not found for ID: -1', name || ': negative run id') FROM by_id;
SELECT throws_ok(format(sql, 'run_id => 9223372036854775807' ), 'TQ001', NULL, name || ': greatest run id') FROM by_id;
SELECT throws_ok(format(sql, format('activity_id => ''one'', run_id => %s', :two)), 'TQ001', 'activity not found for ID: one, run ID: ' || :two,
  name || ': the run has another activity id') FROM by_id;
SELECT throws_ok(format(sql, format('activity_id => ''one'', run_id => %s', :none)), 'TQ001', 'activity not found for ID: one, run ID: ' || :none,
  name || ': the run has no activity id') FROM by_id;
SELECT throws_ok(format(sql, 'activity_id => repeat(''x'', 1001)'), '22023', NULL, name || ': activity id too long') FROM by_id;
SELECT lives_ok(format('SELECT taskq.pause(activity_id => ''one'', run_id => %s)', :one), 'both ids, and they agree');
SELECT throws_ok('SELECT taskq.outcome(NULL)', '22004', 'run_id is not set', 'outcome: NULL');
SELECT throws_ok('SELECT taskq.outcome(4711)', 'TQ001', 'activity not found for ID: 4711', 'outcome: unknown run id');
SELECT throws_ok('SELECT taskq.retry(NULL)', '22004', 'run_id is not set', 'retry: NULL');
SELECT throws_ok('SELECT taskq.retry(4711)', 'TQ001', 'activity not found for ID: 4711', 'retry: unknown run id');

-- by id: the latest run; an older one by its run id
SELECT new('again', 'again') AS old \gset
SELECT taskq.terminate('again');
SELECT new('again', 'again') AS latest \gset
SELECT is((SELECT run_id FROM taskq.describe('again')), :latest, 'by activity_id: the open run');
SELECT is((SELECT run_id FROM taskq.describe(run_id => :old)), :old, 'by run_id: any run');
SELECT taskq.terminate('again');
SELECT is((SELECT run_id FROM taskq.describe('again')), :latest, 'by activity_id, all closed: the greatest run_id');
SELECT throws_ok('SELECT taskq.complete_by_id(''again'')', 'TQ001', 'activity not found for ID: again', 'worker calls on a closed latest run: NF');
SELECT throws_ok(format('SELECT taskq.complete_by_id(''again'', run_id => %s)', :latest), 'TQ001', NULL, '... with both ids, too');

SELECT * FROM finish();
ROLLBACK;
