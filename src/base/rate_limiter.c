/*
 * rate_limiter.c
 *		Rate limiters.
 *
 * A limiter is the generic cell rate algorithm: one instant, "next", at which
 * the next token would be due if there were no burst.  The burst is one
 * second's worth, at least one task.  When the rate changes, what is left stays
 * the same part of what there can be, so that workers that ask for different
 * rates in turn get no more than the highest.  A rate that is configured higher
 * is there at once: what was taken stays the same number of tokens.
 *
 * Limiters live in shared memory (queues.c); the caller holds its lock.
 */
#include "postgres.h"

#include <math.h>

#include "base/rate_limiter.h"

/* a rate that is as good as zero: thousands of years, but a number */
#define MAX_SPACING		1e17

/*
 * limiter_capacity: how far "next" of a limiter is ahead of the clock when it
 * is used up, in microseconds: one second, or one token if that takes longer.
 */
static double
limiter_capacity(double spacing)
{
	return Max((double) USECS_PER_SEC, spacing);
}

/* limiter_give_back: a part of what it can hold, whatever its rate was then. */
void
limiter_give_back(Limiter *limiter, double part)
{
	limiter->next -= part * limiter_capacity(limiter->spacing);
}

/* limiter_spacing: us between two tokens at a rate. */
double
limiter_spacing(double rate)
{
	return Min(USECS_PER_SEC / rate, MAX_SPACING);
}

/* limiter_part: how much of its limiter one token of that spacing is. */
double
limiter_part(double spacing)
{
	return spacing / limiter_capacity(spacing);
}

/*
 * Bring a limiter to a rate.  It never owes more than all it can hold, also
 * when the clock was set back.
 */
static void
adapt(Limiter *limiter, double spacing, double now, bool configured)
{
	double		capacity = limiter_capacity(spacing);
	double		before = limiter->spacing;

	if (before != 0 && before != spacing && limiter->next > now)
		limiter->next = now + (limiter->next - now) *
			(configured && spacing < before ? spacing / before :
			 capacity / limiter_capacity(before));
	limiter->spacing = spacing;
	limiter->next = Min(Max(limiter->next, now), now + capacity);
}

/* how far "next" may be ahead of the clock when a token is taken */
static double
burst_depth(double spacing)
{
	return limiter_capacity(spacing) - spacing;
}

/*
 * limiter_take: up to "wanted" tokens at a rate; "configured" = not asked for
 * by a worker.
 */
int
limiter_take(Limiter *limiter, double rate, bool configured, TimestampTz clock,
			int wanted)
{
	double		now = (double) clock;
	double		spacing = limiter_spacing(rate);
	double		room;
	int			n;

	Assert(rate >= 0 && wanted >= 0);
	adapt(limiter, spacing, now, configured);
	/* some grace for the arithmetic */
	room = now + burst_depth(spacing) - limiter->next + Min(0.5, spacing / 4);
	if (room < 0)
		return 0;
	n = (int) Min(floor(room / spacing) + 1, wanted);
	limiter->next += n * spacing;
	return n;
}

/* limiter_next: when the next token can be had. */
TimestampTz
limiter_next(Limiter *limiter, double rate, bool configured, TimestampTz clock)
{
	double		spacing = limiter_spacing(rate);
	double		when;

	adapt(limiter, spacing, (double) clock, configured);
	when = limiter->next - burst_depth(spacing);
	if (when <= (double) clock + 0.5)
		return clock;
	if (when >= (double) END_TIMESTAMP)
		return DT_NOEND;
	return (TimestampTz) ceil(when);
}
