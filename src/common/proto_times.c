/*
 * proto_times.c
 *		Durations and instants as texts: the JSON form of protobuf, and what
 *		taskq writes.
 *
 * "1.5s" is both a duration of protobuf and an interval; the server writes the
 * same as "00:00:01.5".  Instants are "2026-01-31T12:00:00.5Z".
 */
#include "common/proto_times.h"

#include <stdio.h>
#include <string.h>

#define NANOSECONDS		1000000000
#define FIRST_INSTANT	INT64_C(-62135596800)	/* 0001-01-01 00:00:00 */
#define LAST_INSTANT	INT64_C(253402300799)	/* 9999-12-31 23:59:59 */
#define DAY				86400

/* ------------------------------------------------------------------------
 * Pieces
 * ------------------------------------------------------------------------
 */

static bool
take(Slice *text, char character)
{
	if (text->length == 0 || text->data[0] != character)
		return false;
	*text = (Slice) {text->data + 1, text->length - 1};
	return true;
}

/* A number of so many digits; of most digits at least one if least is 1. */
static bool
take_number(Slice *text, int least, int most, int64_t *number)
{
	int			digits = 0;

	*number = 0;
	while (digits < most && text->length > 0 && text->data[0] >= '0' && text->data[0] <= '9')
	{
		*number = *number * 10 + (text->data[0] - '0');
		take(text, text->data[0]);
		digits++;
	}
	return digits >= least;
}

/* ".5", if there is one; no more than nine digits. */
static bool
take_fraction(Slice *text, int32_t *nanoseconds)
{
	int64_t		number;
	size_t		before = text->length - 1;

	*nanoseconds = 0;
	if (!take(text, '.'))
		return true;
	if (!take_number(text, 1, 9, &number))
		return false;
	for (size_t digits = before - text->length; digits < 9; digits++)
		number *= 10;
	*nanoseconds = (int32_t) number;
	return true;
}

/* So many digits, with zeros before them. */
static void
put_digits(char *to, int64_t number, int count)
{
	for (int i = count - 1; i >= 0; i--)
	{
		to[i] = (char) ('0' + number % 10);
		number /= 10;
	}
}

/* Behind the point, in groups of three digits, as protobuf does; none of 0. */
static void
write_fraction(TextBuffer *to, int32_t nanoseconds)
{
	char		digits[10] = ".";
	int			length = nanoseconds % 1000000 == 0 ? 3 : nanoseconds % 1000 == 0 ? 6 : 9;

	if (nanoseconds == 0)
		return;
	put_digits(digits + 1, nanoseconds, 9);
	text_buffer_add(to, digits, (size_t) length + 1);
}

/* ------------------------------------------------------------------------
 * Durations
 * ------------------------------------------------------------------------
 */

/*
 * proto_duration_valid: is it one for protobuf?
 */
bool
proto_duration_valid(ProtoTime duration)
{
	return duration.seconds >= -PROTO_MOST_SECONDS && duration.seconds <= PROTO_MOST_SECONDS &&
		duration.nanoseconds > -NANOSECONDS && duration.nanoseconds < NANOSECONDS &&
		!(duration.seconds > 0 && duration.nanoseconds < 0) &&
		!(duration.seconds < 0 && duration.nanoseconds > 0);
}

/*
 * proto_duration_write: add "1.500s".
 */
void
proto_duration_write(TextBuffer *to, ProtoTime duration)
{
	bool		is_negative = duration.seconds < 0 || duration.nanoseconds < 0;
	char		digits[24];

	snprintf(digits, sizeof(digits), "%s%lld", is_negative ? "-" : "",
			 (long long) (is_negative ? -duration.seconds : duration.seconds));
	text_buffer_text(to, digits);
	write_fraction(to, is_negative ? -duration.nanoseconds : duration.nanoseconds);
	text_buffer_char(to, 's');
}

/*
 * proto_duration_read: "1.5s", "1.5" and "00:00:01.5", of which any may be
 * negative.  false: it is none of them.
 */
bool
proto_duration_read(Slice text, ProtoTime *duration)
{
	bool		is_negative = take(&text, '-');
	int64_t		minutes;
	int64_t		seconds;

	if (!take_number(&text, 1, 12, &duration->seconds))
		return false;
	if (take(&text, ':'))
	{
		if (duration->seconds > PROTO_MOST_SECONDS / 3600 ||
			!take_number(&text, 2, 2, &minutes) || minutes > 59 || !take(&text, ':') ||
			!take_number(&text, 2, 2, &seconds) || seconds > 59)
			return false;
		duration->seconds = duration->seconds * 3600 + minutes * 60 + seconds;
		if (!take_fraction(&text, &duration->nanoseconds))
			return false;
	}
	else
	{
		if (!take_fraction(&text, &duration->nanoseconds))
			return false;
		take(&text, 's');
	}
	if (is_negative)
	{
		duration->seconds = -duration->seconds;
		duration->nanoseconds = -duration->nanoseconds;
	}
	return text.length == 0 && proto_duration_valid(*duration);
}

