--
-- How errors look: their text as the user reads it, and their SQLSTATE
--
SELECT run_id AS run FROM taskq.schedule('errors', 't', activity_id => 'open', request_id => 'r',
                                         start_to_close_timeout => '1 h') \gset
SELECT run_id AS closed FROM taskq.schedule('errors', 't', activity_id => 'closed', start_to_close_timeout => '1 h') \gset
SELECT taskq.complete_by_id('closed');

-- Errors of class TQ have a word and facts for programs, which name runs and
-- instants: shown apart, made constant
CREATE FUNCTION pg_temp.raised(statement text, OUT code text, OUT word text, OUT facts jsonb)
LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE statement;
EXCEPTION WHEN OTHERS THEN
  GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE, word = CONSTRAINT_NAME, facts = PG_EXCEPTION_DETAIL;
  SELECT jsonb_object_agg(key, CASE WHEN key = 'run_id' OR key LIKE '%time' THEN '"..."' ELSE value END)
  INTO facts FROM jsonb_each(facts);
END
$$;
SELECT * FROM pg_temp.raised($$SELECT taskq.fail_by_id('open')$$);
SELECT * FROM pg_temp.raised($$SELECT taskq.complete_by_id('closed')$$);
SELECT * FROM pg_temp.raised($$SELECT taskq.schedule('errors', 't', activity_id => 'open', start_to_close_timeout => '1 h')$$);
SELECT * FROM pg_temp.raised($$SELECT taskq.unpause('open')$$);

-- TQ001 not found
\set VERBOSITY terse
SELECT taskq.complete('00000000-0000-0000-0000-000000000001');
\echo :LAST_ERROR_SQLSTATE
SELECT taskq.heartbeat('00000000-0000-0000-0000-000000000001');
\echo :LAST_ERROR_SQLSTATE
SELECT taskq.fail_by_id('open');
\echo :LAST_ERROR_SQLSTATE
SELECT taskq.complete_by_id('closed');
\echo :LAST_ERROR_SQLSTATE
SELECT taskq.terminate('nobody');
\echo :LAST_ERROR_SQLSTATE
SELECT taskq.describe('nobody');
\echo :LAST_ERROR_SQLSTATE
SELECT taskq.outcome(-1);
\echo :LAST_ERROR_SQLSTATE

-- TQ002 already started
SELECT taskq.schedule('errors', 't', activity_id => 'open', start_to_close_timeout => '1 h');
\echo :LAST_ERROR_SQLSTATE
SELECT taskq.schedule('errors', 't', activity_id => 'closed', start_to_close_timeout => '1 h',
                      id_reuse_policy => 'reject_duplicate');
\echo :LAST_ERROR_SQLSTATE

-- TQ003 not in the right state
SELECT taskq.unpause('open');
\echo :LAST_ERROR_SQLSTATE
SELECT taskq.request_cancel('closed');
\echo :LAST_ERROR_SQLSTATE
SELECT taskq.retry(:closed);
\echo :LAST_ERROR_SQLSTATE
SELECT taskq.retry(:run);
\echo :LAST_ERROR_SQLSTATE

-- TQ004 a limit
\set VERBOSITY default
SELECT taskq.configure_queue('errors full', '{"max_backlog": 1}') IS NOT NULL AS configured;
SELECT created FROM taskq.schedule('errors full', 't', start_to_close_timeout => '1 h');
SELECT taskq.schedule('errors full', 't', start_to_close_timeout => '1 h');
\echo :LAST_ERROR_SQLSTATE

-- 22004 a required argument is NULL
SELECT taskq.schedule(NULL, 't', start_to_close_timeout => '1 h');
\echo :LAST_ERROR_SQLSTATE
SELECT taskq.schedule('errors', NULL, start_to_close_timeout => '1 h');
\echo :LAST_ERROR_SQLSTATE
SELECT taskq.complete(NULL);
\echo :LAST_ERROR_SQLSTATE
SELECT taskq.terminate();
\echo :LAST_ERROR_SQLSTATE
SELECT taskq.complete_by_id();
\echo :LAST_ERROR_SQLSTATE
SELECT taskq.poll(NULL);
\echo :LAST_ERROR_SQLSTATE

-- 22023 an invalid argument
SELECT taskq.schedule('errors', 't');
\echo :LAST_ERROR_SQLSTATE
SELECT taskq.schedule('', 't', start_to_close_timeout => '1 h');
\echo :LAST_ERROR_SQLSTATE
SELECT taskq.schedule('/_sys/x', 't', start_to_close_timeout => '1 h');
\echo :LAST_ERROR_SQLSTATE
SELECT taskq.schedule('errors', 't', start_to_close_timeout => '-1 s');
\echo :LAST_ERROR_SQLSTATE
SELECT taskq.schedule('errors', 't', start_to_close_timeout => '1 month');
\echo :LAST_ERROR_SQLSTATE
SELECT taskq.schedule('errors', 't', start_to_close_timeout => '1 h',
                      retry_policy => taskq.retry_policy(backoff_coefficient => 0.5));
\echo :LAST_ERROR_SQLSTATE
SELECT taskq.schedule_many('errors', 't', ARRAY['1', '2']::jsonb[], ARRAY['a'], start_to_close_timeout => '1 h');
\echo :LAST_ERROR_SQLSTATE
SELECT taskq.poll('errors', max_tasks => 0);
\echo :LAST_ERROR_SQLSTATE
SELECT taskq.complete_many(ARRAY[NULL]::uuid[]);
\echo :LAST_ERROR_SQLSTATE
SELECT taskq.update_options('open', options => '{"color": "red"}');
\echo :LAST_ERROR_SQLSTATE
SELECT taskq.update_options('open');
\echo :LAST_ERROR_SQLSTATE
SELECT taskq.configure_queue('errors', '{"color": "red"}');
\echo :LAST_ERROR_SQLSTATE

-- 22P02 no uuid, 25001 in a transaction block, 25006 in a read-only one
SELECT taskq.complete('token');
\echo :LAST_ERROR_SQLSTATE
BEGIN;
CALL taskq.wait_for_task('errors', '1 s');
\echo :LAST_ERROR_SQLSTATE
ROLLBACK;
BEGIN READ ONLY;
SELECT taskq.poll('errors');
\echo :LAST_ERROR_SQLSTATE
ROLLBACK;

-- a warning: what is too large does not raise when a worker reports it
SET taskq.max_payload_size = '1kB';
SELECT taskq.complete(task_token, to_jsonb(repeat('x', 2000))) FROM taskq.poll('errors');
SELECT status, retry_state, failure FROM taskq.outcome(:run);
SELECT taskq.schedule('errors', 't', to_jsonb(repeat('x', 2000)), start_to_close_timeout => '1 h');
\echo :LAST_ERROR_SQLSTATE

-- the same, as clients see them
\set VERBOSITY sqlstate
SELECT taskq.complete('00000000-0000-0000-0000-000000000001');
SELECT taskq.unpause('closed');
SELECT taskq.schedule('errors', 't');
SELECT taskq.terminate();
\set VERBOSITY default

RESET taskq.max_payload_size;
SELECT taskq.configure_queue('errors full', '{"max_backlog": null}');
SELECT count(taskq.delete(run_id => run_id)) FROM taskq.activities WHERE task_queue LIKE 'errors%';
