# file: src/engine/execute.c
# test: test/t/crash/crash_terminated.pl
# The token of an attempt that is over is as good as that of the one that runs.
s/activity->task.nonce != address->nonce/false/
