/*
 * heartbeat.c
 *		The last heartbeat of an open activity, wherever it is kept.
 *
 * A heartbeat of a running attempt goes to a slot in shared memory
 * (heartbeat_slots.c) when its transaction commits, and from there, together
 * with many others, to taskq.heartbeat_state (heartbeat_flush.c), at the
 * latest in the transaction that ends the attempt.  Nothing is written before,
 * so a transaction that only heartbeats needs no transaction id and no WAL.
 * Who reads takes the slot or the row, whichever has the greater count, and on
 * top of it what his own transaction has not committed yet.
 *
 * Some heartbeats are written to the row at once, under the lock of the
 * activity's row in taskq.open: those with large details, those that find no
 * free slot or no worker that would flush it, those under a transaction
 * snapshot, those of a transaction that is prepared, and those that meet
 * somebody else's lock on the activity's row.
 *
 * Nobody ends an attempt while a transaction is open that has heartbeated it,
 * and the other way round:
 *
 * - A heartbeat first takes hold of the slot, waiting for another holder, and
 *	 reads the activity's row after that.  If somebody is writing the row it
 *	 lets go and queues for the lock of the row; else the hold is firm.
 * - A call that ends an attempt, or writes a heartbeat to the row, waits for a
 *	 firm holder before it locks the activity's row (heartbeat_await), since the
 *	 holder may want that next, and again after it (settle), for who got in
 *	 between; then nobody gets a firm hold any more.
 * - The worker locks the row, looks for any holder, and tries again later if
 *	 there is one.
 *
 * What a transaction has done is in a log (heartbeat_log.c) until it ends.
 */
#include "postgres.h"

#include "access/detoast.h"
#include "access/htup_details.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/timestamp.h"

#include "clock.h"
#include "compat.h"
#include "heartbeat.h"
#include "heartbeat_log.h"
#include "ledger.h"
#include "worker.h"

/* how long to wait for who has not seen the row yet */
#define SETTLE_LOOKS	1000
#define SETTLE_US		50L

/* ------------------------------------------------------------------------
 * Holding
 * ------------------------------------------------------------------------
 */

/*
 * An entry of the current subtransaction for one more heartbeat, that holds
 * the slot if there is room; waits for another holder.
 */
static LogEntry *
hold(int64 run_id, int64 nonce)
{
	LogEntry   *entry = heartbeat_log_newest(run_id, nonce);
	VirtualTransactionId holder;
	bool		ask_row = false;

	if (entry != NULL && !entry->written &&
		entry->subid == GetCurrentSubTransactionId())
		return entry;
	entry = heartbeat_log_add(run_id, nonce);
	while (heartbeat_slot_hold(run_id, nonce, &entry->ref, &ask_row,
							   &holder) == HOLD_TAKEN)
	{
		CHECK_FOR_INTERRUPTS();
		(void) VirtualXactLock(holder, true);
	}
	entry->base = ask_row ? -1 : 0;
	return entry;
}

/*
 * heartbeat_is_held: does another transaction hold the attempt in progress?
 */
bool
heartbeat_is_held(const Activity *activity)
{
	VirtualTransactionId holder;

	return heartbeat_slot_held(activity->run_id, activity->nonce,
							   &holder) != HOLD_NONE;
}

/*
 * heartbeat_await: wait for the transaction that holds the attempt in
 * progress; false when there is none.  The row may have changed then.  For
 * those who do not hold the row.
 */
bool
heartbeat_await(const Activity *activity)
{
	VirtualTransactionId holder;

	if (heartbeat_slot_held(activity->run_id, activity->nonce,
							&holder) != HOLD_FIRM)
		return false;
	(void) VirtualXactLock(holder, true);
	return true;
}

/*
 * Wait for those who got hold of the attempt before its row was written.  Who
 * has not seen the row yet is about to; if that takes long, because he has to
 * wait for us, say, his heartbeat comes too late.
 */
static void
settle(const Activity *activity)
{
	VirtualTransactionId holder;
	int			patience = SETTLE_LOOKS;
	Hold		hold;

	while ((hold = heartbeat_slot_held(activity->run_id, activity->nonce,
									   &holder)) != HOLD_NONE)
	{
		CHECK_FOR_INTERRUPTS();
		if (hold == HOLD_FIRM)
			(void) VirtualXactLock(holder, true);
		else if (patience-- > 0)
			pg_usleep(SETTLE_US);
		else
			break;
	}
}

