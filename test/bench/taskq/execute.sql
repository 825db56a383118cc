CALL taskq.execute('q', 'email.send', '{"kind": "email.send", "user_id": 48213}', start_to_close_timeout => '30 s');
