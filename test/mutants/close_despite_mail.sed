# file: src/engine/run_complete.c
# test: test/t/model/workflows.pl
# A workflow may close though it has not seen what waits for it.
s/commands.closes && step->mail_before > 0;/commands.closes \&\& step->mail_before > 1;/
