/*
 * waiter_debts.h
 *		The worker's chore for wakes that were not used.
 */
#ifndef TASKQ_WAITER_DEBTS_H
#define TASKQ_WAITER_DEBTS_H

#include "datatype/timestamp.h"

extern TimestampTz wait_run(void);

#endif							/* TASKQ_WAITER_DEBTS_H */
