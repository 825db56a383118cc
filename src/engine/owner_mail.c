/*
 * owner_mail.c
 *		What activities of runs have to tell their owners.
 *
 * Who closes an activity of a run holds the run's row by a lock that lets others
 * change the run but not close it (owner_share), and that before it writes the
 * activity: run before activity is the order of locks.  What the run is to hear
 * then is kept here until the end of the call, which hands it over if the run is free
 * (run_deliver.c).  Whatever is left when the transaction ends goes to the run's
 * inbox.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "base/grow.h"
#include "base/json.h"
#include "common/proto_enums.h"
#include "engine/owner_mail.h"
#include "model/proto_json.h"
#include "model/proto_values.h"
#include "model/run_mail.h"
#include "notes/effects.h"
#include "store/find.h"
#include "store/find_run.h"
#include "store/inbox.h"
#include "store/open.h"

static OwnerMail *pending = NULL;	/* in TopTransactionContext */
static int	npending = 0;
static int	max_pending = 0;

static StoreResult
share(int64 owner, bool wait)
{
	StoreResult result;
	Run			run;

	do
	{
		CHECK_FOR_INTERRUPTS();
		if (!find_run(owner, &run))
			return STORE_CHANGED;
		result = store_share(&run.task, wait);
	} while (result == STORE_CHANGED);
	return result;
}

/*
 * owner_share: keep the owner of an activity from being closed until the
 * transaction ends.  STORE_CHANGED: there is no such run any more.  Waits for who is about
 * to close it, or says STORE_BUSY.
 */
StoreResult
owner_share(const Activity *activity, bool wait)
{
	return share(activity->owner, wait);
}

static int
compare_owners(const void *a, const void *b)
{
	int64		left = *(const int64 *) a;
	int64		right = *(const int64 *) b;

	return left < right ? -1 : left > right;
}

/*
 * owner_share_all: likewise the owners of those activities, in the order in which runs are to be
 * locked; whoever then locks the activities has waited for all of them.  The first that has no owner
 * ends the look, since batches are of one kind.
 */
void
owner_share_all(const int64 *run_ids, int n)
{
	int64	   *owners = palloc(sizeof(int64) * Max(n, 1));
	Activity	activity;
	int			count = 0;

	for (int i = 0; i < n; i++)
	{
		if (!store_find(run_ids[i], &activity))
			continue;
		if (activity.owner == 0)
			break;
		owners[count++] = activity.owner;
	}
	if (count > 1)
		qsort(owners, count, sizeof(int64), compare_owners);
	for (int i = 0; i < count; i++)
		if (i == 0 || owners[i] != owners[i - 1])
			(void) share(owners[i], true);
	pfree(owners);
}

/* ------------------------------------------------------------------------
 * The close of an activity, as events
 * ------------------------------------------------------------------------
 */

static const char *
retry_state_text(RetryState state)
{
	return proto_name(&proto_retry_state, (int32_t) state);
}

/* time-outs come from the server, among the causes too */
static Jsonb *
with_source(Jsonb *failure)
{
	Jsonb	   *cause = json_get_object(failure, "cause");
	JsonBuilder builder;

	json_begin(&builder);
	json_add_members(&builder, failure, "cause");
	if (json_get(failure, "timeoutFailureInfo") != NULL && json_get(failure, "source") == NULL)
		json_add_text(&builder, "source", "Server");
	if (cause != NULL)
		json_add(&builder, "cause", with_source(cause));
	return json_end(&builder);
}

static Jsonb *
exact_failure(const void *plain)
{
	return plain == NULL ? NULL :
		with_source(failure_exact(DatumGetJsonbP(PointerGetDatum(plain))));
}

/* of the attempt; one that was completed although nobody had it has no poll, and its worker is who completed it */
static Jsonb *
started_attributes(const Activity *before, const text *worker, bool polled)
{
	JsonBuilder builder;

	json_begin(&builder);
	json_add_event_id(&builder, "scheduledEventId", before->scheduled_event_id);
	json_add_text(&builder, "identity", text_to_cstring(worker));
	if (polled)
		json_add_text(&builder, "requestId",
					  run_poll_request_id(before->task.run_id, before->task.nonce));
	json_add_int64(&builder, "attempt", before->task.attempt);
	if (before->task.attempt > 1 && before->last_failure != NULL)
		json_add(&builder, "lastFailure", exact_failure(before->last_failure));
	return json_end(&builder);
}

static void
add_payloads(JsonBuilder *builder, const char *key, const void *plain)
{
	Jsonb	   *exact = plain == NULL ? NULL :
		payloads_exact(DatumGetJsonbP(PointerGetDatum(plain)));

	if (exact != NULL)
		json_add(builder, key, exact);
}

/* the details of a cancellation, which stand in its failure */
static Jsonb *
canceled_details(const Activity *activity)
{
	return activity->failure == NULL ? NULL :
		json_get(activity->failure, "details") == NULL ? NULL :
		JsonbValueToJsonb(json_get(activity->failure, "details"));
}

/* the event that has asked for the cancellation: its number is the request's id */
static int64
cancel_event(const Activity *activity)
{
	const Controls *controls = activity->controls;

	if (controls == NULL && activity->task.control != NULL)
		controls = controls_from_jsonb(activity->task.control);
	return controls == NULL || controls->cancel.request_id == NULL ? 0 :
		strtoll(controls->cancel.request_id, NULL, 10);
}

