-- Vacuum does not come: a long autovacuum_naptime, a worker that is busy elsewhere.
ALTER TABLE r2 SET (autovacuum_enabled = off);
