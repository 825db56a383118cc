/*
 * base64.c
 *		Bytes as text, as JSON has them.
 */
#include "common/base64.h"

#include <stdint.h>

static const char digits[] =
"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/*
 * base64_encode: add the text for some bytes, padded with "=".
 */
void
base64_encode(TextBuffer *to, Slice bytes)
{
	const unsigned char *from = (const unsigned char *) bytes.data;
	char	   *out = text_buffer_reserve(to, bytes.length / 3 * 4 + 4);
	char	   *start = out;
	size_t		left = bytes.length;

	for (; left >= 3; left -= 3, from += 3)
	{
		*out++ = digits[from[0] >> 2];
		*out++ = digits[(from[0] & 3) << 4 | from[1] >> 4];
		*out++ = digits[(from[1] & 15) << 2 | from[2] >> 6];
		*out++ = digits[from[2] & 63];
	}
	if (left > 0)
	{
		unsigned char second = left > 1 ? from[1] : 0;

		*out++ = digits[from[0] >> 2];
		*out++ = digits[(from[0] & 3) << 4 | second >> 4];
		*out++ = left > 1 ? digits[(second & 15) << 2] : '=';
		*out++ = '=';
	}
	*out = '\0';
	to->length += (size_t) (out - start);
}

/* The value of a digit of either alphabet, -1 if it is none. */
static int
digit_value(char digit)
{
	if (digit >= 'A' && digit <= 'Z')
		return digit - 'A';
	if (digit >= 'a' && digit <= 'z')
		return digit - 'a' + 26;
	if (digit >= '0' && digit <= '9')
		return digit - '0' + 52;
	if (digit == '+' || digit == '-')
		return 62;
	if (digit == '/' || digit == '_')
		return 63;
	return -1;
}

/*
 * base64_decode: add the bytes of a text, which may be without its padding, in
 * either alphabet; false: it is no such text, and what was added means nothing.
 */
bool
base64_decode(TextBuffer *to, Slice text)
{
	size_t		length = text.length;
	char	   *start;
	char	   *out;
	uint32_t	bits = 0;

	if (length % 4 == 0)
		for (int padding = 0; padding < 2 && length > 0 && text.data[length - 1] == '='; padding++)
			length--;
	if (length % 4 == 1)
		return false;
	start = out = text_buffer_reserve(to, length / 4 * 3 + 3);
	for (size_t at = 0; at < length; at++)
	{
		int			value = digit_value(text.data[at]);

		if (value < 0)
			return false;
		bits = bits << 6 | (uint32_t) value;
		if (at % 4 != 0)
			*out++ = (char) (bits >> (6 - 2 * (at % 4)));
	}
	*out = '\0';
	to->length += (size_t) (out - start);
	return true;
}
