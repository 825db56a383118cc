/*
 * find.h
 *		Finding one open task, by its run_id, or by an id that its caller gave.
 */
#ifndef TASKQ_FIND_H
#define TASKQ_FIND_H

#include "model/activity.h"
#include "store/open_row.h"
#include "task/kinds.h"

extern bool store_find(int64 run_id, Activity *activity);
extern PGDLLEXPORT bool store_find_task(int64 run_id, TaskRoom *room);
extern bool store_see_task(int64 run_id, TaskRoom *room);
extern bool store_find_scoped(int64 scope, const text *id, bool to_write,
							  TaskRoom *room);
extern bool store_find_by_activity_id(const text *activity_id,
									  Activity *activity);
extern bool store_glance(int64 run_id, OpenGlance *glance);
extern bool store_see(int64 run_id, Activity *activity);
extern bool store_see_by_activity_id(const text *activity_id,
									 Activity *activity);

#endif							/* TASKQ_FIND_H */
