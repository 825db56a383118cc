/*
 * proto_scalars.c
 *		Values of messages that are no objects or arrays, from JSON to the one
 *		form in which protobuf writes them.
 *
 * Each is given a piece of a text that json_check() has looked at.
 */
#include "common/proto_scalars.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "common/base64.h"
#include "common/json_text.h"
#include "common/proto_numbers.h"
#include "common/proto_times.h"

static bool
is_string(Slice value)
{
	return json_text_type(value) == '"';
}

/*
 * What a string stands for; "buffer" is empty, and has it where the string
 * itself does not.
 */
static Slice
decoded(TextBuffer *buffer, Slice string)
{
	if (memchr(string.data, '\\', string.length) == NULL)
		return (Slice) {string.data + 1, string.length - 2};
	json_text_decode(buffer, string);
	return (Slice) {buffer->data, buffer->length};
}

static void
add_quoted(TextBuffer *to, const char *text)
{
	text_buffer_char(to, '"');
	text_buffer_text(to, text);
	text_buffer_char(to, '"');
}

/*
 * proto_string_write: add a string, escaped only where it has to be.
 */
void
proto_string_write(TextBuffer *to, Slice string)
{
	TextBuffer	buffer;

	text_buffer_init(&buffer, to->allocator);
	json_text_encode(to, decoded(&buffer, string));
	text_buffer_free(&buffer);
}

static bool
write_bytes(TextBuffer *to, Slice string, bool *is_zero)
{
	TextBuffer	text;
	TextBuffer	bytes;
	bool		is_good;

	text_buffer_init(&text, to->allocator);
	text_buffer_init(&bytes, to->allocator);
	is_good = base64_decode(&bytes, decoded(&text, string));
	if (is_good)
	{
		*is_zero = bytes.length == 0;
		text_buffer_char(to, '"');
		base64_encode(to, (Slice) {bytes.data, bytes.length});
		text_buffer_char(to, '"');
	}
	text_buffer_free(&text);
	text_buffer_free(&bytes);
	return is_good;
}

static bool
write_float(TextBuffer *to, Slice value, bool is_float, bool *is_zero)
{
	double		number;

	if (!proto_double_read(value, &number))
		return false;
	if (is_float && isfinite(number) && fabs(number) > FLT_MAX)
		return false;
	if (is_float)
		number = (float) number;
	*is_zero = number == 0 && !signbit(number);
	proto_double_write(to, number, is_float);
	return true;
}

/* Those of 64 bits are texts. */
static bool
write_integer(TextBuffer *to, ProtoType type, Slice value, bool *is_zero)
{
	bool		is_signed = type == PROTO_INT32 || type == PROTO_INT64;
	bool		is_long = type == PROTO_INT64 || type == PROTO_UINT64;
	int64_t		least = !is_signed ? 0 : is_long ? INT64_MIN : INT32_MIN;
	uint64_t	most = is_long ? (is_signed ? INT64_MAX : UINT64_MAX) : (is_signed ? INT32_MAX : UINT32_MAX);
	uint64_t	number;
	char		text[32];

	if (!proto_integer_read(value, least, most, &number))
		return false;
	*is_zero = number == 0;
	if (is_signed)
		snprintf(text, sizeof(text), "%" PRId64, (int64_t) number);
	else
		snprintf(text, sizeof(text), "%" PRIu64, number);
	if (is_long)
		add_quoted(to, text);
	else
		text_buffer_text(to, text);
	return true;
}

/*
 * proto_scalar_write: add a value of any type but enums and messages, and say
 * whether it is zero, or empty.  false: it is of another type, and nothing was
 * added.
 */
bool
proto_scalar_write(TextBuffer *to, ProtoType type, Slice value, bool *is_zero)
{
	switch (type)
	{
		case PROTO_STRING:
			if (!is_string(value))
				return false;
			*is_zero = value.length == 2;
			proto_string_write(to, value);
			return true;
		case PROTO_BYTES:
			return is_string(value) && write_bytes(to, value, is_zero);
		case PROTO_BOOL:
			if (!slice_equals(value, "true") && !slice_equals(value, "false"))
				return false;
			*is_zero = slice_equals(value, "false");
			text_buffer_slice(to, value);
			return true;
		case PROTO_FLOAT:
		case PROTO_DOUBLE:
			return write_float(to, value, type == PROTO_FLOAT, is_zero);
		default:
			return write_integer(to, type, value, is_zero);
	}
}

/*
 * proto_enum_write: add the name of a value that is given by name or number.
 * false: it is none of these, and nothing was added.
 */
bool
proto_enum_write(TextBuffer *to, const ProtoEnum *names, Slice value, bool *is_zero)
{
	uint64_t	wide = 0;
	int			number = 0;
	const char *name;

	if (is_string(value) && !proto_number(names, (Slice) {value.data + 1, value.length - 2}, &number))
		return false;
	if (!is_string(value))
	{
		if (!proto_integer_read(value, INT32_MIN, INT32_MAX, &wide))
			return false;
		number = (int) (int64_t) wide;
	}
	name = proto_name(names, number);
	if (name == NULL)
		return false;
	*is_zero = number == 0;
	add_quoted(to, name);
	return true;
}

/*
 * proto_time_write: add an instant or a duration.  false: it is none, and
 * nothing was added.
 */
bool
proto_time_write(TextBuffer *to, ProtoForm form, Slice value)
{
	Slice		text;
	ProtoTime	time;

	if (!is_string(value))
		return false;
	text = (Slice) {value.data + 1, value.length - 2};
	if (form == PROTO_INSTANT ? !proto_instant_read(text, &time) :
		text.length == 0 || text.data[text.length - 1] != 's' || !proto_duration_read(text, &time))
		return false;
	text_buffer_char(to, '"');
	if (form == PROTO_INSTANT)
		proto_instant_write(to, time);
	else
		proto_duration_write(to, time);
	text_buffer_char(to, '"');
	return true;
}

/*
 * proto_scalar_text: what a value of a type is to be, for people.
 */
const char *
proto_scalar_text(ProtoType type)
{
	switch (type)
	{
		case PROTO_STRING:
			return "a string";
		case PROTO_BOOL:
			return "true or false";
		case PROTO_INT32:
			return "a whole number of 32 bits";
		case PROTO_INT64:
			return "a whole number of 64 bits";
		case PROTO_UINT32:
			return "a whole number of 32 bits that is not negative";
		case PROTO_UINT64:
			return "a whole number of 64 bits that is not negative";
		case PROTO_FLOAT:
			return "a number of single precision";
		case PROTO_DOUBLE:
			return "a number of double precision";
		case PROTO_BYTES:
			return "bytes in base64";
		default:
			return "a value of another type";
	}
}
