# file: src/engine/run_complete.c
# test: test/t/model/workflows.pl
# A workflow may close though it has not seen what waits for it.
s/completion->commands.closes && step->mail_before > 0/completion->commands.closes \&\& step->mail_before > 1/
