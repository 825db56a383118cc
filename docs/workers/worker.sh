#!/usr/bin/env bash
# A worker in bash, with psql: worker.sh QUEUE DIRECTORY. Connects as the environment (PGHOST ...) says.
#
# An activity is a program in DIRECTORY, named as its type. It has the input, JSON, on standard input, and
# prints the result, JSON. The file $PROGRESS is for its progress, JSON; that of the attempt before is in it.
set -uo pipefail
queue=$1 programs=$(realpath "$2") identity=$$@$HOSTNAME stopping='' activity=''
work=$(mktemp -d) && cd "$work" && export PROGRESS=$work/progress || exit
# none for EXIT: with one, a process that has just begun may miss a signal to end
trap 'stopping=1; [ -z "$activity" ] || kill -- "-$activity" 2>/dev/null' TERM INT

once()    # statements on standard input, name=value as psql variables; errors go to a file
{
	local variable variables=()
	errors=error.$BASHPID    # of this shell
	for variable; do variables+=(-v "$variable"); done
	psql -X -q -A -t -v ON_ERROR_STOP=1 -v VERBOSITY=sqlstate "${variables[@]}" 2>"$errors"
}

call()    # the same again until it is done, or cannot be: then it prints the SQLSTATE
{
	local sql state tries; sql=$(cat)
	for ((tries = 0; ; tries++)); do
		once "$@" <<<"$sql" && return
		state=$(sed -n 's/.*ERROR:  //p' "$errors")
		case $state in
			08* | 40* | 53* | 57* | '') ;;    # connection, conflict, resources, shutdown; not even connected
			*) echo "$state"; return 1 ;;
		esac
		[ -z "$stopping" ] || [ "$tries" -lt 4 ] || return
		echo "trying again: $(cat "$errors")" >&2
		sleep $((tries < 4 ? 1 << tries : 10))
	done
}

heartbeat="SELECT CASE WHEN cancel_requested THEN 'cancel' WHEN activity_paused OR activity_reset THEN 'stop' ELSE '' END
	FROM taskq.heartbeat(:'token', nullif(:'details', '')::jsonb, :'identity')"

beat()    # until it is killed; what it hears goes to a file, and the activity is asked to end
{
	local heard
	while sleep "$pause"; do
		heard=$(call "token=$token" "details=$(cat progress)" "identity=$identity" <<<"$heartbeat") || [ "$heard" = TQ001 ] || continue
		[ -z "$heard" ] || { echo "$heard" >heard; kill -- "-$activity" 2>/dev/null; return; }
	done
}

report()    # the call of a function of taskq; it has what the activity has left
{
	call "token=$token" "identity=$identity" <<-SQL
		\set result \`tr '\\0' '\\1' <result\`
		\set details \`cat progress\`
		\set errors \`tail -c 1000 errors | iconv -c -f UTF-8 -t UTF-8\`
		SELECT taskq.$1
	SQL
}

work()    # a task
{
	local status heart end state
	: >heard
	printf '%s' "$details" >progress
	set -m    # a process group of its own
	"$programs/${type:-no such activity type}" <<<"$input" >result 2>errors &
	activity=$!
	set +m
	[ -z "$stopping" ] || kill -- "-$activity" 2>/dev/null    # told while this was polled
	beat & heart=$!
	while wait "$activity"; status=$?; kill -0 "$activity" 2>/dev/null; do :; done    # a signal ends a wait, too
	activity=''
	{ kill -KILL "$heart"; wait "$heart"; } 2>/dev/null    # whoever has ended is not there
	case $status,$(cat heard),$stopping in
		0,*) end="complete(:'token', nullif(:'result', '')::jsonb, :'identity')" ;;
		*,cancel,*) end="report_canceled(:'token', nullif(:'details', '')::jsonb, :'identity')" ;;
		*,,) end="fail(:'token', :'errors', 'Exit$status', last_heartbeat_details => nullif(:'details', '')::jsonb)" ;;
		*) end="release(:'token', NULL, nullif(:'details', '')::jsonb, :'identity')" ;;
	esac
	state=$(report "$end") || case $state in
		22*) report "fail(:'token', 'the output is refused: $state', 'InvalidOutput', non_retryable => true)" >&2 ;;
		TQ001) echo "not ours any more: $token" >&2 ;;
		*) echo "$end: $state" >&2; rm -rf "$work"; exit 1 ;;
	esac
}

while [ -z "$stopping" ]; do
	call "queue=$queue" <<<"CALL taskq.wait_for_task(:'queue', '5 s')" >wait || { echo "$(<wait)" >&2; break; }
	lost='' task=$(once "queue=$queue" "identity=$identity" <<<"
		BEGIN; -- if the connection is lost before COMMIT, nothing was taken
		SELECT unnest(ARRAY[task_token::text, least(10, extract(epoch FROM heartbeat_timeout) / 2)::text,
			CASE WHEN activity_type ~ '^\w+$' THEN activity_type END, heartbeat_details::text, input::text])
		  FROM taskq.poll(:'queue', :'identity');
		COMMIT") || lost=1
	[ -n "$task" ] || continue
	{ read -r token; read -r pause; read -r type; read -r details; read -r input; } <<<"$task"
	# if it is lost with COMMIT, this tells
	[ -z "$lost" ] || call "token=$token" "details=$details" "identity=$identity" <<<"$heartbeat" || continue
	work
done
rm -rf "$work"; [ -n "$stopping" ]
