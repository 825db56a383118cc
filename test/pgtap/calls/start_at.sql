-- docs/reference.md: start_at, an instant instead of a delay.

BEGIN;
\ir ../include/helpers.psql
SELECT * FROM no_plan();

-- exact, however long the transaction has been open
SELECT date_trunc('second', clock_timestamp() + interval '1 month') AS at \gset
SELECT run_id AS run FROM taskq.schedule('q', 't', start_to_close_timeout => '1 h', schedule_to_close_timeout => '2 h', start_at => :'at') \gset
SELECT is(execution_time, :'at', 'start_at is the execution time') FROM a(:run);
SELECT is(next_attempt_schedule_time, :'at', '... when it is due') FROM a(:run);
SELECT is(expiration_time, :'at'::timestamptz + interval '2 h', '... and what schedule-to-close counts from') FROM a(:run);
SELECT is(start_delay, :'at' - schedule_time, '... and is kept as a delay') FROM a(:run);
SELECT is(count(*), 0, 'not handed out before') FROM taskq.poll('q');
SELECT set_clock(:'at'::timestamptz - clock_timestamp() + interval '1 s');
SELECT is(current_attempt_scheduled_time, :'at', 'due then') FROM taskq.poll('q');
SELECT set_clock('0');

-- the past is now
SELECT run_id AS run FROM taskq.schedule('past', 't', start_to_close_timeout => '1 h', start_at => '2000-01-01') \gset
SELECT is(show(:run, 'start_delay next_attempt_schedule_time'), '- -', 'the past means now');
SELECT is(execution_time, schedule_time, '... and not before it was scheduled') FROM a(:run);
SELECT is(count(*), 1, '... and it is due') FROM taskq.poll('past');
SELECT is(count(*), 1, 'the oldest instant, too') FROM taskq.schedule('past', 't', start_to_close_timeout => '1 h', start_at => '4713-01-01 BC');
SELECT is(count(*), 1, 'and the latest') FROM taskq.schedule('far', 't', start_to_close_timeout => '1 h', start_at => '294276-12-31');
-- now() is when the transaction began
SELECT run_id AS run FROM taskq.schedule('now', 't', start_to_close_timeout => '1 h', start_at => now()) \gset
SELECT is(show(:run, 'start_delay'), '-', 'now() is past, and means now');

-- wrong
SELECT throws_ok(format('SELECT taskq.schedule(''q'', ''t'', start_to_close_timeout => ''1 h'', start_at => %L)', at), '22023', NULL, 'start_at ' || at)
  FROM unnest(ARRAY['infinity', '-infinity']) at;
SELECT throws_ok('SELECT taskq.schedule(''q'', ''t'', start_to_close_timeout => ''1 h'', start_at => now(), start_delay => ''1 h'')', '22023', NULL,
  'start_at and start_delay');
SELECT throws_ok('SELECT taskq.schedule_many(''q'', ''t'', ''{1}'', start_to_close_timeout => ''1 h'', start_at => now(), start_delay => ''0'')', '22023', NULL,
  'schedule_many: start_at and start_delay');
SELECT lives_ok('SELECT taskq.schedule(''q'', ''t'', start_to_close_timeout => ''1 h'', start_at => NULL, start_delay => ''1 h'')', 'start_at NULL is not given');

-- schedule_many
SELECT count(*) FROM taskq.schedule_many('many', 't', '{1,2,3}', start_to_close_timeout => '1 h', start_at => :'at') \g /dev/null
SELECT count(*) FROM taskq.schedule_many('many', 't', '{1,2}', activity_ids => '{x,y}', start_to_close_timeout => '1 h', start_at => :'at') \g /dev/null
SELECT is(count(*), 5, 'schedule_many: the same for all') FROM taskq.activities WHERE task_queue = 'many' AND execution_time = :'at';
SELECT is(count(*), 0, 'schedule_many: none is due') FROM taskq.poll('many', max_tasks => 5);

