-- The history that a worker polls is JSON with each string, number and nesting as it was
-- given: the events as text are those of the casts of their columns.
BEGIN;
SELECT plan(5);

CREATE TEMP TABLE odd AS
SELECT E'quote" backslash\\ tab\t line\n return\r feed\f back\b one\x01 thirty-one\x1f del\x7f é 日本 𝄞 /' || repeat('plain ', 60) AS text;

SELECT lives_ok($$
	SELECT taskq.start_workflow('printed', odd.text, jsonb_build_array(odd.text, 1, 2.50, -1e3, true, NULL, '[]', '{}', '[[]]'::jsonb),
		memo => jsonb_build_object(odd.text, odd.text, '', '', 'nested', '{"a": [{}, [], [1, {"b": null}], "c"], "d": {"e": {}}}'::jsonb),
		user_metadata => NULL, identity => E'id"\\\t\x02')
	  FROM odd $$, 'a workflow with odd strings is started');

CREATE TEMP TABLE task AS SELECT * FROM taskq.poll_workflow_task('printed');
CREATE TEMP TABLE polled AS
SELECT (event->>'eventId')::bigint AS event_id, event
  FROM task, json_array_elements(task.history) AS event;

SELECT is((SELECT count(*) FROM polled), 3::bigint, 'it is polled with all its events');
SELECT is((SELECT event->'workflowExecutionStartedEventAttributes'->'workflowType'->>'name' FROM polled WHERE event_id = 1),
	(SELECT text FROM odd), 'its type is what was given');
SELECT is((SELECT event->'workflowExecutionStartedEventAttributes'->>'identity' FROM polled WHERE event_id = 1),
	E'id"\\\t\x02', 'so is who has started it');
SELECT results_eq(
	$$ SELECT event_id, (SELECT value::text FROM json_each(event) WHERE key LIKE '%EventAttributes') FROM polled ORDER BY 1 $$,
	$$ SELECT event_id, attributes::text FROM task, taskq.workflow_history(task.run_id) ORDER BY 1 $$,
	'attributes are printed byte by byte as the cast to text prints them');

SELECT * FROM finish();
ROLLBACK;
