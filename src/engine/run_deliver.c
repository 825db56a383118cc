/*
 * run_deliver.c
 *		Events that come to a run from outside.
 *
 * If the run is free, and the call is a transaction of its own, the event is
 * appended at once.  Otherwise it goes to the run's inbox: while a task is started, since
 * it has to wait for that; while somebody else has the run, since waiting for him would
 * make a queue of all who signal it; inside a transaction block, since nobody knows
 * how long that will stay open, and the run is to go on meanwhile; and after the
 * first few of one statement, since a row that is written often in one gets slow.  Who puts
 * mail into an inbox keeps the run from being closed until he commits.  Whoever
 * locks the run next takes it out, and the worker does if nobody else comes.
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "base/json.h"
#include "common/proto_enums.h"
#include "engine/owner_mail.h"
#include "engine/run_deliver.h"
#include "engine/run_lock.h"
#include "engine/run_refusal.h"
#include "engine/run_world.h"
#include "engine/run_write.h"
#include "model/run_mail.h"
#include "model/run_task.h"
#include "notes/effects.h"
#include "store/find.h"
#include "store/find_run.h"
#include "store/inbox.h"
#include "store/open.h"

/* what may wait for a started task; more make it fail */
#define MOST_MAIL			100
#define MOST_MAIL_BYTES		(2 * 1024 * 1024)

/* steps of a run in one transaction: more events than that go to its inbox */
#define MOST_AT_ONCE		20

/* is the call all that its transaction does? */
static bool
is_alone(void)
{
	return !IsTransactionBlock() && !IsSubTransaction();
}

/*
 * How often the transaction in progress has written runs here, as many as are remembered.  Each
 * write leaves a version of the row that is in the way of who looks for the next one, until
 * the transaction has ended.
 */
static struct
{
	FullTransactionId xid;
	int64		run_id;
	int			count;
}			writes[64];

#define WRITES(run_id) (&writes[(uint64) (run_id) % lengthof(writes)])

static int
count_writes(int64 run_id)
{
	return WRITES(run_id)->run_id == run_id && FullTransactionIdIsValid(WRITES(run_id)->xid) &&
		FullTransactionIdEquals(WRITES(run_id)->xid, GetTopFullTransactionIdIfAny()) ?
		WRITES(run_id)->count : 0;
}

static void
note_write(int64 run_id)
{
	int			count = count_writes(run_id) + 1;

	WRITES(run_id)->xid = GetTopFullTransactionId();
	WRITES(run_id)->run_id = run_id;
	WRITES(run_id)->count = count;
}

/* may what comes for the run be appended at once? */
static bool
is_at_once(int64 run_id)
{
	return is_alone() && count_writes(run_id) < MOST_AT_ONCE;
}

static void
put(int64 run_id, const RunMail *mail)
{
	inbox_put(run_id, run_mail_write(mail));
	effects_mail();
}

/* is that more than may wait? */
static bool
too_much(const InboxRow *rows, int n)
{
	Size		bytes = 0;

	for (int i = 0; i < n; i++)
		bytes += VARSIZE(rows[i].mail);
	return n >= MOST_MAIL || bytes >= MOST_MAIL_BYTES;
}

/* does the mail repeat a request to cancel that waits already? */
static bool
is_told(const RunMail *mail, const RunStep *step)
{
	if (mail->type != EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED)
		return false;
	for (int i = 0; i < step->mail_before; i++)
		if (step->mail[i].type == mail->type)
			return true;
	return false;
}

/* signals among what waits for the step */
static int
signals_waiting(const RunStep *step)
{
	int			n = 0;

	for (int i = 0; i < step->nmail; i++)
		n += step->mail[i].type == EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED;
	return n;
}

/*
 * Can the run, which is not locked, get one more signal?  What waits counts, though not what
 * others have not committed yet.  To find signals among other mail is worth it near the limit
 * only.  Raises 54000.
 */
static void
check_room(Run *run)
{
	int64		run_id = run->task.run_id;
	RunStep		step;
	InboxRow   *rows;
	int			nrows;

	if (run->signals + inbox_estimate(run_id, false) < MOST_SIGNALS ||
		run->signals + inbox_estimate(run_id, true) < MOST_SIGNALS)
		return;
	run_step_begin(&step, run, &run_world, clock_now(), NULL);
	run_read_mail(&step, &rows, &nrows);
	check_more_signals(run, signals_waiting(&step));
}

