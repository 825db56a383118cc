/*
 * unit.h
 *		How a unit test is written.
 *
 * A file of tests ends with UNIT(function, tests...): the function of SQL that
 * runs them.  It returns what pgTAP's is() takes, a row per assertion: what came
 * out, what was wanted, and what is claimed.
 */
#ifndef TASKQ_UNIT_H
#define TASKQ_UNIT_H

#include "postgres.h"

#include "common/pg_prng.h"
#include "fmgr.h"

typedef void (*UnitTest) (void);

extern Datum unit_run(FunctionCallInfo fcinfo, const UnitTest *tests, int n);

/* exported also where PG_FUNCTION_INFO_V1 does not yet see to that */
#define UNIT(function, ...) \
	extern PGDLLEXPORT Datum function(PG_FUNCTION_ARGS); \
	PG_FUNCTION_INFO_V1(function); \
	Datum \
	function(PG_FUNCTION_ARGS) \
	{ \
		static const UnitTest tests[] = {__VA_ARGS__}; \
		return unit_run(fcinfo, tests, lengthof(tests)); \
	} \
	extern int no_such_variable

/* assertions */
extern void ok(bool passed, const char *claim);
extern void is_int(int64 got, int64 wanted, const char *claim);
extern void is_real(double got, double wanted, const char *claim);
extern void is_text(const char *got, const char *wanted, const char *claim);

/*
 * Tests at random: the same at each run.  What they find first is what they say.
 */
extern pg_prng_state unit_random;
extern int	random_int(int from, int to);
extern void fault(const char *format,...) pg_attribute_printf(1, 2);
extern bool faultless(void);
extern void no_fault(const char *claim);

#endif							/* TASKQ_UNIT_H */
