-- A signal that is sent if something else is done, and only then.
BEGIN;
INSERT INTO effects (input) VALUES ('{"article": 4711, "amount": 5}');
SELECT taskq.signal_workflow('w', 'add', '{"article": 4711, "amount": 5}');
COMMIT;