/* too much waits for the task in progress: it is over, and all is told */
static void
force_task(RunStep *step)
{
	TaskEnd		end = {.cause = "WORKFLOW_TASK_FAILED_CAUSE_FORCE_CLOSE_COMMAND"};

	step->identity = "history-service";
	run_task_ended_badly(step, &end);
}

/*
 * What waits, and the mail that comes now, is taken by the locked run; NULL = nothing
 * comes.  While a task is started it goes on waiting, unless that is too much.
 */
static void
take(Run *before, const RunMail *mail)
{
	RunWritten	written = {0};
	Run			run = *before;
	RunStep		step;
	InboxRow   *rows;
	int			nrows;

	run_step_begin(&step, &run, &run_world, clock_now(), NULL);
	run_read_mail(&step, &rows, &nrows);
	if (mail != NULL && mail->type == EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED)
		check_more_signals(&run, signals_waiting(&step));
	if (mail != NULL)
		run_step_mail(&step, mail);
	if (step.nmail == 0)
		return;
	if (!run_has_task_started(&run))
		run_events_from_outside(&step);
	else if (too_much(rows, nrows))
		force_task(&step);
	else
	{
		if (mail != NULL && !is_told(mail, &step))
			inbox_put(run.task.run_id, run_mail_write(mail));
		return;
	}
	inbox_remove(rows, nrows);
	run_write(&step, before, &written);
	note_write(run.task.run_id);
}

/* into the inbox, while the run is kept from being closed; false: it is closed */
static bool
put_shared(int64 run_id, const RunMail *mail)
{
	StoreResult result;
	Run			run;

	do
	{
		CHECK_FOR_INTERRUPTS();
		if (!find_run(run_id, &run))
			return false;
		result = store_share(&run.task, true);
	} while (result == STORE_CHANGED);
	if (mail->type == EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED)
		check_room(&run);
	put(run_id, mail);
	return true;
}

/*
 * run_deliver: an event for the run; false: there is no such open run.  Raises 54000 for
 * a signal too many.
 */
bool
run_deliver(int64 run_id, const RunMail *mail)
{
	Run			run;

	if (is_at_once(run_id))
		switch (run_lock(run_id, RUN_LOCK_STEP, false, &run))
		{
			case RUN_LOCKED:
				take(&run, mail);
				return true;
			case RUN_LOCK_GONE:
				return false;
			case RUN_LOCK_BUSY:
				break;
		}
	return put_shared(run_id, mail);
}

/* the mails of one run, from the i-th on; how many they are */
static int
deliver_to_one(OwnerMail *list, int n)
{
	int64		run_id = list[0].run_id;
	int			count = 1;
	Run			run;

	while (count < n && list[count].run_id == run_id)
		count++;
	if (count == 1 && is_at_once(run_id) &&
		run_lock(run_id, RUN_LOCK_STEP, false, &run) == RUN_LOCKED)
	{
		take(&run, &list[0].mail);
		return 1;
	}
	for (int i = 0; i < count; i++)
		put(run_id, &list[i].mail);
	if (is_at_once(run_id) && run_lock(run_id, RUN_LOCK_STEP, false, &run) == RUN_LOCKED)
		take(&run, NULL);
	return count;
}

/*
 * run_deliver_closes: what the call has closed of runs' activities is told to them.
 * To be called at the end of calls that report.
 */
void
run_deliver_closes(void)
{
	OwnerMail  *list;
	int			n;

	if (!owner_mail_any())
		return;
	n = owner_mail_take(&list);
	for (int i = 0; i < n;)
		i += deliver_to_one(&list[i], n - i);
}

/*
 * Is there nothing to do for the run's inbox, since a task is started?  Whoever is
 * changing the run may have looked into it before the mail came: *busy then.  Who locks the
 * run later sees the mail.
 */
static bool
may_wait(int64 run_id, bool *busy)
{
	OpenGlance	glance;
	InboxRow   *rows;
	int			n;

	*busy = false;
	if (!store_glance(run_id, &glance) || !state_in_progress(glance.state))
		return false;
	n = inbox_read(run_id, &rows);
	*busy = glance.changing;
	return !too_much(rows, n);
}

/*
 * run_drain: have the run take what is in its inbox.  False: somebody else has it, and it
 * is to be tried again.
 */
bool
run_drain(int64 run_id)
{
	Run			run;
	bool		busy;

	if (may_wait(run_id, &busy))
		return !busy;
	switch (run_lock(run_id, RUN_LOCK_STEP, false, &run))
	{
		case RUN_LOCK_BUSY:
			return false;
		case RUN_LOCK_GONE:
			return true;
		case RUN_LOCKED:
			break;
	}
	take(&run, NULL);
	return true;
}
