/*
 * utf8.c
 *		UTF-8, as PostgreSQL and JSON want it: shortest forms, no surrogates,
 *		nothing beyond U+10FFFF.
 */
#include "common/utf8.h"

#include <string.h>

static bool
continues(unsigned char byte)
{
	return (byte & 0xC0) == 0x80;
}

/*
 * utf8_length: how many bytes the first character of the text has, 0 if it is
 * none.  The text is not empty.
 */
int
utf8_length(const char *text, size_t length)
{
	const unsigned char *bytes = (const unsigned char *) text;
	unsigned char first = bytes[0];

	if (first < 0x80)
		return 1;
	if (first < 0xC2 || first > 0xF4)
		return 0;
	if (length < 2 || !continues(bytes[1]))
		return 0;
	if (first < 0xE0)
		return 2;
	if ((first == 0xE0 && bytes[1] < 0xA0) || (first == 0xED && bytes[1] >= 0xA0) ||
		(first == 0xF0 && bytes[1] < 0x90) || (first == 0xF4 && bytes[1] >= 0x90))
		return 0;
	if (length < 3 || !continues(bytes[2]))
		return 0;
	if (first < 0xF0)
		return 3;
	return length >= 4 && continues(bytes[3]) ? 4 : 0;
}

/*
 * utf8_valid: is all of it UTF-8?  U+0000 is.
 */
bool
utf8_valid(const char *text, size_t length)
{
	size_t		at = 0;

	while (at < length)
	{
		uint64_t	eight;
		int			step;

		/* eight bytes of ASCII at a time */
		while (at + sizeof(eight) <= length)
		{
			memcpy(&eight, text + at, sizeof(eight));
			if (eight & UINT64_C(0x8080808080808080))
				break;
			at += sizeof(eight);
		}
		if (at == length)
			break;
		step = utf8_length(text + at, length - at);
		if (step == 0)
			return false;
		at += (size_t) step;
	}
	return true;
}

/*
 * utf8_encode: write a character, which is no surrogate; returns its length.
 */
int
utf8_encode(uint32_t character, char *to)
{
	if (character < 0x80)
	{
		to[0] = (char) character;
		return 1;
	}
	if (character < 0x800)
	{
		to[0] = (char) (0xC0 | character >> 6);
		to[1] = (char) (0x80 | (character & 0x3F));
		return 2;
	}
	if (character < 0x10000)
	{
		to[0] = (char) (0xE0 | character >> 12);
		to[1] = (char) (0x80 | (character >> 6 & 0x3F));
		to[2] = (char) (0x80 | (character & 0x3F));
		return 3;
	}
	to[0] = (char) (0xF0 | character >> 18);
	to[1] = (char) (0x80 | (character >> 12 & 0x3F));
	to[2] = (char) (0x80 | (character >> 6 & 0x3F));
	to[3] = (char) (0x80 | (character & 0x3F));
	return 4;
}
