-- docs/reference.md, "Queues of workflows": a queue of activities and one of workflows
-- may have the same name, and have nothing else in common.  Counts are what is
-- committed, so this file commits; its queues start with "kinds".

\ir ../include/helpers.psql
SELECT * FROM no_plan();

-- counts of a queue: backlog started
CREATE FUNCTION counts(queue text, of taskq.task_kind) RETURNS text
LANGUAGE sql AS $$ SELECT concat_ws(' ', backlog_count, started_count) FROM taskq.task_queues WHERE task_queue = queue AND kind = of $$;
CREATE FUNCTION start(id text, queue text = 'kinds') RETURNS bigint
LANGUAGE sql AS $$ SELECT run_id FROM taskq.start_workflow(queue, 'W', workflow_id => id) $$;
CREATE FUNCTION step(queue text = 'kinds', sticky_for text = NULL) RETURNS uuid
LANGUAGE sql AS $$ SELECT task_token FROM taskq.poll_workflow_task(queue, 'flow', sticky_for => sticky_for) $$;

-- counts, levels, pollers, statistics
SELECT new('kinds', 'kinds a') AS activity \gset
SELECT start('kinds 1') AS run \gset
SELECT is(counts('kinds', 'activity'), '1 0', 'one activity waits');
SELECT is(counts('kinds', 'workflow'), '1 0', 'one workflow task');
SELECT is((SELECT string_agg(kind::text, ' ' ORDER BY kind) FROM taskq.task_queues WHERE task_queue = 'kinds'), 'activity workflow', 'two queues of one name');
SELECT is((SELECT string_agg(kind || ' ' || backlog_count, ', ' ORDER BY kind) FROM taskq.task_queue_priorities WHERE task_queue = 'kinds' AND priority = 3),
  'activity 1, workflow 1', 'task_queue_priorities');
SELECT step() AS token \gset
SELECT is(counts('kinds', 'activity'), '1 0', 'poll_workflow_task takes no activity');
SELECT is(counts('kinds', 'workflow'), '0 1', '... but the workflow task');
SELECT take('kinds', 'hand') AS activity_token \gset
SELECT is((SELECT string_agg(kind || ' ' || identity, ', ' ORDER BY kind) FROM taskq.pollers WHERE task_queue = 'kinds'), 'activity hand, workflow flow', 'pollers');
SELECT is((SELECT string_agg(kind || ' ' || scheduled || ' ' || started, ', ' ORDER BY kind) FROM taskq.stat_task_queues WHERE task_queue = 'kinds'),
  'activity 1 1, workflow 1 1', 'stat_task_queues');
SELECT taskq.stat_reset('kinds', kind => 'workflow');
SELECT is((SELECT string_agg(kind || ' ' || scheduled, ', ' ORDER BY kind) FROM taskq.stat_task_queues WHERE task_queue = 'kinds'), 'activity 1, workflow 0',
  'stat_reset of one kind');
SELECT taskq.stat_reset('kinds');
SELECT is((SELECT string_agg(kind || ' ' || scheduled, ', ' ORDER BY kind) FROM taskq.stat_task_queues WHERE task_queue = 'kinds'), 'activity 0, workflow 0',
  'stat_reset is of activities unless told');
SELECT is_empty('SELECT * FROM taskq.task_queues WHERE task_queue LIKE ''/\_sys/%'' UNION ALL SELECT * FROM taskq.task_queues WHERE task_queue = ''/_sys/w/kinds''',
  'names inside are never shown');
SELECT taskq.complete(:'activity_token');

