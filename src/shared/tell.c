/*
 * tell.c
 *		Telling of tasks: to those who wait, and to those who listen.
 *
 * Who waits (waiters.c) is woken, and the channels of those who listen
 * (channels.c) are marked.  All of it is a hint: whoever hears it looks at the
 * tables.  So what is told has to be visible by then: tasks are told of by
 * callbacks at the end of a transaction.  Nothing here allocates or fails.
 *
 * Locks: those of waiters and of channels, one after the other.
 */
#include "postgres.h"

#include "miscadmin.h"

#include "base/clock.h"
#include "shared/channel_marks.h"
#include "shared/channels.h"
#include "shared/cursor_table.h"
#include "shared/directory.h"
#include "shared/listened_queues.h"
#include "shared/tell.h"
#include "shared/timer_ring.h"
#include "shared/waiters.h"
#include "shared/watched_runs.h"

/*
 * tell_queue: n tasks of the queue with that hash are due from "due" on.  So
 * many waiters are to look if that is past; else one, who sleeps on until then.
 */
void
tell_queue(uint64 hash, TimestampTz due, int n)
{
	if (wait_anybody())
		wait_wake(hash, due <= clock_now() ? n : 1);
	if (channels_anybody())
		channels_task_due(hash, due);
	if (listened_queues_any())
		listened_queues_due(hash, due);
}

/*
 * tell_hungry: a poll of the queue with that hash has found nothing, so that
 * the next task is to be told of at once, however short ago the last one was.
 */
void
tell_hungry(uint64 hash)
{
	if (channels_anybody())
		channels_hungry(hash);
	if (listened_queues_any())
		listened_queues_hungry(hash);
}

/* tell_all_queues: something changed for all queues of this database. */
void
tell_all_queues(void)
{
	wait_wake_all();
	channels_all_queues();
	listened_queues_all_due();
}

/*
 * tell_rows_changed: rows of taskq.open have changed, and nobody knows which.
 */
void
tell_rows_changed(void)
{
	DatabaseSlot *slot = directory_my_slot();

	if (slot == NULL)
		return;
	cursors_forget_database(MyDatabaseId);
	(void) errand_ask(slot, &slot->mail);	/* before the next, which wakes */
	timers_rescan(slot);
	tell_all_queues();
	watched_runs_all_changed();
}
