-- src/task/channel_names.c
SELECT * FROM no_plan();
CREATE FUNCTION pg_temp.unit(OUT got text, OUT wanted text, OUT claim text) RETURNS SETOF record
LANGUAGE c AS 'taskq_unit', 'unit_channel_names';
SELECT is(got, wanted, claim) FROM pg_temp.unit();
SELECT * FROM finish();
