--
-- The quick start of the README, as printed there but for the random token
--
\set ON_ERROR_STOP 1
SET client_min_messages = warning;
DROP EXTENSION taskq;
RESET client_min_messages;

CREATE EXTENSION taskq;
CREATE TABLE orders (id int PRIMARY KEY, status text);

-- a function of the database does the work
CREATE FUNCTION reserve(input jsonb) RETURNS jsonb LANGUAGE sql AS $$
  UPDATE orders SET status = 'reserved' WHERE id = (input->>'order')::int RETURNING to_jsonb(id)
$$;
SELECT taskq.register_function('reserve', 'reserve(jsonb)', 'stock');
INSERT INTO orders VALUES (16, 'new');
CALL taskq.execute('stock', 'reserve', '{"order": 16}', start_to_close_timeout => '30 s');
SELECT * FROM orders;

-- the order and its task commit together, or not at all
BEGIN;
INSERT INTO orders VALUES (17, 'new');
SELECT * FROM taskq.schedule('mail', 'send_receipt', '{"order": 17}',
                             activity_id => 'receipt-17', start_to_close_timeout => '30 s');
COMMIT;

-- a worker takes the task; its first attempt goes wrong
SELECT task_token, activity_type, input, attempt FROM taskq.poll('mail') \gset
\echo :activity_type :input :attempt
SELECT taskq.fail(:'task_token', 'mail server is down', error_type => 'SmtpError');

-- it sleeps until the retry is due, and commits the result with its own change
CALL taskq.wait_for_task('mail', '10 s');
SELECT task_token FROM taskq.poll('mail') \gset
BEGIN;
UPDATE orders SET status = 'mailed' WHERE id = 17;
SELECT taskq.complete(:'task_token', '{"message": "250 OK"}');
COMMIT;
SELECT activity_id, status, attempt, result, last_failure->>'message' AS last_failure FROM taskq.activities WHERE task_queue = 'mail';

-- an order that is rolled back leaves no task
BEGIN;
INSERT INTO orders VALUES (18, 'new');
SELECT created FROM taskq.schedule('mail', 'send_receipt', '{"order": 18}', start_to_close_timeout => '30 s');
ROLLBACK;
SELECT count(*) FROM taskq.poll('mail');

SELECT * FROM taskq.outcome(2);
SELECT o.status, a.status FROM orders o, taskq.describe('receipt-' || o.id) a WHERE o.id = 17;

SELECT taskq.unregister_function('reserve', 'stock');
DROP FUNCTION reserve(jsonb);
DROP TABLE orders;
SELECT taskq.delete(run_id => 1);
SELECT taskq.delete('receipt-17');
