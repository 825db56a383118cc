/*
 * json_text.c
 *		Reading and writing pieces of JSON.
 */
#include "common/json_text.h"

#include <stdint.h>
#include <string.h>

#include "common/utf8.h"

#define REPLACEMENT "\xEF\xBF\xBD"	/* U+FFFD */

static bool
is_space(char character)
{
	return character == ' ' || character == '\n' || character == '\t' || character == '\r';
}

/*
 * json_text_trim: without the white space around it.
 */
Slice
json_text_trim(Slice text)
{
	while (text.length > 0 && is_space(text.data[0]))
		text = (Slice) {text.data + 1, text.length - 1};
	while (text.length > 0 && is_space(text.data[text.length - 1]))
		text.length--;
	return text;
}

/*
 * json_text_type: the character that a value begins with tells what it is.
 */
char
json_text_type(Slice value)
{
	return value.length > 0 ? value.data[0] : '\0';
}

/*
 * json_text_is_null: is it null?
 */
bool
json_text_is_null(Slice value)
{
	return slice_equals(value, "null");
}

static void
skip_space(JsonReader *reader)
{
	while (reader->at < reader->end && is_space(*reader->at))
		reader->at++;
}

/* To behind the quote that ends the string that begins here. */
static void
skip_string(JsonReader *reader)
{
	const char *start = ++reader->at;

	while (reader->at < reader->end)
	{
		const char *quote = memchr(reader->at, '"', (size_t) (reader->end - reader->at));
		size_t		backslashes = 0;

		if (quote == NULL)
			break;
		reader->at = quote + 1;
		while (quote - backslashes > start && quote[-1 - (ptrdiff_t) backslashes] == '\\')
			backslashes++;
		if (backslashes % 2 == 0)
			return;
	}
	reader->at = reader->end;
}

/* The value that begins here. */
static Slice
read_value(JsonReader *reader)
{
	const char *start;
	int			depth = 0;

	skip_space(reader);
	start = reader->at;
	while (reader->at < reader->end)
	{
		char		character = *reader->at;

		if (depth == 0 && (character == ',' || character == '}' || character == ']'))
			break;
		if (character == '"')
		{
			skip_string(reader);
			continue;
		}
		if (character == '{' || character == '[')
			depth++;
		else if (character == '}' || character == ']')
			depth--;
		reader->at++;
	}
	return json_text_trim((Slice) {start, (size_t) (reader->at - start)});
}

/*
 * json_text_open: the members or elements of an object or array, of which
 * anything else has none.
 */
JsonReader
json_text_open(Slice value)
{
	if (value.length < 2 || (value.data[0] != '{' && value.data[0] != '['))
		return (JsonReader) {NULL, NULL};
	return (JsonReader) {value.data + 1, value.data + value.length - 1};
}

/*
 * json_text_element: the next one; false: there are no more.
 */
bool
json_text_element(JsonReader *reader, Slice *value)
{
	skip_space(reader);
	if (reader->at < reader->end && *reader->at == ',')
		reader->at++;
	skip_space(reader);
	if (reader->at >= reader->end)
		return false;
	*value = read_value(reader);
	return value->length > 0;
}

/*
 * json_text_key_next: the next key, a string, after which the reader is at its
 * value; false: there are no more.
 */
bool
json_text_key_next(JsonReader *reader, Slice *key)
{
	skip_space(reader);
	if (reader->at < reader->end && *reader->at == ',')
		reader->at++;
	skip_space(reader);
	if (reader->at >= reader->end || *reader->at != '"')
		return false;
	key->data = reader->at;
	skip_string(reader);
	key->length = (size_t) (reader->at - key->data);
	skip_space(reader);
	if (reader->at < reader->end && *reader->at == ':')
		reader->at++;
	skip_space(reader);
	return true;
}

/*
 * json_text_member: the next one, the key being a string; false: there are no
 * more.
 */
bool
json_text_member(JsonReader *reader, Slice *key, Slice *value)
{
	if (!json_text_key_next(reader, key))
		return false;
	*value = read_value(reader);
	return true;
}

/*
 * json_text_element_next: is there one more, at which the reader is then?
 */
bool
json_text_element_next(JsonReader *reader)
{
	skip_space(reader);
	if (reader->at < reader->end && *reader->at == ',')
		reader->at++;
	skip_space(reader);
	return reader->at < reader->end && *reader->at != ']';
}

/*
 * json_text_value: the value at which the reader is, which it leaves behind.
 */
Slice
json_text_value(JsonReader *reader)
{
	return read_value(reader);
}

/*
 * json_text_enter: step into the object or array at which the reader is, to
 * read what is in it with the same reader; json_text_leave() is for when there
 * is no more.  So that what is nested is read once, however deep it is.
 */
void
json_text_enter(JsonReader *reader)
{
	if (reader->at < reader->end)
		reader->at++;
}

/*
 * json_text_leave: step out of the object or array that has been read.
 */
void
json_text_leave(JsonReader *reader)
{
	skip_space(reader);
	if (reader->at < reader->end)
		reader->at++;
}

