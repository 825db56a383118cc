-- taskq.configure_queue: which keys there are, how they merge, what is refused.

BEGIN;
\ir ../include/helpers.psql
SELECT * FROM no_plan();

CREATE FUNCTION c(config text, queue text = 'q') RETURNS jsonb
LANGUAGE sql AS $$ SELECT taskq.configure_queue(queue, config::jsonb) $$;

SELECT is(c('{}'), '{}', 'nothing set');
SELECT is(c('{"queue_rate_limit": 2.5}'), '{"queue_rate_limit": 2.5}', 'one key');
SELECT is(c('{"max_started": 5}'), '{"queue_rate_limit": 2.5, "max_started": 5}', 'absent keeps');
SELECT is(c('{"queue_rate_limit": 3}'), '{"queue_rate_limit": 3, "max_started": 5}', 'present replaces');
SELECT is(c('{"queue_rate_limit": null, "max_backlog": null}'), '{"max_started": 5}', 'null unsets, also what is not set');
SELECT is(c('{"fairness_weights": {"a": 1, "b": 2}}'), '{"max_started": 5, "fairness_weights": {"a": 1, "b": 2}}', 'weights');
SELECT is(c('{"fairness_weights": {"b": 3, "c": 4}}'), '{"max_started": 5, "fairness_weights": {"a": 1, "b": 3, "c": 4}}',
  'weights merge');
SELECT is(c('{"fairness_weights": {"a": null, "x": null}}'), '{"max_started": 5, "fairness_weights": {"b": 3, "c": 4}}',
  'a null weight removes one');
SELECT is(c('{"fairness_weights": {}}'), '{"max_started": 5, "fairness_weights": {"b": 3, "c": 4}}', 'an empty object keeps them');
SELECT is(c('{"fairness_weights": null}'), '{"max_started": 5}', 'null for the whole removes all');
SELECT is(c('{"fairness_key_rate_limit": 0, "paused": true, "max_started": 0, "max_backlog": 10, "retention": "2 days"}'),
  '{"fairness_key_rate_limit": 0, "paused": true, "max_started": 0, "max_backlog": 10, "retention": "2 days"}', 'all keys');
SELECT is(c('{"retention": "0"}') ->> 'retention', '0', 'retention 0');
SELECT is(c('{"fairness_weights": {"w": null}}', 'fresh') #> '{fairness_weights,w}', NULL, 'a null weight in a new queue');

-- refused, and nothing changed
SELECT throws_ok(format('SELECT c(%L)', bad), '22023', NULL, bad)
FROM unnest(ARRAY[
  '{"unknown": 1}', '[]', '1', '"x"', 'null', '{"Paused": true}',
  '{"queue_rate_limit": -1}', '{"queue_rate_limit": "5"}', '{"queue_rate_limit": true}', '{"queue_rate_limit": 1e400}', '{"queue_rate_limit": {}}',
  '{"fairness_key_rate_limit": -0.1}', '{"fairness_key_rate_limit": "x"}',
  '{"fairness_weights": 5}', '{"fairness_weights": []}', '{"fairness_weights": {"": 1}}', '{"fairness_weights": {"a": 0}}',
  '{"fairness_weights": {"a": -1}}', '{"fairness_weights": {"a": "1"}}', '{"fairness_weights": {"a": {}}}',
  '{"fairness_weights": {"' || repeat('k', 65) || '": 1}}',
  '{"paused": 1}', '{"paused": "true"}', '{"paused": {}}',
  '{"max_started": -1}', '{"max_started": 1.5}', '{"max_started": 3000000000}', '{"max_started": "1"}',
  '{"max_backlog": -1}', '{"max_backlog": 0.5}',
  '{"retention": 5}', '{"retention": "x"}', '{"retention": "-1 s"}', '{"retention": "1 month"}', '{"retention": {}}',
  '{"paused": false, "max_started": -1}'
]) bad;
SELECT is(c('{}') ->> 'paused', 'true', 'what was refused has changed nothing');
SELECT throws_ok($$SELECT taskq.configure_queue(NULL, '{}')$$, '22004', NULL, 'no queue');
SELECT throws_ok($$SELECT taskq.configure_queue('q', NULL)$$, '22004', NULL, 'no config');
SELECT throws_ok($$SELECT taskq.configure_queue('', '{}')$$, NULL, 'an empty name');
SELECT throws_ok($$SELECT taskq.configure_queue(repeat('q', 1001), '{}')$$, '22023', NULL, 'a name of 1001 bytes');
SELECT lives_ok($$SELECT taskq.configure_queue(repeat('q', 1000), '{"paused": true}')$$, 'a name of 1000 bytes');
SELECT throws_ok($$SELECT taskq.configure_queue('q', '{}', identity => repeat('i', 1001))$$, '22023', NULL, 'an identity of 1001 bytes');

-- a thousand weights
SELECT lives_ok($$SELECT taskq.configure_queue('w', jsonb_build_object('fairness_weights', jsonb_object_agg('k' || n, n)))
  FROM generate_series(1, 1000) n$$, 'a thousand weights');
SELECT throws_ok($$SELECT c('{"fairness_weights": {"more": 1}}', 'w')$$, '22023', NULL, 'not one more');
SELECT lives_ok($$SELECT c('{"fairness_weights": {"more": 1, "k1": null}}', 'w')$$, 'one for another');

-- who, why, when
SELECT taskq.configure_queue('who', '{"paused": true}', reason => 'because', identity => 'me');
SELECT results_eq($$SELECT paused, config, config_reason, config_update_identity, config_update_time <= clock_timestamp()
  FROM taskq.task_queues WHERE task_queue = 'who'$$,
  $$VALUES (true, '{"paused": true}'::jsonb, 'because', 'me', true)$$, 'reason, identity and time');
SELECT taskq.configure_queue('who', '{}');
SELECT results_eq($$SELECT config_reason, config_update_identity FROM taskq.task_queues WHERE task_queue = 'who'$$,
  $$VALUES (NULL::text, NULL::text)$$, 'those of the last change');

-- names are case-sensitive
SELECT c('{"paused": true}', 'Case');
SELECT new('case');
SELECT isnt(take('case'), NULL, 'another queue');

-- retention is decided at the close
SELECT taskq.configure_queue('keep', '{"retention": "0"}');
SELECT new('keep') AS run \gset
SELECT taskq.complete(take('keep'));
SELECT throws_ok(format('SELECT taskq.outcome(%s)', :run), 'TQ001', NULL, 'retention 0: nothing is known');
SELECT taskq.configure_queue('keep', '{"retention": "1 h"}');
SELECT new('keep') AS run \gset
SELECT taskq.complete(take('keep'));
SELECT taskq.configure_queue('keep', '{"retention": "0"}');
SELECT is((SELECT status FROM taskq.outcome(:run)), 'completed', 'a later change is no matter');
SELECT set_clock('2 h');
SELECT throws_ok(format('SELECT taskq.outcome(%s)', :run), 'TQ001', NULL, 'after its time nothing is known');
SELECT set_clock('0');

SELECT * FROM finish();
ROLLBACK;
