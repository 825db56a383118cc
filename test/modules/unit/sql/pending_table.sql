-- src/base/pending_table.c
SELECT * FROM no_plan();
CREATE FUNCTION pg_temp.unit(OUT got text, OUT wanted text, OUT claim text) RETURNS SETOF record
LANGUAGE c AS 'taskq_unit', 'unit_pending_table';
SELECT is(got, wanted, claim) FROM pg_temp.unit();
SELECT * FROM finish();
