# shellcheck shell=bash
# A server under valgrind, for test/valgrind. To be sourced by test/run.
#
# A report counts if a function of taskq is among its callers, or if memory was
# read or written that is not there. The rest is between PostgreSQL and
# valgrind: bytes between fields, mostly, that are copied or written.

# What PostgreSQL knows of, when a function of taskq is what makes it do so: its
# files and records have holes, which are written, and summed up.
memcheck_suppressions()
{
	local kind caller

	for kind in Cond Value4 Value8; do
		printf '{\nsum\nMemcheck:%s\n...\nfun:XLogInsert\n...\n}\n' "$kind"
		printf '{\nsum\nMemcheck:%s\n...\nfun:XLogRecordAssemble\n...\n}\n' "$kind"
	done
	for kind in 'write(buf)' 'pwrite64(buf)' 'pwritev(vector[0])' 'pwritev(vector[1])'; do
		for caller in XLogWrite FlushBuffer write_relcache_init_file; do
			printf '{\nwrite\nMemcheck:Param\n%s\n...\nfun:%s\n...\n}\n' "$kind" "$caller"
		done
	done
}

# A program to be started in place of $BIN/postgres.
memcheck_server()
{
	as_user mkdir memcheck
	memcheck_suppressions | as_user tee memcheck/suppressions >/dev/null
	as_user tee memcheck/postgres >/dev/null <<-EOF
		#!/bin/sh
		exec valgrind --quiet --leak-check=no --num-callers=40 --fullpath-after= \\
			--error-markers=REPORT-BEGIN,REPORT-END --error-limit=no \\
			--suppressions=$WORK/memcheck/suppressions --log-file=$WORK/memcheck/%p.log \\
			$BIN/postgres "\$@"
	EOF
	as_user chmod +x memcheck/postgres
	SERVER_PROGRAM=$WORK/memcheck/postgres
}

# One result for each report that counts, or a good one if there is none.
run_valgrind_check()
{
	local reports=$WORK/memcheck/reports count all

	cat "$WORK"/memcheck/*.log 2>/dev/null |
		awk -v tree="$WORK/tree/src/" '
			/REPORT-BEGIN/ { report = ""; counts = 0; inside = 1; all++ }
			inside { report = report $0 "\n" }
			inside && (index($0, tree) || /Invalid (read|write|free)/) { counts = 1 }
			/REPORT-END/ && inside { inside = 0; if (counts) printf "%s\n", report }
			END { print all + 0 > "/dev/stderr" }' >"$reports" 2>"$WORK/memcheck/all"
	count=$(grep -c REPORT-BEGIN "$reports") || true
	all=$(cat "$WORK/memcheck/all")
	if [ "$count" -gt 0 ]; then
		say "--- what valgrind reports"
		head -n 400 "$reports"
		result "$PG_VERSION" valgrind 0 "$count" "of $all reports"
	else
		result "$PG_VERSION" valgrind 1 0 "$all reports that do not concern taskq"
	fi
}
