/*
 * heartbeat.c
 *		The last heartbeat of an open activity, wherever it is kept.
 *
 * A heartbeat of a running attempt goes to a slot in shared memory
 * (heartbeat_slots.c) when its transaction commits, and from there, together
 * with many others, to taskq.heartbeat_state (heartbeat_flush.c), at the
 * latest in the transaction that ends the attempt.  Nothing is written before,
 * so a transaction that only heartbeats needs no transaction id and no WAL.
 * One that has a transaction id when it is about to commit writes its
 * heartbeats to the rows then: they are as durable as what else it wrote.  Who
 * reads takes the slot or the row, whichever has the greater count, and on top
 * of it what his own transaction has not committed yet.
 *
 * Nobody ends an attempt while a transaction is open that has heartbeated it,
 * and the other way round:
 *
 * - A heartbeat first takes hold of the slot, waiting for another holder, and
 *	 reads the activity's row in taskq.open after that.  If somebody is writing
 *	 the row, or had it before the hold is confirmed, it lets go and queues for
 *	 the lock of the row; else the hold is firm.
 * - A call that ends an attempt, or queues for its row to write a heartbeat,
 *	 waits for a firm holder before it locks the activity's row
 *	 (heartbeat_await), since the holder may want that next, and again after it
 *	 (settle), for who got in between; then nobody gets a firm hold any more.
 * - The worker locks the row, looks for any holder, and tries again later if
 *	 there is one.
 * - A transaction that is prepared holds no slot any more.  What it has written
 *	 to the heartbeat's row holds in its place: settle() waits for that, the
 *	 worker tries again later, and another heartbeat queues for the lock.
 *
 * So who holds firmly never asks for the activity's row, whose owner may wait
 * for him: what he has to write he writes under his hold.  That are, besides
 * what is written before the commit or PREPARE, details that are too large for a
 * slot, and heartbeats while there is no worker that would flush.  Who cannot
 * get a hold writes to the heartbeat's row under the lock of the activity's:
 * where all slots are in use, under a transaction snapshot, and where somebody
 * else had the row first.
 *
 * What a transaction has done is in a log (beats.c) until it ends.
 */
#include "postgres.h"

#include "access/detoast.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "base/compat.h"
#include "engine/heartbeat.h"
#include "notes/beats.h"
#include "notes/ledger.h"
#include "shared/directory.h"
#include "shared/function_pool.h"
#include "shared/heartbeat_slots.h"
#include "shared/queue_state.h"
#include "store/find.h"
#include "store/heartbeat_row.h"
#include "store/open_row.h"
#include "task/kinds.h"
#include "task/store_result.h"

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

	if (entry != NULL && !entry->written && heartbeat_log_is_current(entry))
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
 * heartbeat_is_held: does another transaction, which may be prepared, hold the
 * attempt in progress?
 */
bool
heartbeat_is_held(const Activity *activity)
{
	VirtualTransactionId holder;

	return heartbeat_slot_held(activity->task.run_id, activity->task.nonce,
							   &holder) != HOLD_NONE ||
		TransactionIdIsValid(heartbeat_row_writer(activity->task.run_id));
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

	if (heartbeat_slot_held(activity->task.run_id, activity->task.nonce,
							&holder) != HOLD_FIRM)
		return false;
	(void) VirtualXactLock(holder, true);
	return true;
}

/*
 * heartbeat_wait: likewise for any holder, firm or not, or prepared; for those who hold
 * nothing that he may want.
 */
bool
heartbeat_wait(const Activity *activity)
{
	VirtualTransactionId holder;
	TransactionId writer;

	if (heartbeat_slot_held(activity->task.run_id, activity->task.nonce, &holder) != HOLD_NONE)
		return VirtualXactLock(holder, true);
	writer = heartbeat_row_writer(activity->task.run_id);
	if (TransactionIdIsValid(writer))
		XactLockTableWait(writer, NULL, NULL, XLTW_None);
	return TransactionIdIsValid(writer);
}

/*
 * Wait for those who got hold of the attempt before its row was locked or
 * written by us, and for the prepared one that did.  Who has not seen the row
 * yet is refused.
 */
