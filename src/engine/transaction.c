/*
 * transaction.c
 *		The end of a transaction, and of a savepoint: who does what, and when.
 *
 * What the transaction has noted (effects.c, ledger.c, beats.c,
 * cursor_notes.c) goes to shared memory once it has committed, or is taken back
 * when it aborts.  At that point nothing may fail, so nothing is allocated or
 * looked up then.  Polls get to know where to look before anybody is woken to
 * poll.
 *
 * Before its end a transaction that has written anything else writes its
 * heartbeats, too, and what nobody has told runs of their activities.  One that is prepared also writes the deadlines of its
 * attempts into their rows, since nobody will call back at COMMIT PREPARED; the
 * utility hook tells the worker to look again then.
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/snapmgr.h"

#include "engine/heartbeat.h"
#include "engine/owner_mail.h"
#include "engine/transaction.h"
#include "notes/beats.h"
#include "notes/cursor_notes.h"
#include "notes/effects.h"
#include "notes/ledger_end.h"
#include "notes/listens.h"
#include "shared/counts.h"
#include "shared/timer_ring.h"
#include "shared/waiters.h"
#include "store/catalog.h"
#include "store/find.h"
#include "store/open.h"
#include "store/open_row.h"

static bool committing = false; /* counts_enter_commit() was called */

/* ------------------------------------------------------------------------
 * Before the end
 * ------------------------------------------------------------------------
 */

/* is it still in progress?  Not if it went with a savepoint, or has ended. */
static bool
is_in_progress(int64 run_id, int64 nonce)
{
	OpenGlance	glance;

	return store_glance(run_id, &glance) && state_in_progress(glance.state) &&
		glance.nonce == nonce;
}

/* about to be prepared: nothing is told later, so the rows have to tell */
static void
write_alarms(void)
{
	for (int i = 0; i < effects_attempts(); i++)
	{
		int64		nonce;
		const TimerHint *hint = effects_attempt(i, &nonce);
		TaskRoom	room;
		Task	   *task = &room.task;

		if (!is_in_progress(hint->run_id, nonce) ||
			!store_find_task(hint->run_id, &room))
			continue;
		task->alarm = Min(task->alarm, hint->deadline);
		(void) store_update(task, true);
	}
}

/*
 * The transaction is about to commit or to be prepared: write what must not be
 * told after it only.  Nobody else has pushed a snapshot.  The transaction may
 * have dropped the extension, and nothing is left to write then.
 */
static void
write_before_end(bool prepare)
{
	bool		mail = owner_mail_any();
	bool		heartbeats = heartbeat_log_length() > 0 &&
		(prepare || TransactionIdIsValid(GetTopTransactionIdIfAny()));

	if (!heartbeats && !mail && !(prepare && effects_attempts() > 0))
		return;
	if (!catalog_exists())
		return;
	PushActiveSnapshot(GetTransactionSnapshot());
	if (mail)
		owner_mail_store();
	if (heartbeats)
		heartbeat_before_end(prepare);
	if (prepare)
		write_alarms();
	PopActiveSnapshot();
}

/* ------------------------------------------------------------------------
 * The end
 * ------------------------------------------------------------------------
 */

static void
leave_commit(void)
{
	if (committing)
		counts_leave_commit();
	committing = false;
}

/* where polls have to look; before anybody is woken to poll */
static void
tell_cursors(XactEvent event)
{
	if (event == XACT_EVENT_COMMIT)
		cursor_notes_commit();
	else if (event == XACT_EVENT_ABORT)
		cursor_notes_abort();
	else if (event == XACT_EVENT_PREPARE)
		cursor_notes_forget();
}

static void
at_transaction_end(XactEvent event, void *arg)
{
	tell_cursors(event);
	if (event == XACT_EVENT_ABORT)
		wait_leave(true);
	if (event == XACT_EVENT_PRE_COMMIT || event == XACT_EVENT_PRE_PREPARE)
		write_before_end(event == XACT_EVENT_PRE_PREPARE);
	if (event == XACT_EVENT_ABORT)
		owner_mail_forget();
	heartbeat_transaction(event);
	listens_transaction(event);
	if (!effects_any() && !ledger_any())
		return;
	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
		case XACT_EVENT_PRE_PREPARE:
			if (ledger_moves_numbers())
			{
				Assert(!committing);
				counts_enter_commit();
				committing = true;
			}
			break;
		case XACT_EVENT_COMMIT:
			ledger_commit();
			leave_commit();
			effects_commit();
			break;
		case XACT_EVENT_ABORT:
			ledger_abort();
			leave_commit();
			effects_abort();
			break;
		case XACT_EVENT_PREPARE:
			effects_prepare();
			ledger_prepare();
			leave_commit();
			break;
		default:
			break;
	}
}

static void
at_subtransaction_end(SubXactEvent event, SubTransactionId mine,
					  SubTransactionId parent, void *arg)
{
	if (event != SUBXACT_EVENT_COMMIT_SUB && event != SUBXACT_EVENT_ABORT_SUB)
		return;
	cursor_notes_subtransaction(event, mine, parent);
	ledger_subtransaction(event, mine, parent);
	heartbeat_log_subtransaction(event, mine, parent);
	effects_subtransaction(event, mine, parent);
	owner_mail_subtransaction(event, mine, parent);
	listens_subtransaction(event, mine, parent);
}

/* transaction_init: once per server, in the postmaster. */
void
transaction_init(void)
{
	RegisterXactCallback(at_transaction_end, NULL);
	RegisterSubXactCallback(at_subtransaction_end, NULL);
}
