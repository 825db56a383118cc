/*
 * function_call.h
 *		Calls the function that is an attempt's.
 */
#ifndef TASKQ_FUNCTION_CALL_H
#define TASKQ_FUNCTION_CALL_H

#include "model/activity.h"

extern struct varlena *function_call(const Activity *activity);

#endif							/* TASKQ_FUNCTION_CALL_H */
