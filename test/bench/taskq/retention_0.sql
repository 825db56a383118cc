-- Closed activities of this queue are not kept.
SELECT taskq.configure_queue('q', '{"retention": "0"}');
