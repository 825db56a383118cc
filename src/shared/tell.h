/*
 * tell.h
 *		Telling of tasks: to those who wait, and to those who listen.
 */
#ifndef TASKQ_TELL_H
#define TASKQ_TELL_H

#include "datatype/timestamp.h"

extern void tell_queue(uint64 hash, TimestampTz due, int n);
extern void tell_hungry(uint64 hash);
extern void tell_all_queues(void);
extern void tell_rows_changed(void);

#endif							/* TASKQ_TELL_H */
