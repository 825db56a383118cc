/*
 * closed.h
 *		Rows of the closed tables: what is kept of an activity after its close.
 */
#ifndef TASKQ_CLOSED_H
#define TASKQ_CLOSED_H

#include "model/activity.h"

typedef struct ClosedRows ClosedRows;

extern void store_insert_closed(Activity *activity);
extern ClosedRows *store_collect_closed(void);
extern void store_insert_collected(ClosedRows *rows);
extern bool store_find_closed(int64 run_id, Activity *activity);
extern bool store_find_closed_by_activity_id(const text *activity_id,
											 Activity *activity);
extern bool store_newest_closed(const text *activity_id, Activity *activity);
extern bool store_delete_closed(int64 run_id);

#endif							/* TASKQ_CLOSED_H */
