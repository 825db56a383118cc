/*
 * run_end.c
 *		The end of runs that others want: termination, deletion.
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "base/clock.h"
#include "base/json.h"
#include "common/proto_enums.h"
#include "engine/run_end.h"
#include "engine/run_lock.h"
#include "engine/run_world.h"
#include "engine/run_write.h"
#include "model/run_task.h"
#include "store/closed_runs.h"
#include "store/history.h"
#include "store/inbox.h"

/*
 * run_terminate: close an open run at once; "details" are payloads, or NULL.  False:
 * there is no such open run.  Waits for who keeps it open.
 */
bool
run_terminate(int64 run_id, const char *reason, Jsonb *details, const char *identity)
{
	RunWritten	written = {0};
	JsonBuilder builder;
	Run			before;
	Run			run;
	RunStep		step;
	InboxRow   *rows;
	int			nrows;

	if (run_lock(run_id, RUN_LOCK_CLOSE, true, &before) != RUN_LOCKED)
		return false;
	run = before;
	run_step_begin(&step, &run, &run_world, clock_now(), identity);
	run_read_mail(&step, &rows, &nrows);
	json_begin(&builder);
	if (reason != NULL && reason[0] != '\0')
		json_add_text(&builder, "reason", reason);
	if (details != NULL)
		json_add(&builder, "details", details);
	if (identity != NULL && identity[0] != '\0')
		json_add_text(&builder, "identity", identity);
	run_force_close(&step, RUN_STATUS_TERMINATED, EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED,
					json_end(&builder));
	run_write(&step, &before, &written);
	return true;
}

/* run_delete: remove a run, open or closed, with its history; false when there is none. */
bool
run_delete(int64 run_id)
{
	bool		was_open = run_terminate(run_id, "deleted", NULL, "history-service");

	/* with retention 0 a closed one is gone as soon as it is closed */
	if (!closed_run_delete(run_id) && !was_open)
		return false;
	history_delete(run_id, 0);
	return true;
}
