-- docs/reference.md, "Search attributes and memo": types, which values they have, what
-- declares one, and what null does.

BEGIN;
\ir ../include/helpers.psql
SELECT * FROM no_plan();

CREATE FUNCTION task(id text) RETURNS uuid
LANGUAGE plpgsql AS $$
BEGIN
  PERFORM taskq.start_workflow(id, 'W', workflow_id => id, id_conflict_policy => 'use_existing');
  RETURN (SELECT task_token FROM taskq.poll_workflow_task(id, 'worker'));
END
$$;
CREATE FUNCTION is_refused(call text, sqlstate text, words text, description text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
  said text;
BEGIN
  EXECUTE call;
  RETURN ok(false, description || ': was taken');
EXCEPTION WHEN OTHERS THEN
  GET STACKED DIAGNOSTICS said = MESSAGE_TEXT;
  RETURN is(SQLSTATE || ' ' || said, sqlstate || ' ' || words, description);
END
$$;
CREATE FUNCTION declared() RETURNS text
LANGUAGE sql AS $$ SELECT string_agg(name || ' ' || type, ', ' ORDER BY name) FROM taskq.search_attribute WHERE name LIKE 'Sa%' $$;
-- start with these: the type that the history tells of "SaX", or the error
CREATE FUNCTION start(attributes jsonb, id text = NULL) RETURNS void
LANGUAGE sql AS $$ SELECT FROM taskq.start_workflow('sa', 'W', workflow_id => id, search_attributes => attributes) $$;
CREATE FUNCTION payload(value text, type text = NULL, encoding text = 'json/plain') RETURNS jsonb
LANGUAGE sql AS $$
  SELECT jsonb_strip_nulls(jsonb_build_object('metadata', jsonb_build_object('encoding', encode(convert_to(encoding, 'UTF8'), 'base64'), 'type', encode(convert_to(type, 'UTF8'), 'base64')),
    'data', encode(convert_to(value, 'UTF8'), 'base64')))
$$;
-- a value as an error tells it
CREATE FUNCTION shown(value jsonb) RETURNS text
LANGUAGE sql AS $$
  SELECT left(said, 100) || CASE WHEN length(said) > 100 THEN '...' ELSE '' END FROM coalesce(value #>> '{}', 'null') said
$$;
CREATE FUNCTION upsert(fields jsonb) RETURNS jsonb
LANGUAGE sql AS $$
  SELECT jsonb_build_object('commandType', 'COMMAND_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES', 'upsertWorkflowSearchAttributesCommandAttributes',
    jsonb_build_object('searchAttributes', jsonb_build_object('indexedFields', fields)))
$$;
CREATE FUNCTION complete(id text, VARIADIC commands jsonb[]) RETURNS text
LANGUAGE sql AS $$ SELECT coalesce(failed_cause || ': ' || failed_message, 'ok') FROM taskq.complete_workflow_task(task(id), to_jsonb(commands), force_new_task => true) $$;
CREATE FUNCTION attributes(id text) RETURNS jsonb
LANGUAGE sql AS $$ SELECT search_attributes FROM taskq.workflows WHERE workflow_id = id ORDER BY run_id DESC LIMIT 1 $$;
CREATE FUNCTION memo(id text) RETURNS jsonb
LANGUAGE sql AS $$ SELECT memo FROM taskq.workflows WHERE workflow_id = id ORDER BY run_id DESC LIMIT 1 $$;

-- ----------------------------------------------------------------------
-- What a value declares
-- ----------------------------------------------------------------------
SELECT start('{"SaText": "x", "SaInt": 7, "SaWhole": 1.0, "SaDouble": 1.5, "SaHuge": 1e30, "SaBool": true, "SaList": ["a", "b"], "SaNull": null, "SaEmpty": []}', 'first');
SELECT is(declared(), 'SaBool Bool, SaDouble Double, SaHuge Double, SaInt Int, SaList KeywordList, SaText Keyword, SaWhole Int', 'the first value declares a type; none and null do not');
SELECT is(attributes('first'), '{"SaText": "x", "SaInt": 7, "SaWhole": 1.0, "SaDouble": 1.5, "SaHuge": 1e30, "SaBool": true, "SaList": ["a", "b"]}', '... and is there');
SELECT is(convert_from(decode(attributes #>> '{searchAttributes,indexedFields,SaInt,metadata,type}', 'base64'), 'UTF8'), 'Int', '... with its type in the history')
FROM taskq.workflow_history(taskq.workflow_run('first'), until_event_id => 1);
SELECT is_refused(format('SELECT start(%L)', jsonb_build_object('SaOdd', value)), '22023', 'invalid value for search attribute SaOdd: ' || shown(value), 'no type has ' || shown(value))
FROM unnest(ARRAY['{"a": 1}', '[1]', '["a", 1]', '[["a"]]', '[null]', '1e400']::jsonb[]) value;
SELECT is_refused(format('SELECT start(%L)', jsonb_build_object(repeat('x', 1001), 1)), '22023', 'name of a search attribute exceeds length limit. Length=1001 Limit=1000', 'a long name');
SELECT lives_ok(format('SELECT start(%L)', jsonb_build_object(repeat('x', 1000), 1)), 'the longest name');

-- ----------------------------------------------------------------------
-- What a type has
-- ----------------------------------------------------------------------
INSERT INTO taskq.search_attribute VALUES ('SaKeyword', 'Keyword'), ('SaWords', 'Text'), ('SaNumber', 'Int'), ('SaReal', 'Double'), ('SaFlag', 'Bool'), ('SaWhen', 'Datetime'), ('SaTags', 'KeywordList');
CREATE TABLE value (name text, fits jsonb, does_not jsonb);
INSERT INTO value VALUES
  ('SaKeyword', '["", "x", "2026-01-31T12:00:00Z"]', '[1, true, {"a": 1}, ["x", "y"]]'),
  ('SaWords', '["many words"]', '[1.5, false, ["x", "y"]]'),
  ('SaNumber', '[0, -7, 7.0, 1e3, 9223372036854775807, -9223372036854775808]', '["7", 1.5, 9223372036854775808, -9223372036854775809, true]'),
  ('SaReal', '[0, 7, 1.5, -1e300]', '["1.5", 1e309, true]'),
  ('SaFlag', '[true, false]', '["true", 0, 1]'),
  ('SaWhen', '["2026-01-31T12:00:00Z", "2026-01-31T12:00:00.5+02:00"]', '["2026-01-31", "2026-02-30T12:00:00Z", "now", 1769860800]'),
  ('SaTags', '[["a"], ["a", "b"]]', '["a", [1], ["a", 1], [["a"]], {"a": "b"}]');
SELECT lives_ok(format('SELECT start(%L)', jsonb_build_object(name, v)), format('%s takes %s', name, v)) FROM value, jsonb_array_elements(fits) v;
SELECT is_refused(format('SELECT start(%L)', jsonb_build_object(name, v)), '22023',
  format('invalid value for search attribute %s of type %s: %s', name, (SELECT type FROM taskq.search_attribute s WHERE s.name = value.name), shown(v)), format('%s does not take %s', name, shown(v)))
FROM value, jsonb_array_elements(does_not) v;
SELECT is(complete('fits', taskq.command_upsert_search_attributes(jsonb_build_object(name, fits -> 0))), 'ok', 'by a command: ' || name) FROM value;
SELECT is(complete('fits ' || name, taskq.command_upsert_search_attributes(jsonb_build_object(name, does_not -> 0))),
  format('WORKFLOW_TASK_FAILED_CAUSE_BAD_SEARCH_ATTRIBUTES: BadSearchAttributes: invalid value for search attribute %s of type %s: %s', name, (SELECT type FROM taskq.search_attribute s WHERE s.name = value.name), shown(does_not -> 0)), '... and not: ' || name)
FROM value;

-- payloads that tell their type
SELECT is(complete('typed', upsert(jsonb_build_object('SaDay', payload('"2026-01-31T12:00:00Z"', 'Datetime')))), 'ok', 'a type that is told');
SELECT is((SELECT type FROM taskq.search_attribute WHERE name = 'SaDay'), 'Datetime', '... is declared');
SELECT is(complete('typed', upsert(jsonb_build_object('SaKeyword', payload('["one"]', 'Keyword')))), 'ok', 'a list of one where the payload says that it is none');
SELECT is(attributes('typed') -> 'SaKeyword', '"one"', '... is its element');
SELECT is(complete('typed ' || n, upsert(jsonb_build_object(name, payload))), 'WORKFLOW_TASK_FAILED_CAUSE_BAD_SEARCH_ATTRIBUTES: BadSearchAttributes: ' || message, message)
FROM (VALUES
  (1, 'SaNumber', payload('"x"', 'Keyword'), 'invalid value for search attribute SaNumber of type Int: the value is of type Keyword'),
  (2, 'SaNew', payload('"x"', 'Int'), 'invalid value for search attribute SaNew of type Int: x'),
  (3, 'SaNew', payload('1', 'Number'), 'search attribute SaNew has an unknown type: Number'),
  (4, 'SaNew', payload('bytes', NULL, 'binary/plain'), 'invalid value for search attribute SaNew: it is no JSON'),
  (5, 'SaNew', payload('bytes', 'Keyword', 'binary/plain'), 'invalid value for search attribute SaNew of type Keyword: it is no JSON')) v (n, name, payload, message);

-- ----------------------------------------------------------------------
-- What is refused declares nothing
-- ----------------------------------------------------------------------
SELECT declared() AS before \gset
SELECT matches(complete('refused', taskq.command_upsert_search_attributes('{"SaAlpha": "x", "SaNumber": "x"}')), 'SaNumber', 'one of two is wrong');
SELECT matches(complete('refused 2', taskq.command_upsert_search_attributes('{"SaBeta": "x"}'), taskq.command_upsert_search_attributes('{"SaBeta": 1}')), 'SaBeta of type Keyword: 1', 'two values of two types in one task');
SELECT matches(complete('refused 3', taskq.command_upsert_search_attributes('{"SaGamma": "x"}'), taskq.command_cancel_timer('none')), 'BAD_CANCEL_TIMER', 'another command is wrong');
SELECT matches(complete('refused 4', taskq.command_continue_as_new(search_attributes => '{"SaDelta": "x", "SaNumber": "x"}')), 'SaNumber', 'the next run''s');
SELECT task('refused 5') AS token \gset
UPDATE taskq.open SET history_size = 60 * 1024 * 1024 WHERE run_id = taskq.workflow_run('refused 5');
SELECT is((SELECT closed FROM taskq.complete_workflow_task(:'token', jsonb_build_array(taskq.command_upsert_search_attributes('{"SaEpsilon": "x"}')))), true, 'a history that is too long');
SELECT is_refused('SELECT start(''{"SaZeta": "x", "SaNumber": "x"}'')', '22023', 'invalid value for search attribute SaNumber of type Int: x', 'a start');
SELECT lives_ok('SELECT taskq.start_workflow(''sa'', ''W'', workflow_id => ''first'', id_conflict_policy => ''use_existing'', search_attributes => ''{"SaEta": "x"}'')', 'a start that is answered with another run');
SELECT is(declared(), :'before', 'no name of these has a type');
SELECT is((SELECT string_agg(coalesce(error, 'ok'), ' ' ORDER BY slot) FROM taskq.complete_workflow_tasks(ARRAY[
  jsonb_build_object('task_token', task('batch 1'), 'commands', jsonb_build_array(taskq.command_upsert_search_attributes('{"SaTheta": "x"}'), 1)),
  jsonb_build_object('task_token', task('batch 2'), 'commands', jsonb_build_array(taskq.command_upsert_search_attributes('{"SaTheta": 1}')))])), '22023 ok', 'in a batch');
SELECT is((SELECT type FROM taskq.search_attribute WHERE name = 'SaTheta'), 'Int', '... neither does one that was rolled back');
SELECT lives_ok('SELECT start(''{"SaAlpha": 1}'')', 'so the first one that is taken decides');
SELECT is((SELECT type FROM taskq.search_attribute WHERE name = 'SaAlpha'), 'Int', '... on the type');

-- ----------------------------------------------------------------------
-- Null
-- ----------------------------------------------------------------------
SELECT is(complete('gone', taskq.command_upsert_search_attributes('{"SaText": "x", "SaInt": 1, "SaList": ["a"]}'), taskq.command_modify_properties('{"a": 1, "b": "x", "c": [], "d": {}, "e": null}')), 'ok', 'null where there is nothing');
SELECT is(memo('gone'), '{"a": 1, "b": "x", "d": {}}', 'null and an empty list are no fields of a memo');
SELECT is(complete('gone', taskq.command_upsert_search_attributes('{"SaText": null, "SaList": [], "SaNone": null}'), taskq.command_modify_properties('{"a": null, "b": "y", "d": [], "z": null}')), 'ok', 'null and an empty list');
SELECT is(attributes('gone'), '{"SaInt": 1}', '... remove search attributes');
SELECT is(memo('gone'), '{"b": "y"}', '... and fields of the memo');
SELECT is(complete('gone', taskq.command_upsert_search_attributes('{"SaInt": null}'), taskq.command_modify_properties('{"b": null}')), 'ok', 'the last ones');
SELECT is(attributes('gone'), NULL, '... no search attributes');
SELECT is(memo('gone'), memo('batch 1'), '... the memo is as if there had been none');
SELECT is(complete('gone', taskq.command_modify_properties('{"b": 1}'), upsert(jsonb_build_object('SaInt', payload('', 'Int', 'binary/null')))), 'ok', 'null as clients write it');
SELECT is(memo('gone'), '{"b": 1}', 'a memo again');
SELECT lives_ok('SELECT FROM taskq.start_workflow(''sa'', ''W'', workflow_id => ''begun'', memo => ''{"a": null, "b": 1}'', search_attributes => ''{"SaInt": null, "SaText": "x"}'')', 'null in a start');
SELECT is(memo('begun'), '{"b": 1}', '... is no field of the memo');
SELECT is(attributes('begun'), '{"SaText": "x"}', '... and no search attribute');
SELECT is(taskq.replay(taskq.workflow_run('gone')), true, 'the run is what its history says');

SELECT * FROM finish();
ROLLBACK;
