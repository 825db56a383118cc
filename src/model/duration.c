/*
 * duration.c
 *		Durations, which are microseconds in C, and intervals of SQL; what is
 *		read out of text.
 */
#include "postgres.h"

#include "common/int.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

#include "base/caught.h"
#include "base/compat.h"
#include "base/shown.h"
#include "model/duration.h"

/*
 * What is wrong with the interval, NULL when it is a duration; then *duration is
 * its microseconds, a day counting 24 hours.
 */
static const char *
check_interval(const Interval *interval, int64 *duration)
{
	int64		days;

	if (interval_is_infinite(interval))
		return "must be finite";
	if (interval->month != 0)
		return "must not contain months, whose length varies";
	if ((interval->day > 0 && interval->time < 0) ||
		(interval->day < 0 && interval->time > 0))
		return "must not mix signs";
	if (pg_mul_s64_overflow(interval->day, USECS_PER_DAY, &days) ||
		pg_add_s64_overflow(days, interval->time, duration))
		return "out of range";
	if (*duration < 0)
		return "must not be negative";
	*duration = Min(*duration, MAX_DURATION);
	return NULL;
}

/*
 * duration_from_interval: the same for an argument, whose name is for the
 * message.
 */
int64
duration_from_interval(const Interval *interval, const char *name)
{
	int64		duration = 0;
	const char *problem = check_interval(interval, &duration);

	if (problem != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid %s: %s", name, problem)));
	return duration;
}

/*
 * check_proto_duration: raise 22023 unless a duration of an argument, in microseconds, can be
 * written in the protocol.
 */
int64
check_proto_duration(int64 duration, const char *name)
{
	if (duration > MAX_PROTO_DURATION)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid %s: out of range", name),
				 errdetail("It can be %lld days at most.",
						   (long long) (MAX_PROTO_DURATION / USECS_PER_DAY))));
	return duration;
}

/* duration_to_interval: the same as an interval of hours and less. */
Interval *
duration_to_interval(int64 duration)
{
	Interval   *interval = palloc0(sizeof(Interval));

	interval->time = duration;
	return interval;
}

/* duration_to_text: as every IntervalStyle reads it back. */
char *
duration_to_text(int64 duration)
{
	return psprintf("%02lld:%02d:%02d%s",
					(long long) (duration / USECS_PER_HOUR),
					(int) (duration % USECS_PER_HOUR / USECS_PER_MINUTE),
					(int) (duration % USECS_PER_MINUTE / USECS_PER_SEC),
					duration % USECS_PER_SEC == 0 ? "" :
					psprintf(".%06d", (int) (duration % USECS_PER_SEC)));
}

/*
 * The value that a text stands for, by the input function of its type; false
 * when it stands for none.  The functions meant here only compute, so there is
 * nothing to undo; an error that is not about the text is raised.
 */
static bool
read_value(PGFunction input, char *string, Datum *value)
{
	MemoryContext context = CurrentMemoryContext;
	uint32		holdoff = QueryCancelHoldoffCount;
	volatile bool ok = false;

	PG_TRY();
	{
		*value = DirectFunctionCall3(input, CStringGetDatum(string),
									 ObjectIdGetDatum(InvalidOid),
									 Int32GetDatum(-1));
		ok = true;
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		if (ERRCODE_TO_CATEGORY(geterrcode()) != ERRCODE_DATA_EXCEPTION)
			PG_RE_THROW();
		error_forget(holdoff);
	}
	PG_END_TRY();
	return ok;
}

/*
 * interval_from_text: read an interval; what is none is an invalid parameter
 * like any other.
 */
Interval *
interval_from_text(char *string, const char *name)
{
	Datum		interval;

	if (!read_value(interval_in, string, &interval))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid %s: \"%s\" is not an interval", name, text_shown(string))));
	return DatumGetIntervalP(interval);
}

/* instant_from_text: likewise. */
TimestampTz
instant_from_text(char *string, const char *name)
{
	Datum		instant;

	if (!read_value(timestamptz_in, string, &instant))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid %s: \"%s\" is not a timestamp", name, text_shown(string))));
	return DatumGetTimestampTz(instant);
}
