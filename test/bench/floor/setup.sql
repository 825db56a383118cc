-- What a round trip, and a transaction that writes, cost here at least.
DROP TABLE IF EXISTS floor;
CREATE TABLE floor (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, payload jsonb NOT NULL);
