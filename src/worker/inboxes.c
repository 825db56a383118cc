/*
 * inboxes.c
 *		The worker's chore: mail of runs that nobody comes for.
 *
 * Who puts mail into an inbox asks for this.  All inboxes are gone through then, run by
 * run, some in each transaction.  A run that somebody else has is tried again soon: he
 * may have looked into its inbox before the mail came.  A run with a started task keeps its
 * mail until that ends.
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "base/clock.h"
#include "engine/run_deliver.h"
#include "shared/directory.h"
#include "store/inbox.h"
#include "worker/chore.h"
#include "worker/inboxes.h"

/* runs in one transaction */
#define BATCH			50

#define BUSY_RETRY		(10 * INT64CONST(1000))	/* us */

static int64 after = 0;			/* runs up to this one have been seen to */
static bool begun = false;		/* a round is in progress */
static uint32 asked;			/* as it began */
static bool busy;				/* it has met a run that somebody else has */
static bool first = true;		/* this worker has not looked yet */

/* some more of the round; false when it is through */
static bool
drain_batch(void)
{
	int64		run_id = after;
	bool		more = true;

	chore_begin("inboxes");
	for (int i = 0; i < BATCH && more; i++)
	{
		more = inbox_next_run(run_id, &run_id);
		if (more && !run_drain(run_id))
			busy = true;
	}
	chore_commit();
	after = run_id;
	return more;
}

/*
 * inboxes_run: chore of the worker.
 */
TimestampTz
inboxes_run(void)
{
	DatabaseSlot *slot = directory_my_slot();

	if (!begun)
	{
		if (!errand_look(slot, &slot->mail, &asked) && !first)
			return DT_NOEND;
		begun = true;
		busy = false;
		after = 0;
	}
	if (drain_batch())
		return DT_NOBEGIN;
	begun = first = false;
	if (busy)
	{
		first = true;
		return instant_add(clock_now(), BUSY_RETRY);
	}
	errand_done(slot, &slot->mail, asked);

	/* who has asked meanwhile did not wake us, since it had been asked for already */
	return errand_look(slot, &slot->mail, &asked) ? DT_NOBEGIN : DT_NOEND;
}
