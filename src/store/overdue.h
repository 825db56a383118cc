/*
 * overdue.h
 *		Is there a timeout that should have fired?
 */
#ifndef TASKQ_OVERDUE_H
#define TASKQ_OVERDUE_H

#include "task/kinds.h"

typedef struct Overdue
{
	int64		run_id;			/* 0 = none */
	const char *name;			/* of the timeout */
	TimestampTz since;
} Overdue;

extern bool store_overdue(TimestampTz now, int64 started, Overdue *worst);

#endif							/* TASKQ_OVERDUE_H */