/* ------------------------------------------------------------------------
 * A heartbeat to a slot
 * ------------------------------------------------------------------------
 */

/* is there a worker that will flush? */
static bool
is_served(void)
{
	DatabaseSlot *slot = shmem_my_slot();

	return slot != NULL && slot->worker_pid != 0;
}

static void
set_details(Beat *beat, const struct varlena *details)
{
	beat->length = details == NULL ? 0 : VARSIZE_ANY_EXHDR(details);
	if (beat->length > 0)
		memcpy(beat->details, VARDATA_ANY(details), beat->length);
}

/* can the attempt be heartbeated without a lock on its row? */
static bool
is_open(const LogEntry *entry, bool held_before, OpenGlance *glance)
{
	return store_glance(entry->beat.run_id, glance) &&
		state_in_progress(glance->state) &&
		glance->nonce == entry->beat.nonce &&
		(held_before || !glance->locked);
}

/*
 * heartbeat_quickly: a heartbeat that needs no write, if that can be; *state
 * is then that of the activity.  False, with nothing done, when the attempt
 * may be over or the heartbeat has to be written: execute() can tell.
 */
bool
heartbeat_quickly(int64 run_id, int64 nonce, struct varlena *details,
				  State *state)
{
	LogEntry   *entry;
	OpenGlance	glance;
	Heartbeat	row;
	bool		held_before;

	if (IsolationUsesXactSnapshot() || !is_served())
		return false;
	if (details != NULL)
	{
		if (toast_raw_datum_size(PointerGetDatum(details)) - VARHDRSZ >
			SLOT_DETAILS)
			return false;
		details = pg_detoast_datum_packed(details);
	}

	entry = heartbeat_log_newest(run_id, nonce);
	held_before = entry != NULL && entry->ref.slot >= 0;
	entry = hold(run_id, nonce);
	if (entry->ref.slot < 0 || !is_open(entry, held_before, &glance) ||
		!heartbeat_slot_confirm(entry->ref))
	{
		if (entry->beats == 0)
			heartbeat_log_drop();
		return false;
	}
	if (entry->base < 0)
	{
		heartbeat_row_read(run_id, &row);
		entry->base = row.count;
	}
	entry->beat.last_time = clock_now();
	set_details(&entry->beat, details);
	entry->beats++;
	ledger_count(glance.task_queue, COUNT_HEARTBEATS, 1);
	*state = glance.state;
	return true;
}

/* ------------------------------------------------------------------------
 * The last heartbeat
 * ------------------------------------------------------------------------
 */

static void
take_over(Heartbeat *heartbeat, const Beat *beat, int64 count)
{
	heartbeat->last_time = beat->last_time;
	heartbeat->count = count;
	heartbeat->details = heartbeat_slot_details(beat);
}

/*
 * What there is of an attempt in progress, on top of the row; true when that
 * is more than the row has.
 */
static bool
add_newer(int64 run_id, int64 nonce, Heartbeat *heartbeat)
{
	int64		count = heartbeat->count;
	LogEntry   *last = NULL;
	LogEntry   *entry = heartbeat_log_newest(run_id, nonce);
	int64		beats = 0;
	Beat		beat;

	for (; entry != NULL && !entry->written;
		 entry = heartbeat_log_older(entry))
	{
		if (beats == 0)
			last = entry;
		beats += entry->beats;
	}
	if (entry == NULL && heartbeat_slot_read(run_id, nonce, &beat) &&
		beat.count >= count)
		take_over(heartbeat, &beat, beat.count);
	if (beats > 0)
		take_over(heartbeat, &last->beat, heartbeat->count + beats);
	return heartbeat->count > count;
}

PG_FUNCTION_INFO_V1(taskq_newest_heartbeat);

/*
 * taskq.newest_heartbeat(run_id, nonce, last_time, count, details) returns
 * taskq.heartbeat_state: for the view of activities.  What is stored is passed
 * in, as the caller's snapshot shows it.
 */