-- max_backlog does not count what is due later, nor refuse it
SELECT is((SELECT start_delay IS NOT NULL FROM a(run_id)), true, 'a delay like any other')
  FROM taskq.schedule('q', 't', start_to_close_timeout => '1 h', start_at => clock_timestamp() + interval '1 h');

-- update_options
SELECT run_id AS run FROM taskq.schedule('u', 't', activity_id => 'u', start_to_close_timeout => '1 h', start_delay => '1 h') \gset
SELECT is(taskq.update_options('u', options => jsonb_build_object('start_at', :'at')) ->> 'start_delay' IS NOT NULL, true, 'update_options: returns the delay');
SELECT is(execution_time, :'at', 'update_options: start_at') FROM a(:run);
SELECT is(next_attempt_schedule_time, :'at', 'update_options: when it is due') FROM a(:run);
SET LOCAL TimeZone = 'Asia/Tokyo';
SELECT taskq.update_options('u', options => '{"start_at": "2099-01-01 09:00"}');
SELECT is(execution_time, '2099-01-01 00:00+00', 'update_options: text without a zone is in that of the session') FROM a(:run);
SET LOCAL TimeZone = 'UTC';
SELECT throws_ok(format('SELECT taskq.update_options(''u'', options => %L)', options), '22023', NULL, 'update_options: ' || options)
  FROM unnest(ARRAY['{"start_at": "tomorrow-ish"}', '{"start_at": 4070908800}', '{"start_at": "infinity"}', '{"start_at": "-infinity"}', '{"start_at": true}',
    '{"start_at": "2099-01-01", "start_delay": "1 h"}', '{"start_at": null, "start_delay": "1 h"}', '{"start_at": "2099-13-01"}']) options;
SELECT is(execution_time, '2099-01-01 00:00+00', 'update_options: what is refused changes nothing') FROM a(:run);
SELECT taskq.update_options('u', restore_original => true);
SELECT is(show(:run, 'start_delay'), '01:00:00', 'update_options: the original was a delay');
SELECT taskq.update_options('u', options => '{"start_at": null}');
SELECT is(show(:run, 'start_delay next_attempt_schedule_time'), '- -', 'update_options: null unsets');
SELECT taskq.pause('u');
SELECT taskq.update_options('u', options => jsonb_build_object('start_at', :'at'));
SELECT taskq.unpause('u');
SELECT is(next_attempt_schedule_time, :'at', 'update_options: while paused, for unpause') FROM a(:run);
SELECT taskq.update_options('u', options => '{"start_at": "2000-01-01"}');
SELECT is(count(*), 1, 'update_options: the past means now') FROM taskq.poll('u');
SELECT throws_ok('SELECT taskq.update_options(''u'', options => ''{"start_at": "2099-01-01"}'')', 'TQ003', NULL, 'update_options: it was handed out');

-- retry starts at once, whatever the run before was told
SELECT run_id AS run FROM taskq.schedule('r', 't', start_to_close_timeout => '1 h', start_at => :'at') \gset
SELECT taskq.terminate(run_id => :run);
SELECT run_id AS run FROM taskq.retry(:run) \gset
SELECT is(show(:run, 'start_delay'), '-', 'retry: no start time');

-- the planner leaves arguments out that were not given
CREATE FUNCTION planned(call text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
  line text;
BEGIN
  FOR line IN EXECUTE 'EXPLAIN (VERBOSE, COSTS OFF) SELECT * FROM ' || call LOOP
    IF line LIKE '%Function Call:%' THEN
      RETURN line;
    END IF;
  END LOOP;
END
$$;
SELECT unalike(planned('taskq.schedule(''q'', ''t'', start_to_close_timeout => ''1 h'', start_at => NULL)'), '%NULL::timestamp%', 'the planner leaves it out');
SELECT alike(planned('taskq.schedule(''q'', ''t'', start_at => ''2099-01-01'')'), '%2099-01-01%', '... unless it is given');

SELECT * FROM finish();
ROLLBACK;
