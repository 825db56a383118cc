# file: src/model/run_task.c
# test: test/t/model/workflows.pl
# The worker whose task has failed gets the next one as well.
/^run_task_ended_badly(/,/^}/ s/^	run_unstick(run);/	(void) 0;/