static int
close_attributes(const Activity *activity, JsonBuilder *builder)
{
	const char *identity = text_to_cstring(activity->task.worker);

	switch (activity->task.state)
	{
		case STATE_COMPLETED:
			add_payloads(builder, "result", activity->result);
			json_add_text(builder, "identity", identity);
			return EVENT_TYPE_ACTIVITY_TASK_COMPLETED;
		case STATE_FAILED:
			json_add(builder, "failure", exact_failure(activity->failure));
			json_add_text(builder, "identity", identity);
			json_add_text(builder, "retryState", retry_state_text(activity->retry_state));
			return EVENT_TYPE_ACTIVITY_TASK_FAILED;
		case STATE_TIMED_OUT:
			json_add(builder, "failure", exact_failure(activity->failure));
			json_add_text(builder, "retryState", retry_state_text(activity->retry_state));
			return EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT;
		default:
			add_payloads(builder, "details", canceled_details(activity));
			json_add_event_id(builder, "latestCancelRequestedEventId", cancel_event(activity));
			json_add_text(builder, "identity", identity);
			return EVENT_TYPE_ACTIVITY_TASK_CANCELED;
	}
}

static Jsonb *
kept(Jsonb *value)
{
	return value == NULL ? NULL :
		memcpy(palloc(VARSIZE(value)), value, VARSIZE(value));
}

/*
 * owner_mail_closed: an activity of a run is closed, and was as "before" says; the
 * owner is shared.
 */
void
owner_mail_closed(const Activity *activity, const Activity *before)
{
	MemoryContext old_context;
	JsonBuilder builder;
	OwnerMail	item = {0};

	item.run_id = activity->owner;
	item.sub = GetCurrentSubTransactionId();
	item.mail.time = activity->close_time;
	json_begin(&builder);
	json_add_event_id(&builder, "scheduledEventId", activity->scheduled_event_id);
	item.mail.type = close_attributes(activity, &builder);
	item.mail.attributes = json_end(&builder);
	if (state_in_progress(before->task.state))
	{
		item.mail.started = started_attributes(before, before->task.worker, true);
		item.mail.started_time = before->task.started_time;
	}
	else if (activity->task.state == STATE_COMPLETED)
	{
		item.mail.started = started_attributes(before, activity->task.worker, false);
		item.mail.started_time = activity->close_time;
	}
	old_context = MemoryContextSwitchTo(TopTransactionContext);
	item.mail.attributes = kept(item.mail.attributes);
	item.mail.started = kept(item.mail.started);
	pending = grow(pending, NULL, &max_pending, npending + 1, sizeof(OwnerMail),
				   TopTransactionContext);
	item.number = npending == 0 ? 0 : pending[npending - 1].number + 1;
	pending[npending++] = item;
	MemoryContextSwitchTo(old_context);
}

/* ------------------------------------------------------------------------
 * What is on its way
 * ------------------------------------------------------------------------
 */

static int
compare_mail(const void *a, const void *b)
{
	const OwnerMail *x = a;
	const OwnerMail *y = b;

	if (x->run_id != y->run_id)
		return x->run_id < y->run_id ? -1 : 1;
	return x->number - y->number;
}

/* owner_mail_any: is there mail that nobody has taken? */
bool
owner_mail_any(void)
{
	return npending > 0;
}

/*
 * owner_mail_take: all of it, by ascending run, else as it came; the caller has it from now on.
 */
int
owner_mail_take(OwnerMail **list)
{
	int			n = npending;

	*list = pending;
	if (n > 1)
		pg_qsort(pending, n, sizeof(OwnerMail), compare_mail);
	owner_mail_forget();
	return n;
}

static void
store(const OwnerMail *item)
{
	inbox_put(item->run_id, run_mail_write(&item->mail));
	effects_mail();
}

/* owner_mail_store: what is left goes to the inboxes, before the transaction ends. */
void
owner_mail_store(void)
{
	OwnerMail  *list;
	int			n = owner_mail_take(&list);

	for (int i = 0; i < n; i++)
		store(&list[i]);
}

/*
 * owner_mail_store_for: what is on its way to the run goes to its inbox, since a step is about to
 * read that, which may close the run.  What was told before a savepoint outlives what comes
 * after it, and stays.
 */
void
owner_mail_store_for(int64 run_id)
{
	SubTransactionId mine = GetCurrentSubTransactionId();
	int			n = 0;

	for (int i = 0; i < npending; i++)
		if (pending[i].run_id == run_id && pending[i].sub == mine)
			store(&pending[i]);
	for (int i = 0; i < npending; i++)
		if (pending[i].run_id != run_id || pending[i].sub != mine)
			pending[n++] = pending[i];
	npending = n;
}

/* owner_mail_forget: the transaction has ended. */
void
owner_mail_forget(void)
{
	pending = NULL;
	npending = 0;
	max_pending = 0;
}

/* owner_mail_subtransaction: what a savepoint that is rolled back was to tell is not told. */
void
owner_mail_subtransaction(SubXactEvent event, SubTransactionId mine, SubTransactionId parent)
{
	int			n = 0;

	for (int i = 0; i < npending; i++)
	{
		if (pending[i].sub == mine && event == SUBXACT_EVENT_ABORT_SUB)
			continue;
		if (pending[i].sub == mine)
			pending[i].sub = parent;
		pending[n++] = pending[i];
	}
	npending = n;
}
