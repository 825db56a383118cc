-- docs/semantics.md: what a request id promises.

BEGIN;
\ir ../include/helpers.psql
SELECT * FROM no_plan();

-- schedule with an id and a request; "run created", or the SQLSTATE
CREATE FUNCTION try(id text, request text, conflict text = 'fail', reuse text = 'allow_duplicate') RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
  s record;
BEGIN
  SELECT * INTO STRICT s FROM taskq.schedule('q', 't', activity_id => id, request_id => request, start_to_close_timeout => '1 h',
    id_conflict_policy => conflict::taskq.id_conflict_policy, id_reuse_policy => reuse::taskq.id_reuse_policy);
  RETURN concat_ws(' ', s.run_id, CASE WHEN s.created THEN 'new' ELSE 'found' END);
EXCEPTION WHEN SQLSTATE 'TQ002' THEN
  RETURN 'TQ002';
END
$$;

SELECT run_id AS run FROM taskq.schedule('q', 't', activity_id => 'a', request_id => 'r1', start_to_close_timeout => '1 h') \gset
SELECT is(try('a', 'r1'), :'run' || ' found', 'the request that made the run finds it');
SELECT is(try('a', 'r2'), 'TQ002', 'another one does not');
SELECT is(try('a', 'r2', 'use_existing'), :'run' || ' found', 'unless it says use_existing');
SELECT is(try('a', 'r2'), :'run' || ' found', 'which is remembered: a repeat finds the run whatever its policy');
SELECT is(try('a', 'r3'), 'TQ002', 'a third one does not');
SELECT is(try('a', NULL, 'use_existing'), :'run' || ' found', 'without a request id ...');
SELECT is(try('a', NULL), 'TQ002', '... nothing is remembered');
SELECT is(try('a', '', 'use_existing'), :'run' || ' found', 'an empty one is none');
SELECT is(show(:run, 'run_state attempt state_transition_count'), 'scheduled 1 1', 'it is no transition');

-- in every open state, and with the token left valid
SELECT task_token AS token FROM taskq.poll('q') \gset
SELECT is(try('a', 'started', 'use_existing'), :'run' || ' found', 'R');
SELECT is(try('a', 'started'), :'run' || ' found', 'R: remembered');
SELECT is(try('a', 'r2'), :'run' || ' found', 'R: earlier ones, too');
SELECT taskq.pause('a');
SELECT is(try('a', 'pausing', 'use_existing') || try('a', 'pausing'), repeat(:'run' || ' found', 2), 'PR');
SELECT taskq.reset('a');
SELECT is(try('a', 'resetting', 'use_existing') || try('a', 'resetting'), repeat(:'run' || ' found', 2), 'RR');
SELECT lives_ok(format('SELECT taskq.fail(%L, ''x'')', :'token'), 'the token has stayed valid');
SELECT is(show(:run, 'run_state attempt'), 'scheduled 1', 'and what was requested');
SELECT is(try('a', 'resetting'), :'run' || ' found', 'remembered over attempts and resets');
SELECT taskq.pause('a');
SELECT is(try('a', 'paused', 'use_existing') || try('a', 'paused'), repeat(:'run' || ' found', 2), 'P');
SELECT taskq.unpause('a');
SELECT task_token AS token FROM taskq.poll('q') \gset
SELECT taskq.request_cancel('a', request_id => 'c', reason => 'why');
SELECT is(try('a', 'canceling', 'use_existing') || try('a', 'canceling'), repeat(:'run' || ' found', 2), 'CR');
SELECT is(show(:run, 'run_state cancel_reason'), 'cancel_requested why', 'CR: it still is');

-- closed: only the request that made it
SELECT taskq.report_canceled(:'token');
SELECT is(try('a', 'r1'), :'run' || ' found', 'closed: the request that made the run finds it');
SELECT is(try('a', 'r2', reuse => 'reject_duplicate'), 'TQ002', 'closed: others are judged by the policy');
SELECT alike(try('a', 'r2'), '% new', 'closed: which may make a new run');
SELECT is((SELECT control ? 'attached' FROM (SELECT control FROM taskq.closed_0 WHERE run_id = :run UNION ALL SELECT control FROM taskq.closed_1 WHERE run_id = :run) c),
  false, 'closed: they are not stored any longer');
SELECT is(try('a', 'r1'), 'TQ002', 'and then the one that made the run before finds nothing');

-- the last fifty
SELECT split_part(try('many', 'first'), ' ', 1) AS run \gset
SELECT count(try('many', 'n' || i, 'use_existing')) FROM generate_series(1, 51) i \g /dev/null
SELECT is(try('many', 'n1'), 'TQ002', 'the first of fifty-one is forgotten');
SELECT is(count(*), 50, 'the last fifty are remembered') FROM generate_series(2, 51) i WHERE try('many', 'n' || i) = :'run' || ' found';
SELECT is(try('many', 'first'), :'run' || ' found', 'the one that made the run is never forgotten');
SELECT is(try('many', 'n2', 'use_existing') || try('many', 'n51'), repeat(:'run' || ' found', 2), 'a repeat changes nothing');
SELECT is(try('many', 'n2'), :'run' || ' found', '... not even the order');

-- schedule_many remembers likewise, for each id
SELECT string_agg(run_id::text, ' ' ORDER BY activity_id) AS runs FROM taskq.schedule_many('q', 't', '{1,2}', '{m1,m2}', start_to_close_timeout => '1 h') \gset
SELECT count(*) FROM taskq.schedule_many('q', 't', '{1,2}', '{m1,m2}', start_to_close_timeout => '1 h', request_id => 'batch', id_conflict_policy => 'use_existing') \g /dev/null
SELECT is(string_agg(run_id::text, ' ' ORDER BY activity_id), :'runs', 'schedule_many: remembered for each') FROM taskq.schedule_many('q', 't', '{1,2}', '{m1,m2}',
  start_to_close_timeout => '1 h', request_id => 'batch');
SELECT is(try('m2', 'batch'), split_part(:'runs', ' ', 2) || ' found', 'schedule_many: and found by schedule');

-- a savepoint that is rolled back forgets
SELECT split_part(try('s', 's1'), ' ', 1) AS run \gset
SAVEPOINT s;
SELECT is(try('s', 's2', 'use_existing'), :'run' || ' found', 'in a savepoint');
ROLLBACK TO s;
SELECT is(try('s', 's2'), 'TQ002', 'rolled back, it was never called');

-- a new request of an operator is none of these
SELECT taskq.pause('s', request_id => 's3');
SELECT is(try('s', 's3'), 'TQ002', 'operators'' requests are kept apart');

SELECT * FROM finish();
ROLLBACK;
