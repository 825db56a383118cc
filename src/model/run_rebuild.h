/*
 * run_rebuild.h
 *		A run made again from its history.
 */
#ifndef TASKQ_RUN_REBUILD_H
#define TASKQ_RUN_REBUILD_H

#include "model/history_event.h"
#include "model/run.h"

/* What is pending: an activity or a timer. */
typedef struct RebuiltItem
{
	int64		event_id;		/* that began it */
	char	   *id;
} RebuiltItem;

typedef struct RebuiltItems
{
	RebuiltItem *items;
	int			n;
	int			max;
} RebuiltItems;

typedef struct RebuiltRun
{
	Run			run;			/* as far as events tell */
	RebuiltItems activities;
	RebuiltItems timers;
	int64		last_event_id;
	int64		task_scheduled; /* event of the task that has not ended; 0 = none */
	int64		task_started;	/* likewise */
	RunStatus	status;
	char	   *fault;			/* what no history can have; NULL = nothing so far */
} RebuiltRun;

extern void rebuild_begin(RebuiltRun *rebuilt, int64 run_id);
extern void rebuild_event(RebuiltRun *rebuilt, const HistoryEvent *event);

#endif							/* TASKQ_RUN_REBUILD_H */