static void
settle(const Activity *activity)
{
	VirtualTransactionId holder;
	TransactionId writer;

	while (heartbeat_slot_refuse(activity->task.run_id, activity->task.nonce, &holder))
		(void) VirtualXactLock(holder, true);
	while (TransactionIdIsValid(writer = heartbeat_row_writer(activity->task.run_id)))
		XactLockTableWait(writer, NULL, NULL, XLTW_None);
}

/* ------------------------------------------------------------------------
 * What is newer than the row
 * ------------------------------------------------------------------------
 */

static void
take_over(Heartbeat *heartbeat, const Beat *beat, int64 count)
{
	heartbeat->last_time = beat->last_time;
	heartbeat->count = count;
	heartbeat->details = heartbeat_slot_details(beat);
}

/* likewise what a function that runs as the attempt has told */
static bool
add_functions(int64 nonce, Heartbeat *heartbeat)
{
	FunctionBeat *beat;
	bool		newer;

	if (!function_pool_any())
		return false;
	beat = palloc(sizeof(FunctionBeat));
	newer = function_pool_beat(nonce, beat) && beat->count > heartbeat->count;
	if (newer)
	{
		heartbeat->last_time = beat->time;
		heartbeat->count = beat->count;
		heartbeat->details = NULL;
		if (beat->length > 0)
		{
			heartbeat->details = palloc(VARHDRSZ + beat->length);
			SET_VARSIZE(heartbeat->details, VARHDRSZ + beat->length);
			memcpy(VARDATA(heartbeat->details), beat->details, beat->length);
		}
	}
	pfree(beat);
	return newer;
}

/*
 * heartbeat_add_newer: put what there is of an attempt in progress on top of
 * what its row has, which is passed in; true when that is more.
 */
bool
heartbeat_add_newer(int64 run_id, int64 nonce, Heartbeat *heartbeat)
{
	bool		newer = false;
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
		beat.count >= heartbeat->count)
	{
		newer = beat.count > heartbeat->count || beat.count == PG_INT64_MAX;
		take_over(heartbeat, &beat, beat.count);
	}
	if (beats > 0)
		take_over(heartbeat, &last->beat,
				  beats_counted(heartbeat->count, beats));
	return add_functions(nonce, heartbeat) || newer || beats > 0;
}

/* ------------------------------------------------------------------------
 * To the row.  The caller holds the slot firmly (ROW_WAIT), or has locked or
 * written the activity's row and settled (ROW_ALONE), so that nobody but the
 * worker's flush changes the heartbeat's.
 * ------------------------------------------------------------------------
 */

/* is that so, as far as can be told? */
static inline bool
is_held(int64 run_id, int64 nonce, RowWrite how)
{
	LogEntry   *entry = heartbeat_log_newest(run_id, nonce);

	if (how == ROW_WAIT)
		return entry != NULL && entry->ref.slot >= 0;
	return TransactionIdIsValid(GetTopTransactionIdIfAny());
}

/* one more heartbeat; NULL details replace, too */
static void
write_now(int64 run_id, int64 nonce, TimestampTz when, struct varlena *details,
		  RowWrite how)
{
	LogEntry   *entry;
	Heartbeat	heartbeat;

	Assert(is_held(run_id, nonce, how));
	heartbeat_slot_ask_row(run_id, nonce);
	do
	{
		CHECK_FOR_INTERRUPTS();
		heartbeat_row_read(run_id, &heartbeat);
		(void) heartbeat_add_newer(run_id, nonce, &heartbeat);
		heartbeat.last_time = when;
		heartbeat.count = beats_counted(heartbeat.count, 1);
		heartbeat.details = details;
	} while (heartbeat_row_write(run_id, &heartbeat, how) != STORE_OK);
	entry = heartbeat_log_add(run_id, nonce);
	entry->written = true;
	entry->beat.count = heartbeat.count;
}

