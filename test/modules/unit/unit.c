/*
 * unit.c
 *		Runs unit tests, and keeps what they found.
 */
#include "unit.h"

#include "funcapi.h"
#include "utils/builtins.h"

PG_MODULE_MAGIC;

pg_prng_state unit_random;

static ReturnSetInfo *results;
static char first_fault[200];

/* unit_run: all tests of a file; each finds the same random numbers. */
Datum
unit_run(FunctionCallInfo fcinfo, const UnitTest *tests, int n)
{
	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	results = (ReturnSetInfo *) fcinfo->resultinfo;
	for (int i = 0; i < n; i++)
	{
		pg_prng_seed(&unit_random, 1);
		tests[i] ();
	}
	return (Datum) 0;
}

/* is_text: an assertion. */
void
is_text(const char *got, const char *wanted, const char *claim)
{
	Datum		values[3];
	bool		nulls[3] = {false, false, false};

	values[0] = CStringGetTextDatum(got);
	values[1] = CStringGetTextDatum(wanted);
	values[2] = CStringGetTextDatum(claim);
	tuplestore_putvalues(results->setResult, results->setDesc, values, nulls);
}

/* ok: an assertion. */
void
ok(bool passed, const char *claim)
{
	is_text(passed ? "true" : "false", "true", claim);
}

/* is_int: an assertion. */
void
is_int(int64 got, int64 wanted, const char *claim)
{
	is_text(psprintf(INT64_FORMAT, got), psprintf(INT64_FORMAT, wanted), claim);
}

/* is_real: an assertion, of nine digits. */
void
is_real(double got, double wanted, const char *claim)
{
	is_text(psprintf("%.9g", got), psprintf("%.9g", wanted), claim);
}

/* random_int: between the two, both included. */
int
random_int(int from, int to)
{
	return from + (int) (pg_prng_uint64(&unit_random) % (uint64) (to - from + 1));
}

/* fault: something is wrong, for no_fault to say. */
void
fault(const char *format,...)
{
	va_list		args;

	if (first_fault[0] != '\0')
		return;
	va_start(args, format);
	vsnprintf(first_fault, sizeof(first_fault), format, args);
	va_end(args);
}

/* faultless: has there been no fault yet? */
bool
faultless(void)
{
	return first_fault[0] == '\0';
}

/* no_fault: the assertion that there was none since the last one. */
void
no_fault(const char *claim)
{
	is_text(first_fault, "", claim);
	first_fault[0] = '\0';
}
