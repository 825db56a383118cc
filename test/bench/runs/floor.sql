-- What both designs write: appends, and the closed run. Seven transactions, too.
SELECT nextval('run_ids') AS base \gset
BEGIN;
INSERT INTO history SELECT :base::bigint + i, 1, 1, :started::jsonb FROM generate_series(0, :n::int - 1) i;
COMMIT;
BEGIN;
SELECT txid_current();
COMMIT;
BEGIN;
INSERT INTO history SELECT :base::bigint + i, 2, 4, :scheduled::jsonb FROM generate_series(0, :n::int - 1) i;
COMMIT;
BEGIN;
SELECT txid_current();
COMMIT;
BEGIN;
INSERT INTO history SELECT :base::bigint + i, 6, 2, :done::jsonb FROM generate_series(0, :n::int - 1) i;
COMMIT;
BEGIN;
SELECT txid_current();
COMMIT;
BEGIN;
INSERT INTO history SELECT :base::bigint + i, 8, 4, :closed::jsonb FROM generate_series(0, :n::int - 1) i;
INSERT INTO closed SELECT :base::bigint + i, clock_timestamp(), clock_timestamp(), 'order-' || (:base::bigint + i), 'Order', 'orders', 11, 1, '{"order": 17}' FROM generate_series(0, :n::int - 1) i;
COMMIT;
