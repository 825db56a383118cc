/*
 * run_replay.c
 *		Whether a run is what its history says.
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "common/proto_enums.h"
#include "engine/run_refusal.h"
#include "engine/run_replay.h"
#include "model/run_mail.h"
#include "model/run_rebuild.h"
#include "model/run_step.h"
#include "store/find_run.h"
#include "store/history.h"
#include "store/inbox.h"
#include "store/run_timers.h"

static bool
take_event(void *arg, const HistoryEvent *event)
{
	rebuild_event(arg, event);
	return true;
}

static char *
differs(const char *what, int64 row, int64 history)
{
	return row == history ? NULL :
		psprintf("%s: the row has " INT64_FORMAT ", the history " INT64_FORMAT, what, row, history);
}

/* what waits in the inbox has happened to activities and timers, but is not in the history */
static int
told_later(int64 run_id, bool timers)
{
	InboxRow   *rows;
	int			n = inbox_read(run_id, &rows);
	int			count = 0;

	for (int i = 0; i < n; i++)
	{
		RunMail		mail;

		run_mail_read(rows[i].mail, &mail);
		count += timers ? mail.type == EVENT_TYPE_TIMER_FIRED : run_mail_closes_activity(&mail);
	}
	return count;
}

static char *
check_activities(const Run *run, const RebuiltRun *rebuilt)
{
	int64		run_id = run->task.run_id;
	int64	   *run_ids;
	int			n = find_activities_of_run(run_id, &run_ids) + told_later(run_id, false);

	for (int i = 0; i < rebuilt->activities.n; i++)
	{
		const RebuiltItem *item = &rebuilt->activities.items[i];
		Activity	activity;

		if (find_activity_of_run(run_id, cstring_to_text(item->id), &activity) &&
			activity.scheduled_event_id != item->event_id)
			return differs("event of an activity", activity.scheduled_event_id, item->event_id);
	}
	return differs("open activities", n, rebuilt->activities.n);
}

static char *
check_timers(const Run *run, const RebuiltRun *rebuilt)
{
	int64		run_id = run->task.run_id;
	int			n = told_later(run_id, true);

	for (int i = 0; i < rebuilt->timers.n; i++)
	{
		const RebuiltItem *item = &rebuilt->timers.items[i];
		RunTimer	timer;

		if (!run_timer_find(run_id, item->id, &timer) ||
			timer.started_event_id != item->event_id)
			continue;
		n++;
		if (run->timer_due > timer.fire_time)
			return psprintf("timer %s fires before the row is looked at", item->id);
	}
	return differs("timers", n, rebuilt->timers.n);
}

static char *
check_open(const Run *run, const RebuiltRun *rebuilt)
{
	char	   *found;

	if (rebuilt->status != RUN_STATUS_RUNNING)
		return psprintf("the run is open, its history says %s", run_status_name(rebuilt->status));
	if ((found = differs("events", run_stored_events(run), rebuilt->last_event_id)) != NULL ||
		(found = differs("event of the last completed task's start", run->previous_started_event_id,
						 rebuilt->run.previous_started_event_id)) != NULL ||
		(found = differs("signals", run->signals, rebuilt->run.signals)) != NULL ||
		(found = differs("cancel requested", (run->flags & RUN_CANCEL_REQUESTED) != 0,
						 (rebuilt->run.flags & RUN_CANCEL_REQUESTED) != 0)) != NULL ||
		(found = differs("pending activities", run->pending_activities, rebuilt->activities.n)) != NULL ||
		(found = differs("pending timers", run->pending_timers, rebuilt->timers.n)) != NULL ||
		(found = differs("written task", (run->flags & RUN_TASK_WRITTEN) ? run->scheduled_event_id : 0,
						 rebuilt->task_scheduled)) != NULL)
		return found;
	if ((found = check_activities(run, rebuilt)) != NULL)
		return found;
	return check_timers(run, rebuilt);
}

/*
 * run_replay: what is wrong with the run, open or (not NULL) closed; NULL if its
 * history gives the same.  Reads the history as a whole.
 */
char *
run_replay(const Run *run, const ClosedRun *closed)
{
	HistoryRange range = {0};
	RebuiltRun	rebuilt;

	range.run_id = run->task.run_id;
	range.leaves = run->history_leaves;
	range.until = run_stored_events(run);
	rebuild_begin(&rebuilt, range.run_id);
	history_read(&range, take_event, &rebuilt);
	if (rebuilt.fault != NULL)
		return rebuilt.fault;
	if (closed == NULL)
		return check_open(run, &rebuilt);
	if (rebuilt.status != closed->status)
		return psprintf("the run is %s, its history says %s", run_status_name(closed->status),
						run_status_name(rebuilt.status));
	return differs("events", closed->history_length, rebuilt.last_event_id);
}
