-- PgQ: one queue with one consumer.  pgqd makes the ticks.
DROP EXTENSION IF EXISTS pgq CASCADE;
CREATE EXTENSION pgq;
SELECT pgq.create_queue('q'), pgq.register_consumer('q', 'c');
