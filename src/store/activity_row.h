/*
 * activity_row.h
 *		A row of taskq.open, as far as only activities have it.
 */
#ifndef TASKQ_ACTIVITY_ROW_H
#define TASKQ_ACTIVITY_ROW_H

#include "model/activity.h"
#include "model/retry_policy.h"

extern struct varlena *row_control(Activity *activity);
extern void row_set_retry_policy(Datum *value, bool *null,
								 const RetryPolicy *policy);
extern void row_get_retry_policy(Datum value, bool null, RetryPolicy *policy);

/* for the kind of activities, see kinds.h */
extern void activity_to_row(Task *task, Datum *values, bool *nulls);
extern void activity_from_row(const Datum *values, const bool *nulls,
							  Task *task);
extern void activity_deadlines_from_row(const Datum *values, const bool *nulls,
										Task *task);

#endif							/* TASKQ_ACTIVITY_ROW_H */