-- each task counts as scheduled, whatever it comes from, and an attempt after one that ended badly as retried
CREATE FUNCTION statistics(queue text) RETURNS text
LANGUAGE sql AS $$ SELECT concat_ws(' ', scheduled, started, retried) FROM taskq.stat_task_queues WHERE task_queue = queue AND kind = 'workflow' $$;
SELECT start('kinds s', 'kinds s') AS counted \gset
SELECT step('kinds s') AS counted \gset
SELECT failed_cause FROM taskq.complete_workflow_task(:'counted', '[]', force_new_task => true);
SELECT is(statistics('kinds s'), '2 1 0', 'statistics: a forced task is scheduled');
SELECT step('kinds s') AS counted \gset
SELECT taskq.signal_workflow('kinds s', 'mail');
SELECT failed_cause FROM taskq.complete_workflow_task(:'counted', '[]');
SELECT is(statistics('kinds s'), '3 2 0', '... and one for mail that has waited');
SELECT step('kinds s') AS counted \gset
SELECT taskq.fail_workflow_task(:'counted', 'WORKFLOW_TASK_FAILED_CAUSE_WORKFLOW_WORKER_UNHANDLED_FAILURE');
SELECT is(statistics('kinds s'), '3 3 1', '... what has failed is retried');
SELECT step('kinds s') AS counted \gset
SELECT taskq.release_workflow_task(:'counted');
SELECT is(statistics('kinds s') || ' ' || (SELECT released FROM taskq.stat_task_queues WHERE task_queue = 'kinds s' AND kind = 'workflow'), '3 4 1 1', '... and what was handed back is released');
SELECT step('kinds s') AS counted \gset
SELECT (new_task).task_token AS counted FROM taskq.complete_workflow_task(:'counted', '[]', force_new_task => true, return_new_task => true) \gset
SELECT is(statistics('kinds s'), '4 6 1', '... a new task that the worker gets at once is scheduled and started');
SELECT failed_cause FROM taskq.complete_workflow_task(:'counted', '[]', sticky_task_queue => 'kinds s host', sticky_schedule_to_start_timeout => '1 h');
SELECT step('kinds s host', sticky_for => 'kinds s') AS nothing \gset
SELECT taskq.signal_workflow('kinds s', 'goes to the worker');
SELECT is(statistics('kinds s'), '4 6 1', '... private queues of workers have no statistics');
SELECT taskq.worker_gone('kinds s host');
SELECT is(statistics('kinds s'), '5 6 1', '... but what comes from there is scheduled');
SELECT taskq.terminate_workflow('kinds s');

-- settings
SELECT is(taskq.configure_queue('kinds', '{"paused": true, "max_started": 5, "retention": "1 h", "fairness_weights": {"k": 2}}', 'why', 'me', kind => 'workflow') -> 'max_started',
  '5', 'configure_queue');
SELECT is((SELECT string_agg(kind || ' ' || paused || ' ' || coalesce(config ->> 'max_started', '-'), ', ' ORDER BY kind) FROM taskq.task_queues WHERE task_queue = 'kinds'),
  'activity false -, workflow true 5', 'of one kind');
SELECT is((SELECT (config_reason, config_update_identity)::text FROM taskq.task_queues WHERE task_queue = 'kinds' AND kind = 'workflow'), '(why,me)', 'by whom, and why');
SELECT start('kinds 2') AS run2 \gset
SELECT is(step(), NULL, 'paused: no workflow task');
SELECT new('kinds', 'kinds b');
SELECT isnt(take('kinds'), NULL, '... but activities');
SELECT taskq.configure_queue('kinds', '{"paused": null, "max_started": 1}', kind => 'workflow');
SELECT is(step(), NULL, 'max_started: one is started already');
SELECT taskq.release_workflow_task(:'token');
SELECT isnt(step(), NULL, 'then it is not');
SELECT taskq.configure_queue('kinds only', '{"paused": true}', kind => 'workflow');
SELECT is((SELECT kind::text FROM taskq.task_queues WHERE task_queue = 'kinds only'), 'workflow', 'a queue that is configured and no more');
SELECT throws_ok(format('SELECT taskq.configure_queue(''kinds'', ''{"%s": 1}'', kind => ''workflow'')', setting), '22023',
  format('queue setting "%s" is not for queues of workflows', setting), setting) FROM unnest('{queue_rate_limit,fairness_key_rate_limit,max_backlog}'::text[]) setting;
SELECT lives_ok('SELECT taskq.configure_queue(''kinds'', ''{"max_backlog": null}'', kind => ''workflow'')', 'what is not there may be removed');
SELECT throws_ok(format(call, '/_sys/w/kinds'), '22023', 'task queue name cannot start with reserved prefix /_sys/', call)
FROM unnest(ARRAY['SELECT taskq.configure_queue(%L, ''{}'')', 'SELECT taskq.configure_queue(%L, ''{}'', kind => ''workflow'')', 'SELECT taskq.channel(%L, ''workflow'')',
  'SELECT taskq.stat_reset(%L, ''workflow'')', 'CALL taskq.wait_for_task(%L, kind => ''workflow'')', 'SELECT taskq.poll_workflow_task(%L)',
  'SELECT taskq.start_workflow(%L, ''W'')', 'SELECT taskq.listen(''kinds'', ARRAY[%L], ''workflow'')']) call;
