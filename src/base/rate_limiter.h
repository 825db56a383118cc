/*
 * rate_limiter.h
 *		Rate limiters.
 */
#ifndef TASKQ_RATE_LIMITER_H
#define TASKQ_RATE_LIMITER_H

#include "datatype/timestamp.h"

/* A rate limiter (GCRA): when the next token would be due without burst. */
typedef struct Limiter
{
	double		next;			/* us since 2000, 0 = never used */
	double		spacing;		/* us between tokens as of then */
} Limiter;

extern double limiter_spacing(double rate);
extern double limiter_part(double spacing);
extern int	limiter_take(Limiter *limiter, double rate, bool configured,
						 TimestampTz clock, int wanted);
extern TimestampTz limiter_next(Limiter *limiter, double rate,
								bool configured, TimestampTz clock);
extern void limiter_give_back(Limiter *limiter, double part);

#endif							/* TASKQ_RATE_LIMITER_H */
