/*
 * history_text.h
 *		Events of a run, as they are shown: those that are stored, and those of its
 *		task that are not written yet.
 */
#ifndef TASKQ_HISTORY_TEXT_H
#define TASKQ_HISTORY_TEXT_H

#include "lib/stringinfo.h"

#include "base/compat.h"
#include "calls/workflow_args.h"
#include "model/history_event.h"

/* Which events of a run are wanted. */
typedef struct HistoryPage
{
	int64		run_id;
	const Run  *run;			/* as it was read */
	bool		is_open;
	int64		after;
	int64		until;			/* 0 = all */
	bool		newest_first;
	int64		max_bytes;		/* of JSON; 0 = all; at least one event comes */
	int64		next_event_id;	/* out: the first that was left out; 0 = none */
	bool		torn;			/* out: others were not there, though the run has
								 * them */
} HistoryPage;

/* Takes one event; *bytes: how long it is as JSON, or about. */
typedef Size (*HistorySink) (void *arg, const HistoryEvent *event);

extern HistoryPage history_of(const NamedRun *named);
extern void history_page(HistoryPage *page, HistorySink sink, void *arg);
pg_noreturn extern void raise_history_gone(int64 run_id);
extern void history_check_there(const HistoryPage *page);
extern void history_event_text(StringInfo to, const HistoryEvent *event);
extern void history_page_text(HistoryPage *page, StringInfo to);

#endif							/* TASKQ_HISTORY_TEXT_H */
