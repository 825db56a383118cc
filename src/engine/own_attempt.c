/*
 * own_attempt.c
 *		The attempt that this process runs as a function, and the next one, which
 *		the transaction that completes it has claimed.
 *
 * Both are copies in memory of their own.  A function worker says in shared
 * memory which they are (function_pool.c) before the claim is committed.
 */
#include "postgres.h"

#include "access/detoast.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "base/compat.h"
#include "engine/heartbeat.h"
#include "engine/own_attempt.h"
#include "engine/refusal.h"
#include "engine/token.h"
#include "notes/beats.h"
#include "notes/ledger.h"
#include "shared/function_pool.h"
#include "shared/queue_state.h"
#include "store/find.h"
#include "store/heartbeat_row.h"
#include "task/queue_keys.h"

typedef struct Room
{
	MemoryContext context;
	bool		used;
	OwnAttempt	attempt;
} Room;

static Room rooms[2];
static int	current = 0;		/* the other one is the next */

/* own_attempt: the one that runs; NULL outside of functions. */
const OwnAttempt *
own_attempt(void)
{
	return rooms[current].used ? &rooms[current].attempt : NULL;
}

/* own_attempt_next: the one that is claimed; NULL when none is. */
const OwnAttempt *
own_attempt_next(void)
{
	return rooms[1 - current].used ? &rooms[1 - current].attempt : NULL;
}

static void *
copy(const void *varlena)
{
	return varlena == NULL ? NULL :
		PG_DETOAST_DATUM_COPY(PointerGetDatum(varlena));
}

/* own_attempt_claimed: it is the next one, if the transaction commits. */
void
own_attempt_claimed(const Task *task)
{
	const Activity *from = (const Activity *) task;
	Room	   *room = &rooms[1 - current];
	Activity   *to = &room->attempt.activity;
	MemoryContext old;

	if (room->context == NULL)
		room->context = AllocSetContextCreate(TopMemoryContext, "taskq attempt",
											  ALLOCSET_DEFAULT_SIZES);
	MemoryContextReset(room->context);
	old = MemoryContextSwitchTo(room->context);
	memset(to, 0, sizeof(Activity));
	to->task = *task;
	memset(&to->task.place, 0, sizeof(LanePlace));
	to->task.worker = NULL;
	to->task.control = NULL;
	to->task.queue = copy(task->queue);
	to->task.fairness_key = copy(task->fairness_key);
	to->options = from->options;
	memset(&to->options.retry_policy, 0, sizeof(RetryPolicy));
	to->activity_type = copy(from->activity_type);
	to->activity_id = copy(from->activity_id);
	to->input = copy(from->input);
	to->header = copy(from->header);
	MemoryContextSwitchTo(old);
	room->used = true;
}

/*
 * own_attempt_end: the transaction has ended.  If it has committed the attempt is
 * over, and the next one, if there is one, takes its place; else that was not
 * claimed.
 */
void
own_attempt_end(bool committed)
{
	if (!committed)
	{
		rooms[1 - current].used = false;
		return;
	}
	rooms[current].used = false;
	current = 1 - current;
}

/* the last heartbeat of the attempt, as it is in shared memory from now on */
static void
publish(int64 nonce, int64 count, struct varlena *details)
{
	FunctionBeat *beat = &function_worker_me->beat;
	int			length = details == NULL ? 0 : VARSIZE_ANY_EXHDR(details);

	Assert(length <= FUNCTION_DETAILS);
	LWLockAcquire(function_pool_lock, LW_EXCLUSIVE);
	beat->nonce = nonce;
	beat->time = clock_now();
	beat->count = count;
	beat->length = length;
	if (length > 0)
		memcpy(beat->details, VARDATA_ANY(details), length);
	LWLockRelease(function_pool_lock);
}

/*
 * own_attempt_heartbeat: one more heartbeat of the attempt that runs, seen by all
 * at once, whatever becomes of the transaction.  Returns the state of the activity.
 * Details are detoasted, and at most FUNCTION_DETAILS long.  Raises TQ001 when the
 * attempt is over.
 */
State
own_attempt_heartbeat(struct varlena *details)
{
	const Task *task = &own_attempt()->activity.task;
	Heartbeat	heartbeat;
	OpenGlance	glance;
	QueueRef	queue;

	if (!store_glance(task->run_id, &glance) ||
		!state_in_progress(glance.state) || glance.nonce != task->nonce)
		report_stale_token(ERROR, UUIDPGetDatum(token_make(task->run_id,
														   task->nonce)));
	heartbeat_row_read(task->run_id, &heartbeat);
	(void) heartbeat_add_newer(task->run_id, task->nonce, &heartbeat);
	publish(task->nonce, beats_counted(heartbeat.count, 1), details);
	queue = queue_ref(glance.task_queue);
	ledger_count(&queue, COUNT_HEARTBEATS, 1);
	return glance.state;
}
