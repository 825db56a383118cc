-- src/shared/listener_marks.c
SELECT * FROM no_plan();
CREATE FUNCTION pg_temp.unit(OUT got text, OUT wanted text, OUT claim text) RETURNS SETOF record
LANGUAGE c AS 'taskq_unit', 'unit_listener_marks';
SELECT is(got, wanted, claim) FROM pg_temp.unit();
SELECT * FROM finish();