/* ------------------------------------------------------------------------
 * Instants
 * ------------------------------------------------------------------------
 */

/* Days since 1970-01-01, in the calendar that we use now. */
static int64_t
days_from_date(int64_t year, int64_t month, int64_t day)
{
	/* years begin in March here, so that the leap day is their last */
	int64_t		from_march = (month + 9) % 12;
	int64_t		years = year - (month <= 2);
	int64_t		leap_days = years / 4 - years / 100 + years / 400;

	return years * 365 + leap_days + (from_march * 153 + 2) / 5 + day - 1 - 719468;
}

static void
date_from_days(int64_t days, int64_t *year, int64_t *month, int64_t *day)
{
	int64_t		era = (days + 719468) / 146097;	/* 400 years */
	int64_t		left = (days + 719468) % 146097;
	int64_t		years = (left - left / 1460 + left / 36524 - left / 146096) / 365;
	int64_t		from_march;

	left -= years * 365 + years / 4 - years / 100;
	from_march = (left * 5 + 2) / 153;
	*day = left - (from_march * 153 + 2) / 5 + 1;
	*month = (from_march + 2) % 12 + 1;
	*year = era * 400 + years + (*month <= 2);
}

/*
 * proto_instant_valid: is it one for protobuf, that is of the years 1 to 9999?
 */
bool
proto_instant_valid(ProtoTime instant)
{
	return instant.seconds >= FIRST_INSTANT && instant.seconds <= LAST_INSTANT &&
		instant.nanoseconds >= 0 && instant.nanoseconds < NANOSECONDS;
}

/*
 * proto_instant_write: add "2026-01-31T12:00:00Z", of a valid instant.
 */
void
proto_instant_write(TextBuffer *to, ProtoTime instant)
{
	int64_t		second = instant.seconds % DAY;
	int64_t		year;
	int64_t		month;
	int64_t		day;
	char		text[] = "0000-00-00T00:00:00";

	if (second < 0)
		second += DAY;
	date_from_days((instant.seconds - second) / DAY, &year, &month, &day);
	put_digits(text, year, 4);
	put_digits(text + 5, month, 2);
	put_digits(text + 8, day, 2);
	put_digits(text + 11, second / 3600, 2);
	put_digits(text + 14, second / 60 % 60, 2);
	put_digits(text + 17, second % 60, 2);
	text_buffer_text(to, text);
	write_fraction(to, instant.nanoseconds);
	text_buffer_char(to, 'Z');
}

/* "Z" or "+02:00", in seconds. */
static bool
take_zone(Slice *text, int64_t *offset)
{
	bool		is_west;
	int64_t		hours;
	int64_t		minutes;

	*offset = 0;
	if (take(text, 'Z') || take(text, 'z'))
		return true;
	is_west = take(text, '-');
	if (!is_west && !take(text, '+'))
		return false;
	if (!take_number(text, 2, 2, &hours) || hours > 23 || !take(text, ':') ||
		!take_number(text, 2, 2, &minutes) || minutes > 59)
		return false;
	*offset = (hours * 60 + minutes) * (is_west ? -60 : 60);
	return true;
}

/*
 * proto_instant_read: "2026-01-31T12:00:00.5Z", also with another zone.
 * false: it is no such text.
 */
bool
proto_instant_read(Slice text, ProtoTime *instant)
{
	int64_t		part[6];
	int64_t		offset;
	int64_t		days;
	int64_t		year;
	int64_t		month;
	int64_t		day;
	const char *between = "--T::";

	for (int i = 0; i < 6; i++)
	{
		int			digits = i == 0 ? 4 : 2;

		if (!take_number(&text, digits, digits, &part[i]))
			return false;
		if (i < 5 && !take(&text, between[i]) && !(i == 2 && (take(&text, 't') || take(&text, ' '))))
			return false;
	}
	if (!take_fraction(&text, &instant->nanoseconds) || !take_zone(&text, &offset) || text.length > 0)
		return false;
	if (part[0] < 1 || part[1] < 1 || part[1] > 12 ||
		part[3] > 23 || part[4] > 59 || part[5] > 59)
		return false;
	days = days_from_date(part[0], part[1], part[2]);
	date_from_days(days, &year, &month, &day);
	if (month != part[1] || day != part[2])
		return false;			/* no such day in the month */
	instant->seconds = days * DAY + part[3] * 3600 + part[4] * 60 + part[5] - offset;
	return proto_instant_valid(*instant);
}