/* The number that four hexadecimal digits are. */
static uint32_t
hex_value(const char *digits)
{
	uint32_t	value = 0;

	for (int i = 0; i < 4; i++)
	{
		char		digit = digits[i];

		value = value << 4 | (uint32_t) (digit <= '9' ? digit - '0' : (digit | 0x20) - 'a' + 10);
	}
	return value & 0xFFFF;
}

/*
 * The character that an escape stands for, of which at is the backslash; at is
 * moved behind it.
 */
static uint32_t
read_escape(const char **at, const char *end)
{
	char		kind = end - *at > 1 ? (*at)[1] : '\0';
	uint32_t	character;

	*at = end - *at > 2 ? *at + 2 : end;
	switch (kind)
	{
		case 'b':
			return '\b';
		case 'f':
			return '\f';
		case 'n':
			return '\n';
		case 'r':
			return '\r';
		case 't':
			return '\t';
		case 'u':
			break;
		default:
			return (unsigned char) kind;
	}
	if (end - *at < 4)
		return 0xFFFD;
	character = hex_value(*at);
	*at += 4;
	if (character < 0xD800 || character > 0xDFFF)
		return character;
	if (character < 0xDC00 && end - *at >= 6 && (*at)[0] == '\\' && (*at)[1] == 'u')
	{
		uint32_t	second = hex_value(*at + 2);

		if (second >= 0xDC00 && second <= 0xDFFF)
		{
			*at += 6;
			return 0x10000 + ((character - 0xD800) << 10) + (second - 0xDC00);
		}
	}
	return 0xFFFD;
}

/*
 * json_text_decode: add what a string means, as UTF-8.  Anything but a string
 * is added as it stands.
 */
void
json_text_decode(TextBuffer *to, Slice string)
{
	const char *at;
	const char *end;

	if (string.length < 2 || string.data[0] != '"')
	{
		text_buffer_slice(to, string);
		return;
	}
	at = string.data + 1;
	end = string.data + string.length - 1;
	text_buffer_reserve(to, string.length);
	while (at < end)
	{
		const char *escape = memchr(at, '\\', (size_t) (end - at));
		char		bytes[4];

		if (escape == NULL)
			escape = end;
		text_buffer_add(to, at, (size_t) (escape - at));
		at = escape;
		if (at < end)
		{
			int			length = utf8_encode(read_escape(&at, end), bytes);

			text_buffer_add(to, bytes, (size_t) length);
		}
	}
	text_buffer_add(to, "", 0);
}

/*
 * json_text_equals: does a string, usually a key, mean this text, which has
 * nothing that would be escaped?
 */
bool
json_text_equals(Slice string, const char *text)
{
	size_t		length = strlen(text);

	return string.length == length + 2 && memcmp(string.data + 1, text, length) == 0;
}

/* One character that can't stand in a string as it is. */
static void
encode_special(TextBuffer *to, char character)
{
	static const char specials[] = "\"\\\b\f\n\r\t";
	static const char letters[] = "\"\\bfnrt";
	static const char digits[] = "0123456789abcdef";
	const char *found = strchr(specials, character);
	unsigned char code = (unsigned char) character;

	if (found != NULL)
	{
		text_buffer_char(to, '\\');
		text_buffer_char(to, letters[found - specials]);
		return;
	}
	text_buffer_text(to, "\\u00");
	text_buffer_char(to, digits[code >> 4]);
	text_buffer_char(to, digits[code & 15]);
}

/*
 * json_text_encode: add a text as a string.  What no text of PostgreSQL can
 * have, U+0000 and bytes that are not UTF-8, becomes U+FFFD.
 */
void
json_text_encode(TextBuffer *to, Slice text)
{
	const char *at = text.length > 0 ? text.data : "";
	const char *end = at + text.length;
	const char *plain = at;

	text_buffer_reserve(to, text.length + 2);
	text_buffer_char(to, '"');
	while (at < end)
	{
		unsigned char byte = (unsigned char) *at;
		int			length = byte < 0x80 ? 1 : utf8_length(at, (size_t) (end - at));

		if (length > 0 && byte >= 0x20 && byte != '"' && byte != '\\')
		{
			at += length;
			continue;
		}
		text_buffer_add(to, plain, (size_t) (at - plain));
		if (length == 0 || byte == 0)
			text_buffer_text(to, REPLACEMENT);
		else
			encode_special(to, *at);
		plain = ++at;
	}
	text_buffer_add(to, plain, (size_t) (at - plain));
	text_buffer_char(to, '"');
}

/*
 * json_text_key: add a key of an object, which is not its first one if there
 * is no bracket before it.  The key needs no escape.
 */
void
json_text_key(TextBuffer *to, const char *key)
{
	if (to->length > 0 && to->data[to->length - 1] != '{')
		text_buffer_char(to, ',');
	text_buffer_char(to, '"');
	text_buffer_text(to, key);
	text_buffer_text(to, "\":");
}
