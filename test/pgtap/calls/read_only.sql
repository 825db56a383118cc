-- docs/reference.md, "Errors": 25006 for every writing call in a READ ONLY transaction.

BEGIN;
\ir ../include/helpers.psql
SELECT * FROM no_plan();

SELECT new('q', 'open') AS run, new('q', 'closed') AS closed \gset
SELECT taskq.terminate('closed');

-- a call for every function, with arguments that would do
CREATE TABLE call (name text, sql text);
INSERT INTO call VALUES
('schedule', 'SELECT taskq.schedule(''q'', ''test'', start_to_close_timeout => ''1 s'')'),
('schedule_many', 'SELECT taskq.schedule_many(''q'', ''test'', ''{1}'', start_to_close_timeout => ''1 s'')'),
('poll', 'SELECT taskq.poll(''q'')'),
('complete', 'SELECT taskq.complete(gen_random_uuid())'),
('fail', 'SELECT taskq.fail(gen_random_uuid())'),
('report_canceled', 'SELECT taskq.report_canceled(gen_random_uuid())'),
('heartbeat', 'SELECT taskq.heartbeat(gen_random_uuid())'),
('complete_by_id', 'SELECT taskq.complete_by_id(''open'')'),
('fail_by_id', 'SELECT taskq.fail_by_id(''open'')'),
('fail_with_by_id', 'SELECT taskq.fail_with_by_id(''open'')'),
('report_canceled_by_id', 'SELECT taskq.report_canceled_by_id(''open'')'),
('heartbeat_by_id', 'SELECT taskq.heartbeat_by_id(''open'')'),
('poll_many', 'SELECT taskq.poll_many(''{q}'', NULL)'),
('complete_many', 'SELECT taskq.complete_many(''{}'')'),
('fail_many', 'SELECT taskq.fail_many(''{}'')'),
('fail_with', 'SELECT taskq.fail_with(gen_random_uuid(), NULL)'),
('fail_with_many', 'SELECT taskq.fail_with_many(''{}'', ''{}'')'),
('heartbeat_many', 'SELECT taskq.heartbeat_many(''{}'')'),
('complete_and_poll', 'SELECT taskq.complete_and_poll(''{}'', NULL, ''q'')'),
('request_cancel', 'SELECT taskq.request_cancel(''open'')'),
('terminate', 'SELECT taskq.terminate(''open'')'),
('pause', 'SELECT taskq.pause(''open'')'),
('unpause', 'SELECT taskq.unpause(''open'')'),
('reset', 'SELECT taskq.reset(''open'')'),
('update_options', 'SELECT taskq.update_options(''open'', options => ''{"priority": 1}'')'),
('delete', 'SELECT taskq.delete(''open'')'),
('retry', format('SELECT taskq.retry(%s)', :closed)),
('request_cancel_many', 'SELECT taskq.request_cancel_many(''{}'')'),
('terminate_many', 'SELECT taskq.terminate_many(''{}'')'),
('pause_many', 'SELECT taskq.pause_many(''{}'')'),
('unpause_many', 'SELECT taskq.unpause_many(''{}'')'),
('reset_many', 'SELECT taskq.reset_many(''{}'')'),
('update_options_many', 'SELECT taskq.update_options_many(''{}'', ''{"priority": 1}'')'),
('delete_many', 'SELECT taskq.delete_many(''{}'')'),
('retry_many', 'SELECT taskq.retry_many(''{}'')'),
('configure_queue', 'SELECT taskq.configure_queue(''q'', ''{}'')');

-- the error of a call in a READ ONLY transaction; made of a subtransaction,
-- since this one has to write what is found
CREATE FUNCTION read_only(sql text) RETURNS text
LANGUAGE plpgsql AS $$
BEGIN
  SET LOCAL transaction_read_only = on;
  EXECUTE sql;
  RAISE EXCEPTION 'no error' USING ERRCODE = '00001';
EXCEPTION WHEN OTHERS THEN
  RETURN SQLSTATE || ': ' || SQLERRM;
END
$$;
SELECT is(read_only(sql), format('25006: cannot execute taskq.%s() in a read-only transaction', name), name) FROM call;

-- reading works
SELECT is(read_only(sql), '00001: no error', sql)
FROM unnest(ARRAY['SELECT * FROM taskq.describe(''open'')', format('SELECT * FROM taskq.outcome(%s)', :run), 'SELECT * FROM taskq.activities',
  'SELECT * FROM taskq.task_queues', 'SELECT * FROM taskq.task_queue_priorities', 'SELECT * FROM taskq.pollers', 'SELECT * FROM taskq.stat_task_queues',
  'SELECT * FROM taskq.health', 'SELECT taskq.node_of(1::bigint)', 'SELECT taskq.retry_policy()']) sql;

SELECT * FROM finish();
ROLLBACK;
