INSERT INTO floor (payload) VALUES ('{"kind": "email.send", "user_id": 48213, "to": "someone@example.com", "template": "welcome-v2", "body": "Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusmod tempor incididunt ut labore et dolor"}');
INSERT INTO floor (payload) VALUES ('{}');
INSERT INTO floor (payload) VALUES ('{}');
