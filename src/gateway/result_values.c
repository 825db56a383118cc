/*
 * result_values.c
 *		Values of a result in binary: as the send functions of their types
 *		write them, in network order.
 */
#include "gateway/result_values.h"

#include <string.h>

/* from 1970-01-01 to 2000-01-01, in microseconds */
#define POSTGRES_EPOCH	INT64_C(946684800000000)
#define DAY				INT64_C(86400000000)

static uint64_t
number(const PGresult *result, int row, int column, int offset, int length)
{
	const unsigned char *value = (const unsigned char *) PQgetvalue(result, row, column);
	uint64_t	sum = 0;

	if (PQgetlength(result, row, column) < offset + length)
		return 0;
	for (int i = 0; i < length; i++)
		sum = sum << 8 | value[offset + i];
	return sum;
}

/*
 * Is it SQL's NULL?
 */
bool
row_is_null(const PGresult *result, int row, int column)
{
	return PQgetisnull(result, row, column);
}

/*
 * A bool.
 */
bool
row_bool(const PGresult *result, int row, int column)
{
	return number(result, row, column, 0, 1) != 0;
}

/*
 * An int4.
 */
int32_t
row_int32(const PGresult *result, int row, int column)
{
	return (int32_t) number(result, row, column, 0, 4);
}

/*
 * An int8.
 */
int64_t
row_int64(const PGresult *result, int row, int column)
{
	return (int64_t) number(result, row, column, 0, 8);
}

/*
 * A float8.
 */
double
row_float8(const PGresult *result, int row, int column)
{
	uint64_t	bits = number(result, row, column, 0, 8);
	double		value;

	memcpy(&value, &bits, sizeof(value));
	return value;
}

/* A text or the label of an enum. */
const char *
row_text(const PGresult *result, int row, int column)
{
	return row_is_null(result, row, column) ? NULL : PQgetvalue(result, row, column);
}

/* The text of a jsonb, which stands behind its version. */
const char *
row_jsonb(const PGresult *result, int row, int column)
{
	return row_is_null(result, row, column) ? NULL : PQgetvalue(result, row, column) + 1;
}

/* 16 bytes */
const uint8_t *
row_uuid(const PGresult *result, int row, int column)
{
	if (PQgetlength(result, row, column) != 16)
		return NULL;
	return (const uint8_t *) PQgetvalue(result, row, column);
}

/* Microseconds since 1970. */
int64_t
row_timestamptz(const PGresult *result, int row, int column)
{
	int64_t		microseconds;

	if (row_is_null(result, row, column))
		return 0;
	microseconds = row_int64(result, row, column);
	return microseconds > INT64_MAX - POSTGRES_EPOCH ? INT64_MAX : microseconds + POSTGRES_EPOCH;
}

/* Microseconds; a day has 24 hours, and there are no months. */
int64_t
row_interval(const PGresult *result, int row, int column)
{
	return (int64_t) number(result, row, column, 0, 8) +
		(int32_t) number(result, row, column, 8, 4) * DAY;
}