Datum
taskq_newest_heartbeat(PG_FUNCTION_ARGS)
{
	TupleDesc	desc = fcinfo->flinfo->fn_extra;
	Heartbeat	heartbeat;
	Datum		values[4];
	bool		nulls[4] = {false};

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_NULL();
	if (desc == NULL)
	{
		MemoryContext old_context = MemoryContextSwitchTo(fcinfo->flinfo->fn_mcxt);

		if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
			elog(ERROR, "return type must be a row type");
		fcinfo->flinfo->fn_extra = BlessTupleDesc(desc);
		MemoryContextSwitchTo(old_context);
	}
	heartbeat.last_time = PG_ARGISNULL(2) ? DT_NOBEGIN : PG_GETARG_TIMESTAMPTZ(2);
	heartbeat.count = PG_ARGISNULL(3) ? 0 : PG_GETARG_INT64(3);
	heartbeat.details = PG_ARGISNULL(4) ? NULL :
		(struct varlena *) PG_GETARG_POINTER(4);
	(void) add_newer(PG_GETARG_INT64(0), PG_GETARG_INT64(1), &heartbeat);
	values[0] = PG_GETARG_DATUM(0);
	values[1] = TimestampTzGetDatum(heartbeat.last_time);
	nulls[1] = heartbeat.last_time == DT_NOBEGIN;
	values[2] = Int64GetDatum(heartbeat.count);
	values[3] = PointerGetDatum(heartbeat.details);
	nulls[3] = heartbeat.details == NULL;
	return HeapTupleGetDatum(heap_form_tuple(desc, values, nulls));
}

/*
 * heartbeat_read: the last heartbeat of an activity; count 0 when there was
 * none.
 */
void
heartbeat_read(const Activity *activity, Heartbeat *heartbeat)
{
	heartbeat_row_read(activity->run_id, heartbeat);
	if (state_in_progress(activity->state))
		(void) add_newer(activity->run_id, activity->nonce, heartbeat);
}

/*
 * heartbeat_start: the worker has started, before it fires timeouts.  In the
 * first one since the server has, heartbeats of all runs that there are may
 * have been lost.
 */
void
heartbeat_start(void)
{
	DatabaseSlot *slot = shmem_my_slot();
	int64		last_run;

	worker_begin("heartbeats");
	last_run = store_last_run_id();
	worker_commit();
	SpinLockAcquire(&slot->mutex);
	if (slot->heartbeats_lost_at == DT_NOBEGIN)
	{
		slot->heartbeats_lost_at = control->recovered_at;
		slot->heartbeats_lost_run = last_run;
	}
	SpinLockRelease(&slot->mutex);
	heartbeat_flush_wanted(slot);	/* another may have left some behind */
}

/*
 * heartbeat_last_time: when the worker of an attempt in progress was last
 * known to be alive, for the heartbeat timeout, in taskq's worker.  What came
 * in before the server has started, or slots were forgotten, may be lost: the
 * timeout starts anew then.
 */
TimestampTz
heartbeat_last_time(const Activity *activity)
{
	DatabaseSlot *slot = shmem_my_slot();
	TimestampTz known_from = DT_NOBEGIN;
	Heartbeat	heartbeat;

	heartbeat_read(activity, &heartbeat);
	SpinLockAcquire(&slot->mutex);
	if (activity->run_id <= slot->heartbeats_lost_run)
		known_from = slot->heartbeats_lost_at;
	SpinLockRelease(&slot->mutex);
	return Max(heartbeat.last_time, known_from);
}

PG_FUNCTION_INFO_V1(taskq_forget_heartbeats);

/*
 * For tests, which declare it themselves: lose all heartbeats in memory.
 */
Datum
taskq_forget_heartbeats(PG_FUNCTION_ARGS)
{
	shmem_require();
	heartbeat_slots_forget(MyDatabaseId);
	PG_RETURN_VOID();
}

/* ------------------------------------------------------------------------
 * To the row.  The caller has locked or written the activity's row, so that
 * nobody but the worker's flush changes the heartbeat's.
 * ------------------------------------------------------------------------
 */

/*
 * heartbeat_record: one more heartbeat of the attempt in progress; NULL
 * details replace, too.
 */
void
heartbeat_record(const Activity *activity, TimestampTz when,
				 struct varlena *details)
{
	LogEntry   *entry;
	Heartbeat	heartbeat;

