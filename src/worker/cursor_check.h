/*
 * cursor_check.h
 *		The worker's chore: do polls pass over a task?
 */
#ifndef TASKQ_CURSOR_CHECK_H
#define TASKQ_CURSOR_CHECK_H

#include "datatype/timestamp.h"

extern TimestampTz cursor_check_run(void);

#endif							/* TASKQ_CURSOR_CHECK_H */
