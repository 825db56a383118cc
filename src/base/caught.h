/*
 * caught.h
 *		An error that is caught, and goes no further.
 *
 * Raising one lets go of whatever holds interrupts off, since whoever catches it is to
 * end what was going on.  Who goes on instead, holds off cancels as before.
 */
#ifndef TASKQ_CAUGHT_H
#define TASKQ_CAUGHT_H

#include "miscadmin.h"

/* error_forget: it is over; "holdoff" is what QueryCancelHoldoffCount was before PG_TRY(). */
static inline void
error_forget(uint32 holdoff)
{
	FlushErrorState();
	QueryCancelHoldoffCount = holdoff;
}

#endif							/* TASKQ_CAUGHT_H */
