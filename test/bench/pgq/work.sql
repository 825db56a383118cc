SELECT coalesce(pgq.next_batch('q', 'c'), 0) AS batch \gset
\if :batch
SELECT ev_id, ev_type, ev_data FROM pgq.get_batch_events(:batch);
SELECT pgq.finish_batch(:batch);
\endif
