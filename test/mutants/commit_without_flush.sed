# file: src/engine/transaction.c
# test: test/t/crash/crash_server.pl
# Commits do not wait until they are on disk: what was acknowledged last is lost.
/^at_transaction_end(/,/^}/ s/^	tell_cursors(event);/	synchronous_commit = SYNCHRONOUS_COMMIT_OFF;\n&/
