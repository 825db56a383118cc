/*
 * timer_look.h
 *		A look at one row, because of a timeout.
 */
#ifndef TASKQ_TIMER_LOOK_H
#define TASKQ_TIMER_LOOK_H

#include "datatype/timestamp.h"
#include "lib/pairingheap.h"

/* A run to look at. */
typedef struct Watch
{
	pairingheap_node node;
	int64		run_id;
	TimestampTz when;
	bool		armed;			/* do not write its alarm (again) */
	/* when the next heartbeat moves it, else 0 */
	int64		nonce;
	int64		renewal;		/* by so many us after that */
	TimestampTz other;			/* first deadline that it does not move */
} Watch;

/* A look at it, in a transaction. */
typedef struct Look
{
	Watch	   *watch;			/* not in the heap; NULL = settled */
	bool		busy;			/* somebody holds the row */
	bool		again;			/* when it has committed, go on with ... */
	Watch		next;
} Look;

extern void timer_look(Look *look);

#endif							/* TASKQ_TIMER_LOOK_H */
