/*
 * function_claim.c
 *		What a function worker takes next, and how it waits for that.
 *
 * It takes tasks of the queues whose functions run as its role, in turn.  Who
 * takes a task does not know its type before, so a queue is worked on while none
 * of its functions is run by as many processes as its concurrency says: whatever
 * comes, may be run.
 *
 * While there is nothing it waits in the lists of those who wait for the queues
 * (waiters.c), as a CALL of wait_for_task does, outside of any transaction.  It
 * does not wake up to see whether it should have been woken: the supervisor does
 * that for all (function_supervisor.c).
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "base/compat.h"
#include "engine/claim.h"
#include "engine/functions.h"
#include "engine/own_attempt.h"
#include "shared/directory.h"
#include "shared/function_pool.h"
#include "shared/waiter_state.h"
#include "shared/waiters.h"
#include "store/extension.h"
#include "worker/function_claim.h"

/* longest sleep until a task is due: the clock may be set meanwhile */
#define MAX_SLEEP_MS	60000

/* how often to look at queues for which there is no place in the lists */
#define UNLISTED_US		USECS_PER_SEC

/* where to begin, so that each queue has its turn */
static uint64 last_queue = 0;

/* function_identity: as which it polls. */
const char *
function_identity(void)
{
	static char identity[64];

	if (identity[0] == '\0')
		snprintf(identity, sizeof(identity), FUNCTION_WORKER_IDENTITY "%d",
				 MyProcPid);
	return identity;
}

/* the queues of our role, in the order of the table, allocated; how many */
static int
my_queues(QueueRef **queues)
{
	RegisteredFunction *functions;
	int			n = functions_registered(&functions);
	int			count = 0;

	*queues = palloc(Max(n, 1) * sizeof(QueueRef));
	for (int i = 0; i < n; i++)
		if (functions[i].first_of_queue &&
			functions[i].run_as == function_worker_me->role)
			(*queues)[count++] = functions[i].queue;
	return count;
}

static bool
is_running(const FunctionAttempt *attempt, uint64 queue, uint64 type)
{
	return attempt->queue == queue &&
		(attempt->type == type || attempt->type == 0);
}

/* how many other processes run that type of that queue, or may be about to */
static int
others_running(uint64 queue, uint64 type)
{
	int			n = 0;

	for (int i = 0; i < function_pool_size(); i++)
	{
		FunctionWorker *other = function_worker_at(i);

		if (other != function_worker_me && other->database == MyDatabaseId &&
			other->state != FUNCTION_WORKER_NONE &&
			(is_running(&other->current, queue, type) ||
			 is_running(&other->next, queue, type)))
			n++;
	}
	return n;
}

/*
 * function_may_take: is none of the queue's functions run by as many other
 * processes as may run it?  Caller holds function_pool_lock, and has read which
 * functions there are.
 */
bool
function_may_take(uint64 queue)
{
	RegisteredFunction *functions;
	int			n = functions_cached(&functions);

	for (int i = 0; i < n; i++)
		if (functions[i].queue.key.hash == queue &&
			others_running(queue, functions[i].type) >= functions[i].concurrency)
			return false;
	return true;
}

/* let it be known that we take something of the queue; false when we may not */
static bool
reserve(uint64 queue)
{
	bool		may;

	LWLockAcquire(function_pool_lock, LW_EXCLUSIVE);
	may = function_may_take(queue);
	memset(&function_worker_me->next, 0, sizeof(FunctionAttempt));
	if (may)
		function_worker_me->next.queue = queue;
	LWLockRelease(function_pool_lock);
	return may;
}

/* TaskSink: before the claim commits, it is known who has it */
static void
take(void *arg, const Task *task, bool started_before)
{
	const Activity *activity = (const Activity *) task;
	FunctionAttempt *next = &function_worker_me->next;
	uint64		type = name_digest(VARDATA_ANY(activity->activity_type),
								   VARSIZE_ANY_EXHDR(activity->activity_type));

	own_attempt_claimed(task);
	LWLockAcquire(function_pool_lock, LW_EXCLUSIVE);
	next->type = type;
	next->run_id = task->run_id;
	next->nonce = task->nonce;
	LWLockRelease(function_pool_lock);
}

static bool
claim_of(const QueueRef *queue)
{
	ClaimRequest request = {
		.queue = *queue,
		.identity = (char *) function_identity(),
		.max_tasks = 1,
	};

	claim_tasks(&request, take, NULL);
	return own_attempt_next() != NULL;
}

/*
 * function_claim: claim one task, of any of our queues, which becomes the next
 * attempt when the transaction commits.  False when there is none, or we are to
 * leave.
 */
bool
function_claim(void)
{
	QueueRef   *queues;
	int			n = function_worker_me->leave ? 0 : my_queues(&queues);
	int			first = 0;

	for (int i = 0; i < n; i++)
		if (queues[i].key.hash == last_queue)
			first = i + 1;
	for (int i = 0; i < n; i++)
	{
		const QueueRef *queue = &queues[(first + i) % n];

		if (reserve(queue->key.hash) && claim_of(queue))
		{
			last_queue = queue->key.hash;
			return true;
		}
	}
	function_claim_ended(false);
	return false;
}

