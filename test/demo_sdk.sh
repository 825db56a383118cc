# shellcheck shell=bash
# The acts of `bash test/demo sdk`: an application written with Temporal's Python
# SDK (test/demo_sdk.py), served by taskq-gateway. To be sourced by test/demo.

SDK_VERSION=1.35.0
SDK_QUEUE=pages
SDK_TASKS=${TASKS:-60}
SDK_VICTIM=worker-2
GATEWAY_ADDRESS=

install_sdk()
{
	step "Temporal's Python SDK $SDK_VERSION, in an environment of its own"
	as_user python3 -m venv venv
	as_user venv/bin/pip install -q --disable-pip-version-check --no-cache-dir \
		"temporalio==$SDK_VERSION" >"$WORK/pip.log" 2>&1 ||
		{
			cat "$WORK/pip.log"
			die "pip cannot install temporalio"
		}
}

# On a port that is free: its log says which.
start_gateway()
{
	step "taskq-gateway"
	become_user "$BIN/taskq-gateway" --listen 127.0.0.1:0 \
		--dbname "host=$WORK port=$PGPORT user=postgres dbname=demo" >"$WORK/gateway.log" 2>&1 &
	say $! | as_user tee gateway.pid >/dev/null
	until GATEWAY_ADDRESS=$(sed -n 's/.*listening on \(.*\) for gRPC.*/\1/p' "$WORK/gateway.log") &&
		[ -n "$GATEWAY_ADDRESS" ]; do
		kill -0 $! 2>/dev/null || die "the gateway does not start: $(tail -n 3 "$WORK/gateway.log")"
		sleep "$TICK"
	done
	say "  listens on $GATEWAY_ADDRESS"
}

start_sdk_workers()
{
	local worker

	step "two Python workers; $SDK_VICTIM will be killed while it holds activities"
	for worker in worker-1 "$SDK_VICTIM"; do
		become_user venv/bin/python tree/test/demo_sdk.py "$GATEWAY_ADDRESS" worker "$worker" \
			>"$WORK/$worker.log" 2>&1 &
		PIDS[$worker]=$!
	done
}

# Both sides at work. The victim is killed when it holds some activities.
run_client()
{
	local client status=0

	step "a Python client"
	become_user venv/bin/python tree/test/demo_sdk.py "$GATEWAY_ADDRESS" client "$SDK_TASKS" &
	client=$!
	PIDS[client]=$client
	wait_for "SELECT count(*) >= 4 FROM taskq.activities
			   WHERE task_queue = '$SDK_QUEUE' AND run_state = 'started'
				 AND last_worker_identity = '$SDK_VICTIM'"
	kill -KILL "${PIDS[$SDK_VICTIM]}"
	wait "${PIDS[$SDK_VICTIM]}" 2>/dev/null || true
	unset "PIDS[$SDK_VICTIM]"
	say "  $SDK_VICTIM killed with SIGKILL"
	wait "$client" || status=$?
	unset "PIDS[client]"
	return "$status"
}

show_sdk_results()
{
	step "the same activities, seen by SQL"
	show_sql "SELECT last_worker_identity AS done_by, status, attempt AS attempts, count(*),
       min(last_failure->>'message') AS failure_before
  FROM taskq.activities WHERE task_queue = '$SDK_QUEUE'
 GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
	cat <<-EOT

		PostgreSQL and the gateway are still running. To look around:

		    psql -h $DEMO -U postgres demo
		    Client.connect("$GATEWAY_ADDRESS") in a Python program of yours

		To stop them:

		    bash test/demo stop
	EOT
}

sdk_demo()
{
	prepare python3 python3-venv
	install_sdk
	start_gateway
	start_sdk_workers
	run_client || die "results are missing"
	end_workers
	show_sdk_results
}
