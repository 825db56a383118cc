# file: src/engine/run_complete.c
# test: test/t/model/workflows.pl
# What came while a task was started is not told when the task is given back.
/^run_release_task(/,/^}/ { /run_events_from_outside(/d; /inbox_remove(/d; }