/* the row gets what it does not have; the attempt has this nonce */
static int64
save(int64 run_id, int64 nonce, bool clear, RowWrite how)
{
	Heartbeat	heartbeat;
	bool		behind;

	Assert(is_held(run_id, nonce, how));
	do
	{
		CHECK_FOR_INTERRUPTS();
		heartbeat_row_read(run_id, &heartbeat);
		behind = heartbeat_add_newer(run_id, nonce, &heartbeat);
		if (clear && heartbeat.count > 0)
		{
			heartbeat.last_time = DT_NOBEGIN;
			heartbeat.details = NULL;
			behind = true;
		}
	} while (behind &&
			 heartbeat_row_write(run_id, &heartbeat, how) != STORE_OK);
	return heartbeat.count;
}

/* ------------------------------------------------------------------------
 * A heartbeat to a slot
 * ------------------------------------------------------------------------
 */

/* is there a worker that will flush? */
static bool
is_served(void)
{
	DatabaseSlot *slot = directory_my_slot();

	return slot != NULL && slot->worker_pid != 0;
}

/* do the details fit into a slot? */
static bool
fits(const struct varlena *details)
{
	return details == NULL ||
		toast_raw_datum_size(PointerGetDatum(details)) - VARHDRSZ <=
		SLOT_DETAILS;
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
		glance->kind == kind_of_activities() &&
		state_in_progress(glance->state) &&
		glance->nonce == entry->beat.nonce &&
		(held_before || !glance->locked);
}

/* the count of the row, if it has to be asked; false when that may change */
static bool
ask_row(LogEntry *entry)
{
	Heartbeat	row;

	if (entry->base >= 0)
		return true;
	if (TransactionIdIsValid(heartbeat_row_writer(entry->beat.run_id)))
		return false;
	heartbeat_row_read(entry->beat.run_id, &row);
	entry->base = row.count;
	return true;
}

/*
 * An entry of the current subtransaction that holds the attempt's slot firmly;
 * NULL, with nothing done, when that cannot be.
 */
static LogEntry *
hold_firmly(int64 run_id, int64 nonce, OpenGlance *glance)
{
	LogEntry   *entry = heartbeat_log_newest(run_id, nonce);
	bool		held_before = false;

	for (; entry != NULL && !held_before; entry = heartbeat_log_older(entry))
		held_before = entry->ref.slot >= 0;
	entry = hold(run_id, nonce);
	if (entry->ref.slot >= 0 && is_open(entry, held_before, glance) &&
		ask_row(entry) && heartbeat_slot_confirm(entry->ref))
		return entry;
	if (entry->beats == 0)
		heartbeat_log_drop();
	return NULL;
}

/*
 * heartbeat_quickly: a heartbeat that needs no lock on the activity's row, if
 * that can be; *state is then that of the activity.  False, with nothing done,
 * when the attempt may be over or somebody else has the row: execute() can
 * tell.  The details are written at once if they have to be.
 */
bool
heartbeat_quickly(int64 run_id, int64 nonce, struct varlena *details,
				  State *state)
{
	LogEntry   *entry;
	OpenGlance	glance;
	QueueRef	queue;

	if (IsolationUsesXactSnapshot())
		return false;
	entry = hold_firmly(run_id, nonce, &glance);
	if (entry == NULL)
		return false;
	if (is_served() && fits(details))
	{
		set_details(&entry->beat, details == NULL ? NULL :
					pg_detoast_datum_packed(details));
		entry->beat.last_time = clock_now();
		entry->beats++;
	}
	else
		write_now(run_id, nonce, clock_now(), details, ROW_WAIT);
	queue = queue_ref(glance.task_queue);
	ledger_count(&queue, COUNT_HEARTBEATS, 1);
	*state = glance.state;
	return true;
}

/* ------------------------------------------------------------------------
 * The last heartbeat
 * ------------------------------------------------------------------------
 */

/* the last heartbeat of an activity; count 0 when there was none */
static void
read_newest(const Activity *activity, Heartbeat *heartbeat)
{
	heartbeat_row_read(activity->task.run_id, heartbeat);
	if (state_in_progress(activity->task.state))
		(void) heartbeat_add_newer(activity->task.run_id, activity->task.nonce,
								   heartbeat);
}

/*
 * heartbeat_last_time: when the worker of an attempt in progress was last
 * known to be alive, for the heartbeat timeout; the database has a slot.  What
 * came in before the server has started, or slots were forgotten, may be lost:
 * the timeout starts anew then.
 */
