/*
 * proto_numbers.c
 *		Numbers as the JSON form of protobuf has them.
 */
#include "common/proto_numbers.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json_text.h"

#define LONGEST_NUMBER 400

/* Without its quotes; of another value as it stands. */
static Slice
unquoted(Slice value)
{
	if (json_text_type(value) == '"')
		return (Slice) {value.data + 1, value.length - 2};
	return value;
}

/*
 * proto_double_read: a number, or a text of one; false: it is none.
 */
bool
proto_double_read(Slice json, double *value)
{
	Slice		text = unquoted(json);
	char		digits[LONGEST_NUMBER + 1];
	char	   *end;

	if (json_text_type(json) == '"' &&
		(slice_equals(text, "NaN") || slice_equals(text, "Infinity") || slice_equals(text, "-Infinity")))
	{
		*value = text.data[0] == 'N' ? NAN : text.data[0] == 'I' ? INFINITY : -INFINITY;
		return true;
	}
	if (text.length == 0 || text.length > LONGEST_NUMBER ||
		(text.data[0] != '-' && (text.data[0] < '0' || text.data[0] > '9')))
		return false;
	memcpy(digits, text.data, text.length);
	digits[text.length] = '\0';
	*value = strtod(digits, &end);
	return *end == '\0' && isfinite(*value) && strpbrk(digits, "xXpPnN") == NULL;
}

/*
 * proto_double_write: add a number, with as few digits as are read as the same
 * one.
 */
void
proto_double_write(TextBuffer *to, double value, bool is_float)
{
	char		text[40];
	bool		is_number = isfinite(value) && !(value == 0 && signbit(value));

	if (isnan(value) || isinf(value))
		snprintf(text, sizeof(text), "%s", isnan(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity");
	else
		for (int digits = is_float ? 6 : 15; digits <= 17; digits++)
		{
			snprintf(text, sizeof(text), "%.*g", digits, value);
			if (is_float ? strtof(text, NULL) == (float) value : strtod(text, NULL) == value)
				break;
		}
	/* as a number a zero has no sign, and the others are none */
	if (!is_number)
		text_buffer_char(to, '"');
	text_buffer_text(to, text);
	if (!is_number)
		text_buffer_char(to, '"');
}

/*
 * proto_integer_read: a whole number, or a text of one, 1e3 and 5.0 too; "least"
 * is not positive.  A negative one is its complement.  false: it is none, or
 * not within these.
 */
bool
proto_integer_read(Slice json, int64_t least, uint64_t most, uint64_t *value)
{
	Slice		text = unquoted(json);
	char		digits[LONGEST_NUMBER + 1];
	bool		is_negative;
	char	   *end;
	double		number;

	if (text.length == 0 || text.length > LONGEST_NUMBER)
		return false;
	memcpy(digits, text.data, text.length);
	digits[text.length] = '\0';
	is_negative = digits[0] == '-';
	if (strspn(digits + is_negative, "0123456789") != text.length - is_negative)
	{
		if (!proto_double_read(json, &number) || number != floor(number) || fabs(number) > 9e15)
			return false;
		snprintf(digits, sizeof(digits), "%.0f", number);
		is_negative = digits[0] == '-';
	}
	errno = 0;
	*value = strtoull(digits + is_negative, &end, 10);
	if (errno != 0 || end == digits + is_negative)
		return false;
	if (!is_negative)
		return *value <= most;
	if (*value > (uint64_t) -(least + 1) + 1 || (least == 0 && *value > 0))
		return false;
	*value = -*value;
	return true;
}
