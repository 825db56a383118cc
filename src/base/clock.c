/*
 * clock.c
 *		The one clock of taskq, and sums of instants.
 *
 * Every instant that taskq records or compares comes from clock_now(): the
 * wall clock, not the transaction's start, since a long transaction must not
 * freeze time.  Tests shift it with taskq.clock_offset.
 */
#include "postgres.h"

#include "common/int.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "base/settings.h"

/*
 * clock_now: the current instant, shifted by taskq.clock_offset (ms).
 */
TimestampTz
clock_now(void)
{
	TimestampTz now = GetCurrentTimestamp();

	if (unlikely(taskq_clock_offset != 0))
		now += (int64) (taskq_clock_offset * 1000.0);
	return now;
}

/*
 * clock_ms_until: milliseconds to sleep until "when", rounded up so that a
 * sleeper never wakes early, 0 when it is past, at most "cap_ms".
 */
long
clock_ms_until(TimestampTz when, long cap_ms)
{
	TimestampTz now = clock_now();
	int64		us;

	if (when <= now)
		return 0;
	if (when == DT_NOEND)
		return cap_ms;
	us = when - now;
	if (us / 1000 >= cap_ms)
		return cap_ms;
	return (long) ((us + 999) / 1000);
}

/*
 * instant_add: "when" plus a duration in microseconds; DT_NOEND when the sum
 * is beyond the range of timestamptz or "when" is.
 */
TimestampTz
instant_add(TimestampTz when, int64 duration)
{
	TimestampTz sum;

	if (TIMESTAMP_NOT_FINITE(when) ||
		pg_add_s64_overflow(when, duration, &sum) ||
		!IS_VALID_TIMESTAMP(sum))
		return DT_NOEND;
	return sum;
}
