-- Six transactions that write no more than that they have committed.
SELECT pg_logical_emit_message(true, '', '');
SELECT pg_logical_emit_message(true, '', '');
SELECT pg_logical_emit_message(true, '', '');
SELECT pg_logical_emit_message(true, '', '');
SELECT pg_logical_emit_message(true, '', '');
SELECT pg_logical_emit_message(true, '', '');
