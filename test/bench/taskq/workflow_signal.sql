SELECT taskq.signal_workflow('w', 'add', '{"article": 4711, "amount": 5}');
