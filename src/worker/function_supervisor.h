/*
 * function_supervisor.h
 *		The chore that starts function workers and cleans up after them.
 */
#ifndef TASKQ_FUNCTION_SUPERVISOR_H
#define TASKQ_FUNCTION_SUPERVISOR_H

#include "datatype/timestamp.h"

extern TimestampTz function_supervise(void);

#endif							/* TASKQ_FUNCTION_SUPERVISOR_H */
