/*
 * notify_runs.c
 *		The worker's chore for those who watch runs: what these have become.
 *
 * Transactions leave that in shared memory (watched_runs.c), and many are told
 * of in one transaction, for the reasons that notify.c gives.  What was taken
 * and could not be sent is put back by the next round.
 */
#include "postgres.h"

#include "commands/async.h"

#include "base/basics.h"
#include "common/statuses.h"
#include "shared/watched_runs.h"
#include "task/channel_names.h"
#include "task/task.h"
#include "worker/chore.h"
#include "worker/notify.h"
#include "worker/notify_runs.h"

/* told of in one transaction */
#define MAX_BATCH			256

static RunChange batch[MAX_BATCH];
static int	batch_used = 0;

static const char *
status_of(int state)
{
	if (state == RUN_DELETED)
		return WATCH_DELETED;
	if (state == RUN_UNKNOWN)
		return WATCH_UNKNOWN;
	return state_is_closed(state) ? state_name(state) :
		state == STATE_PAUSED ? STATUS_PAUSED : STATUS_RUNNING;
}

/*
 * notify_runs_stop: the worker ends, maybe in the middle of a batch, which is
 * left to the next one.
 */
void
notify_runs_stop(void)
{
	if (batch_used > 0)
		watched_runs_put_back(batch, batch_used);
	batch_used = 0;
}

/* notify_runs_run: the chore. */
TimestampTz
notify_runs_run(void)
{
	static bool starting = true;
	TimestampTz next;

	notify_runs_stop();
	if (starting)
		watched_runs_all_changed();
	starting = false;

	batch_used = watched_runs_take(batch, MAX_BATCH, &next);
	if (batch_used == 0)
		return next;
	notify_begin("watched runs");
	for (int i = 0; i < batch_used; i++)
	{
		char	   *channel = run_channel(batch[i].run_id);

		Async_Notify(channel, psprintf(INT64_FORMAT " %s", batch[i].run_id,
									   status_of(batch[i].state)));
		pfree(channel);
	}
	chore_commit();
	batch_used = 0;
	return next;
}