SELECT throws_ok(call, '22004', 'kind is not set', call)
FROM unnest(ARRAY['SELECT taskq.configure_queue(''kinds'', ''{}'', kind => NULL)', 'SELECT taskq.channel(''kinds'', NULL)', 'SELECT taskq.stat_reset(''kinds'', NULL)',
  'CALL taskq.wait_for_task(''kinds'', kind => NULL)', 'SELECT taskq.listen(''kinds'', ''{}'', NULL)', 'SELECT taskq.unlisten(''kinds'', ''{}'', NULL)']) call;

SELECT throws_ok(call, '22023', message, call)
FROM (VALUES ('CALL taskq.wait_for_task(''kinds'', sticky_for => ''q'')', 'queues of activities have no normal names'), ('SELECT taskq.channel(''kinds'', sticky_for => ''q'')', 'queues of activities have no normal names'),
  ('SELECT taskq.listen(''kinds'', ''{a}'', normal_names => ''{q}'')', 'queues of activities have no normal names'), ('SELECT taskq.unlisten(''kinds'', ''{a}'', normal_names => ''{q}'')', 'queues of activities have no normal names'),
  ('CALL taskq.wait_for_tasks(''{a}'', kinds => ''{activity}'', normal_names => ''{q}'')', 'queues of activities have no normal names'),
  ('SELECT * FROM taskq.poll_many(''{a}'', ''{i}'', normal_names => ''{q}'')', 'queues of activities have no normal names'),
  ('CALL taskq.wait_for_tasks(''{a,b}'', kinds => ''{activity}'')', 'task_queues and kinds must have the same length'), ('CALL taskq.wait_for_tasks(''{a}'', normal_names => ''{}'')', 'task_queues and normal_names must have the same length'),
  ('SELECT taskq.listen(''kinds'', ''{a}'', ''workflow'', ''{a,b}'')', 'task_queues and normal_names must have the same length'),
  ('CALL taskq.wait_for_task(''kinds'', kind => ''workflow'', sticky_for => ''/_sys/w/q'')', 'task queue name cannot start with reserved prefix /_sys/'),
  ('CALL taskq.wait_for_task(''/_sys/s/q'', kind => ''workflow'', sticky_for => ''q'')', 'task queue name cannot start with reserved prefix /_sys/')) v (call, message);

-- the longest name
SELECT start('kinds long', repeat('k', 1000)) AS long \gset
SELECT is(counts(repeat('k', 1000), 'workflow'), '1 0', 'the longest name, in full');
SELECT lives_ok(format('SELECT taskq.configure_queue(%L, ''{"paused": true}'', kind => ''workflow'')', repeat('k', 1000)), 'can be configured');
SELECT lives_ok(format('SELECT taskq.channel(%L, ''workflow'')', repeat('k', 1000)), 'and listened to');
SELECT throws_ok(format('SELECT taskq.channel(%L, ''workflow'')', repeat('k', 1001)), '22023', NULL, 'a longer one cannot');

-- channels, waiting
SELECT isnt(taskq.channel('kinds', 'workflow'), taskq.channel('kinds'), 'channels of their own');
SELECT start('kinds wait', 'kinds wait') AS waiting \gset
CALL taskq.wait_for_task('kinds wait', '0 s', ready => NULL) \gset
SELECT is(:'ready'::boolean, false, 'wait_for_task: no activity');
CALL taskq.wait_for_task('kinds wait', '10 s', ready => NULL, kind => 'workflow') \gset
SELECT is(:'ready'::boolean, true, 'wait_for_task: a workflow task');

-- poll_many hands out activities
SELECT throws_ok('SELECT * FROM taskq.poll_many(ARRAY[''kinds'', ''kinds''], ARRAY[''a'', ''b''], ARRAY[''activity'', ''workflow'']::taskq.task_kind[])', '0A000', NULL, 'poll_many: no workflow tasks');
SELECT lives_ok('SELECT * FROM taskq.poll_many(ARRAY[''kinds none''], ARRAY[''a''], ARRAY[''activity'']::taskq.task_kind[])', 'poll_many: activities, by kind');

-- a limit of the activities' backlog does not stop workflows
SELECT taskq.configure_queue('kinds full', '{"max_backlog": 1}');
SELECT new('kinds full', 'kinds full');
SELECT start('kinds commands', 'kinds full') AS commands \gset
SELECT is((SELECT failed_cause FROM taskq.complete_workflow_task(step('kinds full'), jsonb_build_array(
    taskq.command_schedule_activity('A', start_to_close_timeout => '1 h', task_queue => 'kinds full'), taskq.command_schedule_activity('A', start_to_close_timeout => '1 h', task_queue => 'kinds full')))),
  NULL, 'commands are carried out, whatever the backlog');