	settle(activity);
	heartbeat_slot_ask_row(activity->run_id, activity->nonce);
	do
	{
		heartbeat_read(activity, &heartbeat);
		heartbeat.last_time = when;
		heartbeat.count++;
		heartbeat.details = details;
	} while (heartbeat_row_write(activity->run_id, &heartbeat,
								 true) != STORE_OK);
	entry = heartbeat_log_add(activity->run_id, activity->nonce);
	entry->written = true;
	entry->beat.count = heartbeat.count;
}

/* the row gets what it does not have; the attempt has this nonce */
static int64
save(const Activity *activity, bool clear)
{
	Heartbeat	heartbeat;
	bool		behind;

	do
	{
		heartbeat_row_read(activity->run_id, &heartbeat);
		behind = add_newer(activity->run_id, activity->nonce, &heartbeat);
		if (clear && heartbeat.count > 0)
		{
			heartbeat.last_time = DT_NOBEGIN;
			heartbeat.details = NULL;
			behind = true;
		}
	} while (behind && heartbeat_row_write(activity->run_id, &heartbeat,
										   true) != STORE_OK);
	return heartbeat.count;
}

/*
 * heartbeat_hand_over: the attempt has ended, and the activity goes on: its
 * last heartbeat goes to the row, or is cleared if a reset wants that.
 */
void
heartbeat_hand_over(const Activity *activity)
{
	settle(activity);
	(void) save(activity, activity->clear_heartbeat);
	heartbeat_log_ended(activity->run_id, activity->nonce);
}

/*
 * heartbeat_clear: forget details and time, not the count, of an activity
 * without an attempt in progress.
 */
void
heartbeat_clear(const Activity *activity)
{
	Heartbeat	heartbeat;

	do
	{
		heartbeat_row_read(activity->run_id, &heartbeat);
		if (heartbeat.count == 0)
			return;
		heartbeat.last_time = DT_NOBEGIN;
		heartbeat.details = NULL;
	} while (heartbeat_row_write(activity->run_id, &heartbeat,
								 true) != STORE_OK);
}

/*
 * heartbeat_take: read, and remove the row, for the closed row.  "activity" is
 * as before the close.
 */
void
heartbeat_take(const Activity *activity, Heartbeat *heartbeat)
{
	if (state_in_progress(activity->state))
		settle(activity);
	do
	{
		heartbeat_read(activity, heartbeat);
	} while (heartbeat_row_delete(heartbeat) != STORE_OK);
	if (state_in_progress(activity->state))
		heartbeat_log_ended(activity->run_id, activity->nonce);
}

/* ------------------------------------------------------------------------
 * End of a transaction
 * ------------------------------------------------------------------------
 */

static void
publish(void)
{
	DatabaseSlot *slot;

	if (!heartbeat_log_commit())
		return;
	slot = shmem_my_slot();
	if (slot != NULL && !slot->flush_wanted)
		heartbeat_flush_wanted(slot);
}

/* lock the row of an attempt; false when it has ended */
static bool
lock_attempt(int64 run_id, int64 nonce, Activity *activity)
{
	do
	{
		CHECK_FOR_INTERRUPTS();
		if (!store_find(run_id, activity) || activity->nonce != nonce ||
			!state_in_progress(activity->state))
			return false;
	} while (store_lock(activity, true) != STORE_OK);
	return true;
}

/* about to be prepared: nothing can be published later */
static void
write_all(void)
{
	int			n = heartbeat_log_length();

	for (int i = 0; i < n; i++)
	{
		int64		run_id = heartbeat_log_at(i)->beat.run_id;
		int64		nonce = heartbeat_log_at(i)->beat.nonce;
		Activity	activity;
		LogEntry   *entry;
		int64		count;

		if (heartbeat_log_newest(run_id, nonce)->written ||
			!lock_attempt(run_id, nonce, &activity))
			continue;
		heartbeat_slot_ask_row(run_id, nonce);
		count = save(&activity, false);
		entry = heartbeat_log_add(run_id, nonce);
		entry->written = true;
		entry->beat.count = count;
	}
}

/*
 * heartbeat_transaction: the transaction is about to end, or has ended.  Fails
 * before PREPARE only.
 */
void
heartbeat_transaction(XactEvent event)
{
	if (heartbeat_log_is_empty())
		return;
	switch (event)
	{
		case XACT_EVENT_COMMIT:
			publish();
			break;
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PREPARE:
			heartbeat_log_abort();
			break;
		case XACT_EVENT_PRE_PREPARE:
			write_all();
			break;
		default:
			break;
	}
}
