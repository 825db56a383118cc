/*
 * run_deliver.h
 *		Events that come to a run from outside.
 */
#ifndef TASKQ_RUN_DELIVER_H
#define TASKQ_RUN_DELIVER_H

#include "datatype/timestamp.h"

#include "model/run_step.h"

extern bool run_deliver(int64 run_id, const RunMail *mail);
extern void run_deliver_closes(void);
extern bool run_drain(int64 run_id);

#endif							/* TASKQ_RUN_DELIVER_H */
