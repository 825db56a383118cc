/*
 * run_timers.h
 *		User timers of runs.
 */
#ifndef TASKQ_RUN_TIMERS_H
#define TASKQ_RUN_TIMERS_H

#include "datatype/timestamp.h"
#include "storage/itemptr.h"

typedef struct RunTimer
{
	ItemPointerData tid;
	int64		run_id;
	char	   *timer_id;
	int64		started_event_id;
	TimestampTz fire_time;
} RunTimer;

extern PGDLLEXPORT void run_timer_insert(const RunTimer *timer);
extern PGDLLEXPORT bool run_timer_find(int64 run_id, const char *timer_id,
									   RunTimer *timer);
extern PGDLLEXPORT int run_timers_due(int64 run_id, TimestampTz until,
									  RunTimer **timers);
extern PGDLLEXPORT TimestampTz run_timers_next(int64 run_id);
extern int	run_timers_count(int64 run_id);
extern PGDLLEXPORT void run_timer_delete(const RunTimer *timer);
extern PGDLLEXPORT void run_timers_delete(int64 run_id);

#endif							/* TASKQ_RUN_TIMERS_H */
