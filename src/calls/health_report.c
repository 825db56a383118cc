/*
 * health_report.c
 *		Rows of taskq.health.
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"

#include "calls/args.h"
#include "calls/health_report.h"
#include "model/duration.h"

/* health_report: what a check has found; the hint is left out if all is well. */
void
health_report(FunctionCallInfo fcinfo, const char *check, HealthStatus status,
			  const char *detail, const char *hint)
{
	static const char *const names[] = {
		[HEALTH_OK] = "ok",
		[HEALTH_WARNING] = "warning",
		[HEALTH_CRITICAL] = "critical",
	};
	Datum		values[4];
	bool		nulls[4] = {false};

	values[0] = CStringGetTextDatum(check);
	values[1] = CStringGetTextDatum(names[status]);
	values[2] = CStringGetTextDatum(detail);
	nulls[3] = status == HEALTH_OK || hint == NULL;
	values[3] = nulls[3] ? (Datum) 0 : CStringGetTextDatum(hint);
	put_row(fcinfo, values, nulls, lengthof(values));
}

/* health_cannot_look: a lock is not free, and nothing is waited for. */
void
health_cannot_look(FunctionCallInfo fcinfo, const char *check)
{
	health_report(fcinfo, check, HEALTH_WARNING,
				  "cannot look: somebody has locked a table of taskq",
				  "See pg_locks for an AccessExclusiveLock on a relation in schema taskq.");
}

/* health_span: microseconds as an interval for people, without fractions of a second. */
char *
health_span(int64 us)
{
	Interval   *interval = duration_to_interval(us - us % USECS_PER_SEC);

	return DatumGetCString(DirectFunctionCall1(interval_out,
											   IntervalPGetDatum(interval)));
}