SELECT is(counts('kinds full', 'activity'), '3 0', 'so it is longer than that');
SELECT throws_ok('SELECT t.new(''kinds full'')', 'TQ004', NULL, 'for others it is full');

-- a worker's private queue leaves its poller, and nothing that is shown
SELECT start('kinds sticky', 'kinds sticky') AS sticky \gset
SELECT is(step('kinds host:1', 'kinds sticky'), NULL, 'the worker polls its own queue, too');
SELECT failed_cause FROM taskq.complete_workflow_task(step('kinds sticky'), '[]', sticky_task_queue => 'kinds host:1', sticky_schedule_to_start_timeout => '1 min');
SELECT taskq.signal_workflow('kinds sticky', 'go');
SELECT is((SELECT (pending_task).state || ' ' || sticky_task_queue FROM taskq.workflows WHERE run_id = :sticky), 'scheduled kinds host:1', 'a task waits for that worker');
SELECT is(counts('kinds sticky', 'workflow'), '0 0', 'not in the workflow''s queue');
CALL taskq.wait_for_task('kinds host:1', '10 s', ready => NULL, kind => 'workflow', sticky_for => 'kinds sticky') \gset
SELECT is(:'ready'::boolean, true, 'wait_for_task: one in a worker''s private queue');
CALL taskq.wait_for_tasks('{kinds sticky,kinds host:1,kinds sticky}', '10 s', task_queue => NULL, kinds => '{workflow,workflow,NULL}', normal_names => '{NULL,kinds sticky,""}') \gset
SELECT is(:'task_queue'::text, 'kinds host:1', 'wait_for_tasks: queues of all kinds');
SELECT isnt(taskq.channel('kinds host:1', 'workflow', 'kinds sticky'), taskq.channel('kinds host:1', 'workflow'), 'a channel of its own');
SELECT is(step('kinds sticky'), NULL, '... where nobody gets it');
SELECT coalesce(step('kinds host:1', 'kinds sticky')::text, '') AS token \gset
SELECT isnt(nullif(:'token', '')::uuid, NULL, 'the worker does');
SELECT is_empty(format('SELECT task_queue FROM taskq.%s WHERE task_queue LIKE ''%%kinds host%%''', v), v || ': no private queue')
FROM unnest('{task_queues,task_queue_priorities,pollers,stat_task_queues}'::text[]) v;
SELECT is_empty(format('SELECT * FROM taskq.%s(%L)', f, '/_sys/s/kinds host:1'), f || ': nor by its name inside') FROM unnest('{queue_counts,queue_statistics,poller_states}'::text[]) f;
SELECT failed_cause FROM taskq.complete_workflow_task(:'token', jsonb_build_array(taskq.command_complete()));
SELECT is((SELECT status FROM taskq.workflows WHERE run_id = :sticky), 'completed', 'and completes the run');

-- all numbers are right, also when they are counted anew
SELECT taskq.terminate_workflow(workflow_id) FROM taskq.workflows WHERE workflow_id LIKE 'kinds %' AND status = 'running';
SELECT taskq.terminate(run_id => run_id) FROM taskq.activities WHERE task_queue LIKE 'kinds%' AND status = 'running';
SELECT is_empty('SELECT * FROM taskq.task_queues WHERE (task_queue LIKE ''kinds%'' OR task_queue LIKE ''kkk%'') AND backlog_count + started_count + delayed_count + paused_count > 0',
  'nothing is left');
SELECT start('kinds again', 'kinds sticky') AS again \gset
SELECT is(step('kinds host:2', 'kinds sticky'), NULL, 'another worker');
SELECT failed_cause FROM taskq.complete_workflow_task(step('kinds sticky'), '[]', sticky_task_queue => 'kinds host:2', sticky_schedule_to_start_timeout => '1 min');
SELECT taskq.signal_workflow('kinds again', 'go');
SELECT new('kinds sticky'), new('kinds sticky');
UPDATE taskq.open SET run_id = run_id WHERE run_id = :again;
SELECT is(counts('kinds sticky', 'activity'), '2 0', 'counted in the table: once');
SELECT is_empty('SELECT * FROM taskq.queue_counts() WHERE task_queue LIKE ''%kinds host%''', 'counted in the table: no private queue');
SELECT is_empty('SELECT * FROM taskq.health WHERE status = ''critical''', 'health');

SELECT taskq.delete_workflow(run_id => run_id) FROM taskq.workflows WHERE workflow_id LIKE 'kinds %';
SELECT taskq.delete(run_id => run_id) FROM taskq.activities WHERE task_queue LIKE 'kinds%';
SELECT * FROM finish();
DROP SCHEMA t CASCADE;
