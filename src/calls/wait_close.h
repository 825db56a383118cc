/*
 * wait_close.h
 *		Waiting for the close of a run.
 */
#ifndef TASKQ_WAIT_CLOSE_H
#define TASKQ_WAIT_CLOSE_H

#include "datatype/timestamp.h"

#include "model/activity.h"

extern bool wait_for_run(int64 run_id, TimestampTz deadline,
						 Activity *activity);

#endif							/* TASKQ_WAIT_CLOSE_H */
