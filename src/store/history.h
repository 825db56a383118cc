/*
 * history.h
 *		The events of runs, as they are stored: appends, one for each step.
 */
#ifndef TASKQ_HISTORY_H
#define TASKQ_HISTORY_H

#include "datatype/timestamp.h"

#include "model/history_event.h"

/* columns of the tables history_N, in order; zero-based */
enum
{
	HISTORY_COL_RUN_ID,
	HISTORY_COL_FIRST_EVENT_ID,
	HISTORY_COL_EXPIRE_TIME,
	HISTORY_COL_COUNT,
	HISTORY_COL_EVENTS
};

/* What a reader of events does with one; false = enough. */
typedef bool (*HistoryReader) (void *arg, const HistoryEvent *event);

/* Which events, in which order. */
typedef struct HistoryRange
{
	int64		run_id;
	int64		after;			/* the first is the next one */
	int64		until;			/* the last; 0 = all */
	bool		newest_first;
	int			leaves;			/* a bit for each that may have appends of the
								 * run, see Run; 0 = any may */
} HistoryRange;

extern PGDLLEXPORT int history_append(int64 run_id, const HistoryEvent *events,
									  int n, TimestampTz expire_time, Size *bytes);
extern PGDLLEXPORT void history_read(const HistoryRange *range,
									 HistoryReader reader, void *arg);
extern PGDLLEXPORT bool history_event(int64 run_id, int leaves, int64 event_id,
									  HistoryEvent *event);
extern PGDLLEXPORT void history_delete(int64 run_id, int leaves);

#endif							/* TASKQ_HISTORY_H */
