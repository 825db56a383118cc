/*
 * history_text.c
 *		Events of a run, as they are shown: those that are stored, and those of its
 *		task that are not written yet.
 *
 * As JSON an event is what protobuf prints: {"eventId": "1", "eventTime": ..., ...}.  The
 * texts are put together, never made a jsonb, whose size is limited and which would be
 * built only to be printed.
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"

#include "base/json_print.h"
#include "calls/history_text.h"
#include "common/proto_events.h"
#include "model/proto_values.h"
#include "model/run_step.h"
#include "store/history.h"

/* a page that is being filled */
typedef struct Filling
{
	HistoryPage *page;
	HistorySink sink;
	void	   *arg;
	Size		bytes;
	int			events;
	int64		expected;		/* the next one that is stored */
} Filling;

/* one more, unless the page is full */
static bool
fill(void *arg, const HistoryEvent *event)
{
	Filling    *filling = arg;
	HistoryPage *page = filling->page;

	if (page->max_bytes > 0 && filling->events > 0 &&
		filling->bytes >= (Size) page->max_bytes)
	{
		page->next_event_id = event->event_id;
		return false;
	}
	filling->bytes += filling->sink(filling->arg, event);
	filling->events++;
	return true;
}

/* likewise of those that are stored, which follow one another */
static bool
fill_stored(void *arg, const HistoryEvent *event)
{
	Filling    *filling = arg;

	filling->page->torn = event->event_id != filling->expected;
	filling->expected += filling->page->newest_first ? -1 : 1;
	return !filling->page->torn && fill(filling, event);
}

/*
 * What the run had in its history when it was read, and is wanted.  There may be
 * more by now, of which the run, as it was, knows nothing.
 */
static void
read_stored(Filling *filling)
{
	HistoryPage *page = filling->page;
	HistoryRange range = {0};

	range.run_id = page->run_id;
	range.leaves = page->run->history_leaves;
	range.after = page->after;
	range.until = run_stored_events(page->run);
	if (page->until > 0)
		range.until = Min(range.until, page->until);
	range.newest_first = page->newest_first;
	if (range.until <= Max(page->after, 0))
		return;
	filling->expected = page->newest_first ? range.until : Max(page->after, 0) + 1;
	history_read(&range, fill_stored, filling);
	if (page->next_event_id == 0 &&
		filling->expected != (page->newest_first ? Max(page->after, 0) : range.until + 1))
		page->torn = true;
}

/* the events of the task that have a number, but are not stored; how many */
static int
unwritten(const HistoryPage *page, HistoryEvent *events)
{
	const Run  *run = page->run;
	HistoryEvent both[2];
	bool		started;
	int			n = 0;

	if (!page->is_open || run->scheduled_event_id == 0 || run_task_is_transient(run))
		return 0;
	started = run_has_task_started(run);
	run_synthetic_events(run, &both[0], started ? &both[1] : NULL);
	if (!(run->flags & RUN_TASK_WRITTEN))
		events[n++] = both[0];
	if (started)
		events[n++] = both[1];
	return n;
}

static bool
is_wanted(const HistoryPage *page, const HistoryEvent *event)
{
	return event->event_id > page->after &&
		(page->until == 0 || event->event_id <= page->until);
}

/* those that are not stored come last; or first */
static bool
fill_unwritten(Filling *filling)
{
	HistoryEvent events[2];
	int			n = unwritten(filling->page, events);

	for (int i = 0; i < n; i++)
	{
		const HistoryEvent *event = &events[filling->page->newest_first ? n - 1 - i : i];

		if (is_wanted(filling->page, event) && !fill(filling, event))
			return false;
	}
	return true;
}

/* history_of: a page that has all events of the run. */
HistoryPage
history_of(const NamedRun *named)
{
	HistoryPage page = {0};

	page.run_id = named->run_id;
	page.run = named->is_open ? &named->run : &named->closed.run;
	page.is_open = named->is_open;
	return page;
}

/*
 * history_page: the events that are wanted, one by one.  If some are not there any
 * more, the page is torn.
 */
void
history_page(HistoryPage *page, HistorySink sink, void *arg)
{
	Filling		filling = {.page = page, .sink = sink, .arg = arg};

	page->next_event_id = 0;
	page->torn = false;
	if (page->newest_first && !fill_unwritten(&filling))
		return;
	read_stored(&filling);
	if (!page->newest_first && page->next_event_id == 0)
		(void) fill_unwritten(&filling);
}

/* raise_history_gone: 40001, the snapshot shows a run that was deleted, or has expired. */
void
raise_history_gone(int64 run_id)
{
	ereport(ERROR,
			(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
			 errmsg("the history of run " INT64_FORMAT " is not there any more", run_id)));
}

/*
 * history_check_there: the run was found, but was all of its history?  If not, it has
 * gone meanwhile, as that of a run that is deleted or expires does, and 40001 is
 * raised.  One that is still there is damaged, and shown as far as it can be.
 */
void
history_check_there(const HistoryPage *page)
{
	NamedRun	named;

	if (page->torn &&
		(IsolationUsesXactSnapshot() || !named_run_look(NULL, page->run_id, &named)))
		raise_history_gone(page->run_id);
}

/* members of an object, without its braces, after a comma */
static void
append_members(StringInfo to, Jsonb *object)
{
	Slice		text = json_printed(object);

	if (text.length > 2)
	{
		appendStringInfoChar(to, ',');
		appendBinaryStringInfo(to, text.data + 1, text.length - 2);
	}
	pfree(unconstify(char *, text.data));
}

/* history_event_text: append an event as JSON. */
void
history_event_text(StringInfo to, const HistoryEvent *event)
{
	const ProtoKind *kind = proto_event_kind(event->type);
	char	   *time = proto_instant_text(event->time);

	appendStringInfo(to, "{\"eventId\":\"" INT64_FORMAT "\",\"eventTime\":\"%s\",\"eventType\":\"%s\",\"%s\":",
					 event->event_id, time, kind->constant, kind->key);
	pfree(time);
	json_print(to, event->attributes);
	if (event->user_metadata != NULL)
	{
		appendStringInfoString(to, ",\"userMetadata\":");
		json_print(to, event->user_metadata);
	}
	if (event->extra != NULL)
		append_members(to, event->extra);
	appendStringInfoChar(to, '}');
}

static Size
append_event(void *arg, const HistoryEvent *event)
{
	StringInfo	to = arg;
	int			before = to->len;

	if (to->data[to->len - 1] != '[')
		appendStringInfoChar(to, ',');
	history_event_text(to, event);
	return to->len - before;
}

/* history_page_text: append the events that are wanted, as a JSON array. */
void
history_page_text(HistoryPage *page, StringInfo to)
{
	appendStringInfoChar(to, '[');
	history_page(page, append_event, to);
	appendStringInfoChar(to, ']');
}
