# file: src/model/run_task.c
# test: test/t/model/workflows.pl
# An attempt after a failed one leaves no events even if something has happened since.
s/if (run_task_is_transient(run) && (run->flags & RUN_GREW))/if (run_task_is_transient(run) \&\& run->next_event_id < 0)/
