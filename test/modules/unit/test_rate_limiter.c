/*
 * test_rate_limiter.c
 *		Tests of rate_limiter.c.
 */
#include "unit.h"

#include <math.h>

#include "base/rate_limiter.h"

#define SECOND		USECS_PER_SEC
#define START		(1000 * SECOND)
#define MANY		1000000

/* by a worker who asks for it */
static int
take(Limiter *limiter, double rate, TimestampTz clock, int wanted)
{
	return limiter_take(limiter, rate, false, clock, wanted);
}

static void
a_burst(void)
{
	Limiter		limiter = {0};

	is_int(take(&limiter, 10, START, 3), 3, "as many as are wanted");
	is_int(take(&limiter, 10, START, MANY), 7, "at once no more than a second's worth");
	is_int(take(&limiter, 10, START, 1), 0, "then none");
	is_int(take(&limiter, 10, START + SECOND / 10 - 10, 1), 0, "not before its time is there another one");
	is_int(take(&limiter, 10, START + SECOND / 10, MANY), 1, "then there is");
	is_int(take(&limiter, 10, START + SECOND / 2, MANY), 4, "what is not taken adds up");
	is_int(take(&limiter, 10, START + 3600 * SECOND, MANY), 10, "... to a second's worth");
}

static void
slow_ones(void)
{
	Limiter		limiter = {0};

	is_int(take(&limiter, 0.5, START, MANY), 1, "one every two seconds: there is one");
	is_int(take(&limiter, 0.5, START + 2 * SECOND - 10, 1), 0, "... no second one before");
	is_int(take(&limiter, 0.5, START + 2 * SECOND, MANY), 1, "... but then");
	is_int(take(&limiter, 0.5, START + 3600 * SECOND, MANY), 1, "... nor two after a long time");

	limiter = (Limiter) {0};
	is_int(take(&limiter, 1e-300, START, MANY), 1, "the lowest rate there is: there is one");
	ok(limiter_next(&limiter, 1e-300, false, START) > START + 3000L * 365 * 86400 * SECOND,
	   "... and no other for thousands of years");
	limiter = (Limiter) {0};
	take(&limiter, 1e-300, END_TIMESTAMP - SECOND, MANY);
	is_int(limiter_next(&limiter, 1e-300, false, END_TIMESTAMP - SECOND), DT_NOEND, "... or never, where time ends before");
}

static void
next_one(void)
{
	Limiter		limiter = {0};

	is_int(limiter_next(&limiter, 10, false, START), START, "a new one can be used at once");
	take(&limiter, 10, START, MANY);
	is_int(limiter_next(&limiter, 10, false, START), START + SECOND / 10, "used up: when there will be one");
	is_int(limiter_next(&limiter, 10, false, START + SECOND), START + SECOND, "now, when it is late");
	for (int i = 0; i < 10000 && faultless(); i++)
	{
		double		rate = exp(random_int(-30, 70) / 10.0);
		Limiter		one = {0};
		Limiter		other;
		TimestampTz next;

		take(&one, rate, START, random_int(1, 200));
		other = one;
		next = limiter_next(&one, rate, false, START);
		if (take(&one, rate, next, 1) != 1)
			fault("rate %g: none when there should be one", rate);
		if (next > START + 2 && take(&other, rate, next - 2 - (TimestampTz) Min(1, SECOND / rate / 4), 1) != 0)
			fault("rate %g: one before its time", rate);
	}
	no_fault("at any rate there is one at that time, and none before");
}

static void
over_time(void)
{
	for (int i = 0; i < 300 && faultless(); i++)
	{
		double		rate = exp(random_int(-20, 60) / 10.0);
		Limiter		limiter = {0};
		TimestampTz clock = START;
		int64		n = 0;

		for (int j = 0; j < 1000; j++)
		{
			n += take(&limiter, rate, clock, random_int(1, 1000));
			if (n > rate * (clock - START) / SECOND + Max(rate, 1) + 0.5)
				fault("rate %g: " INT64_FORMAT " in " INT64_FORMAT " us", rate, n, clock - START);
			clock += random_int(0, 200000);
		}
	}
	no_fault("never more than a burst and what time brings");

	for (int i = 0; i < 300 && faultless(); i++)
	{
		double		rate = exp(random_int(0, 60) / 10.0);
		Limiter		limiter = {0};
		int64		n = 0;

		for (int ms = 0; ms < 10000; ms++)
			n += take(&limiter, rate, START + ms * 1000, MANY);
		if (n < floor(rate * 10) - 1)
			fault("rate %g: " INT64_FORMAT " in 10 s", rate, n);
	}
	no_fault("never less, for who takes all there is");
}

static void
clock_set_back(void)
{
	Limiter		limiter = {0};

	take(&limiter, 10, START, MANY);
	is_int(take(&limiter, 10, START - 500 * SECOND, 1), 0, "a clock that is set back brings nothing");
	is_int(limiter_next(&limiter, 10, false, START - 500 * SECOND), START - 500 * SECOND + SECOND / 10,
		   "... and costs nothing more than what was used up");
}

static void
other_rates(void)
{
	Limiter		limiter = {0};
	int64		n = 0;

	take(&limiter, 10, START, 5);
	is_int(take(&limiter, 100, START, MANY), 50, "half of it is left: half of it, at ten times the rate");
	is_int(take(&limiter, 10, START, MANY), 0, "used up at one rate: at the other, too");
	is_int(take(&limiter, 1000, START, MANY), 0, "... at any");
	is_int(limiter_next(&limiter, 0.1, false, START), START + 10 * SECOND, "... until then, when who asks next asks for another");

	limiter = (Limiter) {0};
	for (int ms = 0; ms < 10000; ms++)
		n += take(&limiter, ms % 2 ? 10 : 100, START + ms * 1000, MANY);
	ok(n <= 1100, "who asks for two rates in turn gets no more than at the higher one");

	limiter = (Limiter) {0};
	limiter_take(&limiter, 10, true, START, MANY);
	is_int(limiter_take(&limiter, 100, true, START, MANY), 90, "configured higher: what was taken counts, the rest is there");
	is_int(limiter_take(&limiter, 10, true, START, 1), 0, "configured lower: used up");
	is_int(limiter_next(&limiter, 10, true, START), START + SECOND / 10, "... as at that rate");

	limiter = (Limiter) {0};
	limiter_take(&limiter, 100, true, START, 50);
	is_int(limiter_take(&limiter, 10, true, START, MANY), 5, "... half of it: half of it is left");
}

static void
given_back(void)
{
	Limiter		limiter = {0};

	is_real(limiter_spacing(10), 100000, "ten a second: one each 100 ms");
	is_real(limiter_spacing(1e-300), 1e17, "... and there is a slowest one");
	is_real(limiter_part(limiter_spacing(10)), 0.1, "... a tenth of what there is");
	is_real(limiter_part(limiter_spacing(0.1)), 1, "one in ten seconds is all there is");
	take(&limiter, 10, START, MANY);
	limiter_give_back(&limiter, limiter_part(limiter_spacing(10)));
	is_int(take(&limiter, 10, START, MANY), 1, "what is given back can be taken again");
	take(&limiter, 100, START, MANY);
	limiter_give_back(&limiter, limiter_part(limiter_spacing(10)));
	is_int(take(&limiter, 100, START, MANY), 10, "... as the same part, when the rate is another by now");
	limiter_give_back(&limiter, 5);
	is_int(take(&limiter, 100, START, MANY), 100, "... and never more than there can be");
}

UNIT(unit_limiter, a_burst, slow_ones, next_one, over_time, clock_set_back, other_rates, given_back);
