/*
 * round.h
 *		Which lane comes next, round and round, where there are many.
 */
#ifndef TASKQ_ROUND_H
#define TASKQ_ROUND_H

#include "engine/admission.h"
#include "shared/ring.h"
#include "store/ready.h"

/* The lanes of one level, being served, or looked at. */
typedef struct Round
{
	const Admission *admission;
	ReadyScan  *ready;
	int16		level;
	Ring		ring;			/* as it was last seen */
	int			vain;			/* lanes that had nothing to offer */
	int			wraps;			/* ends reached since something was served */
	bool		served;			/* anything */
	bool		light;			/* some had no turn, for their weight */
	bool		take_light;		/* they get one now, since no other has a task */

	/* for who only looks */
	text	   *start;			/* where the ring stood, ... */
	text	   *before;			/* ... the lane before the last one, ... */
	text	   *at;				/* ... and the last one; NULL = before all */
	bool		itself;			/* the one at "at" comes next */
} Round;

extern void round_begin(Round *round, const Admission *admission,
						ReadyScan *ready, int16 level);
extern Lane *round_next(Round *round, int wanted, int *turns);
extern void round_served(Round *round, int turns, int claimed);
extern Lane *round_peek(Round *round, TimestampTz *next);
extern void round_stop_before(Round *round);

#endif							/* TASKQ_ROUND_H */