TimestampTz
heartbeat_last_time(const Activity *activity)
{
	DatabaseSlot *slot = directory_my_slot();
	TimestampTz known_from = DT_NOBEGIN;
	Heartbeat	heartbeat;

	Assert(slot != NULL);
	read_newest(activity, &heartbeat);
	SpinLockAcquire(&slot->mutex);
	if (activity->task.run_id <= slot->heartbeats.lost_run)
		known_from = slot->heartbeats.lost_at;
	SpinLockRelease(&slot->mutex);
	return Max(heartbeat.last_time, known_from);
}

/*
 * heartbeat_record: one more heartbeat of the attempt in progress, whose row
 * the caller has locked.
 */
void
heartbeat_record(const Activity *activity, TimestampTz when,
				 struct varlena *details)
{
	settle(activity);
	write_now(activity->task.run_id, activity->task.nonce, when, details, ROW_ALONE);
}

/*
 * heartbeat_hand_over: the attempt has ended, and the activity goes on: its
 * last heartbeat goes to the row, or is cleared if a reset wants that.
 */
void
heartbeat_hand_over(const Activity *activity)
{
	settle(activity);
	(void) save(activity->task.run_id, activity->task.nonce, activity->clear_heartbeat,
				ROW_ALONE);
	heartbeat_log_ended(activity->task.run_id, activity->task.nonce);
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
		heartbeat_row_read(activity->task.run_id, &heartbeat);
		if (heartbeat.count == 0)
			return;
		heartbeat.last_time = DT_NOBEGIN;
		heartbeat.details = NULL;
	} while (heartbeat_row_write(activity->task.run_id, &heartbeat,
								 ROW_ALONE) != STORE_OK);
}

/*
 * heartbeat_take: read, and remove the row, for the closed row.  "activity" is
 * as before the close.
 */
void
heartbeat_take(const Activity *activity, Heartbeat *heartbeat)
{
	if (state_in_progress(activity->task.state))
		settle(activity);
	do
	{
		read_newest(activity, heartbeat);
	} while (heartbeat_row_delete(heartbeat) != STORE_OK);
	if (state_in_progress(activity->task.state))
		heartbeat_log_ended(activity->task.run_id, activity->task.nonce);
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
	slot = directory_my_slot();
	if (slot != NULL && !slot->heartbeats.flush_wanted)
		heartbeat_flush_wanted(slot);
}

/*
 * Write what the transaction has kept for the slot of an attempt, whose newest
 * entry this is, unless it has itself ended the attempt, or removed it.  Without
 * the slot, if that was forgotten, the row may be somebody else's.
 */
static void
write_kept(LogEntry *entry)
{
	int64		run_id = entry->beat.run_id;
	int64		nonce = entry->beat.nonce;
	OpenGlance	glance;

	if (!heartbeat_slot_confirm(entry->ref) || !is_open(entry, true, &glance))
		return;
	heartbeat_log_written(entry, save(run_id, nonce, false, ROW_WAIT));
}

/* does the log have heartbeats of the attempt that its row has not? */
static bool
is_kept(const LogEntry *entry)
{
	for (; entry != NULL && !entry->written;
		 entry = heartbeat_log_older(entry))
		if (entry->beats > 0)
			return true;
	return false;
}

/*
 * heartbeat_before_end: the transaction, which has written something, is about
 * to commit or to be prepared: write its heartbeats, too, in the order in which
 * they were made, which in a batch is that of run_id.  With a snapshot.
 */
void
heartbeat_before_end(bool prepare)
{
	for (int i = 0; i < heartbeat_log_length(); i++)
	{
		LogEntry   *entry = heartbeat_log_at(i);
		int64		run_id = entry->beat.run_id;
		int64		nonce = entry->beat.nonce;

		if (entry != heartbeat_log_newest(run_id, nonce))
			continue;
		if (is_kept(entry))
			write_kept(entry);
		if (prepare)			/* nobody will tell the slot */
			heartbeat_slot_ask_row(run_id, nonce);
	}
}

/*
 * heartbeat_transaction: the transaction has ended.  Does not fail.
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
		default:
			break;
	}
}