/*
 * function_claim_ended: the transaction that has claimed, or completed, is over:
 * what was the next attempt is the current one if it has committed.
 */
void
function_claim_ended(bool committed)
{
	FunctionWorker *me = function_worker_me;
	FunctionAttempt before;

	own_attempt_end(committed);
	LWLockAcquire(function_pool_lock, LW_EXCLUSIVE);
	before = me->current;
	if (committed)
	{
		me->current = me->next;
		me->beat.nonce = 0;
	}
	memset(&me->next, 0, sizeof(FunctionAttempt));
	LWLockRelease(function_pool_lock);
	/* others may have waited for that, or are needed now */
	if (committed && (before.queue != me->current.queue ||
					  before.type != me->current.type))
	{
		function_pool_wake(MyDatabaseId);
		if (before.queue == 0)
			directory_wake_worker(directory_my_slot());
	}
}

/* ------------------------------------------------------------------------
 * Waiting
 * ------------------------------------------------------------------------
 */

/*
 * function_begin: open a transaction of ours, with an active snapshot, whatever the
 * role's settings say.  Ends the process when the extension is gone.
 */
void
function_begin(void)
{
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	XactIsoLevel = XACT_READ_COMMITTED;
	XactReadOnly = false;
	if (!OidIsValid(extension_lock()))
		proc_exit(0);
	PushActiveSnapshot(GetTransactionSnapshot());
}

static void
end_look(void)
{
	PopActiveSnapshot();
	CommitTransactionCommand();
}

/* take our places in the lists, or stay in them; of queues beyond the places, none */
static void
enter(const QueueRef *queues, int n)
{
	static uint64 entered[MAX_WAIT_PLACES];
	static int	nentered = 0;
	uint64		keys[MAX_WAIT_PLACES];

	n = Min(n, MAX_WAIT_PLACES);
	for (int i = 0; i < n; i++)
		keys[i] = queues[i].key.hash;
	if (n != nentered || memcmp(keys, entered, n * sizeof(uint64)) != 0)
		wait_leave(true);
	memcpy(entered, keys, n * sizeof(uint64));
	nentered = n;
	if (n > 0)
		wait_enter(keys, n);
	else
		function_worker_me->leave = true;	/* there is nothing to do any more */
}

/* when to look at the queue again, unless we are woken */
static TimestampTz
look_again_at(const QueueRef *queue)
{
	TimestampTz when = DT_NOEND;
	bool		may;

	if (claim_ready(queue, &when) == 0)
		return when;
	LWLockAcquire(function_pool_lock, LW_SHARED);
	may = function_may_take(queue->key.hash);
	LWLockRelease(function_pool_lock);
	return may ? clock_now() : DT_NOEND;
}

/*
 * Enter the lists of our queues, look, and claim; *next is when to look again.
 * True when something was claimed.
 */
static bool
look(TimestampTz *next)
{
	QueueRef   *queues;
	int			n;
	bool		claimed;

	function_begin();
	n = my_queues(&queues);
	enter(queues, n);
	claimed = n > 0 && function_claim();
	for (int i = 0; i < n && !claimed; i++)
	{
		*next = Min(*next, look_again_at(&queues[i]));
		if (i < MAX_WAIT_PLACES)
			wait_saw_nothing(i);
	}
	if (n > MAX_WAIT_PLACES)	/* nobody wakes us for the others */
		*next = Min(*next, instant_add(clock_now(), UNLISTED_US));
	end_look();
	if (claimed)
	{
		wait_leave(false);
		function_claim_ended(true);
	}
	return claimed;
}

/* how long to sleep, at "now", until "until" (taskq's clock) or "leave_at" (real) */
static long
sleep_ms(TimestampTz now, TimestampTz until, TimestampTz leave_at)
{
	long		ms = TimestampDifferenceMilliseconds(now, leave_at);

	return until == DT_NOEND ? ms : Min(ms, clock_ms_until(until, MAX_SLEEP_MS));
}

/* sleep until woken, or "until"; false when it is time to leave */
static bool
sleep_until(TimestampTz until, TimestampTz leave_at)
{
	long		ms;
	TimestampTz now;

	while (wait_until(&until))
	{
		now = GetCurrentTimestamp();
		ms = sleep_ms(now, until, leave_at);
		if (now >= leave_at || function_worker_me->leave)
			return false;
		if (ms <= 0)
			break;
		pgstat_report_activity(STATE_IDLE, NULL);
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 ms, custom_wait_event("TaskqFunctionWorkerMain"));
		ResetLatch(MyLatch);
		QueryCancelPending = false; /* nothing runs */
		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
		}
		break;
	}
	return !function_worker_me->leave;
}

/*
 * function_wait: look and sleep until something is claimed, which is the current
 * attempt then.  False when it is time to leave (real clock).
 */
bool
function_wait(TimestampTz leave_at)
{
	TimestampTz next;

	do
	{
		next = DT_NOEND;
		if (look(&next))
			return true;
		pgstat_report_stat(true);
	} while (sleep_until(next, leave_at));
	wait_leave(true);
	return false;
}
