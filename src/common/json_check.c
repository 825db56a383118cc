/*
 * json_check.c
 *		Is a text JSON, and such that jsonb keeps all that it says?
 *
 * One pass over the text, without recursion.  Keys are compared by hash: two
 * that only seem to be the same make a text look worse than it is, which
 * costs its readers nothing but the form in which it is kept.
 */
#include "common/json_check.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/utf8.h"

/* what numeric can hold: digits before the point, and behind it */
#define MOST_DIGITS		131072
#define MOST_DECIMALS	16383
#define LARGE_EXPONENT	1000000

/*
 * jsonb writes numbers without exponents: a larger one would become a text of
 * so many digits, and come back as that.
 */
#define MOST_EXPONENT	40

#define FEW_KEYS 8				/* are compared each with each */

typedef struct Scan
{
	const char *at;
	const char *end;
	const Allocator *allocator;
	uint64_t   *keys;			/* hashes of the keys of objects that are open */
	size_t		count;
	size_t		size;
	bool		is_spread;		/* a number has a large exponent */
} Scan;

/* An object or array that is open. */
typedef struct Level
{
	bool		is_object;
	size_t		first_key;
} Level;

static char
peek(const Scan *scan)
{
	return scan->at < scan->end ? *scan->at : '\0';
}

static void
skip_space(Scan *scan)
{
	while (scan->at < scan->end &&
		   (*scan->at == ' ' || *scan->at == '\n' || *scan->at == '\t' || *scan->at == '\r'))
		scan->at++;
}

/* Four hexadecimal digits; -1: there are none. */
static int32_t
scan_hex(Scan *scan)
{
	int32_t		value = 0;

	if (scan->end - scan->at < 4)
		return -1;
	for (int i = 0; i < 4; i++)
	{
		char		digit = *scan->at++;

		value <<= 4;
		if (digit >= '0' && digit <= '9')
			value += digit - '0';
		else if ((digit | 0x20) >= 'a' && (digit | 0x20) <= 'f')
			value += (digit | 0x20) - 'a' + 10;
		else
			return -1;
	}
	return value;
}

/* What follows "\u". */
static JsonFault
scan_unicode(Scan *scan, char *bytes, int *length)
{
	int32_t		first = scan_hex(scan);
	int32_t		second;

	if (first < 0)
		return JSON_FAULT_SYNTAX;
	if (first == 0)
		return JSON_FAULT_ZERO;
	if (first >= 0xD800 && first <= 0xDFFF)
	{
		if (first >= 0xDC00 || scan->end - scan->at < 6 ||
			scan->at[0] != '\\' || scan->at[1] != 'u')
			return JSON_FAULT_SURROGATE;
		scan->at += 2;
		second = scan_hex(scan);
		if (second < 0xDC00 || second > 0xDFFF)
			return second < 0 ? JSON_FAULT_SYNTAX : JSON_FAULT_SURROGATE;
		first = 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00);
	}
	*length = utf8_encode((uint32_t) first, bytes);
	return JSON_FAULT_NONE;
}

/* What follows a backslash, as UTF-8. */
static JsonFault
scan_escape(Scan *scan, char *bytes, int *length)
{
	static const char escapes[] = "\"\\/bfnrt";
	static const char meanings[] = "\"\\/\b\f\n\r\t";
	const char *found;

	scan->at++;
	if (peek(scan) == '\0')
		return JSON_FAULT_SYNTAX;
	if (*scan->at == 'u')
	{
		scan->at++;
		return scan_unicode(scan, bytes, length);
	}
	found = strchr(escapes, *scan->at);
	if (found == NULL)
		return JSON_FAULT_SYNTAX;
	scan->at++;
	bytes[0] = meanings[found - escapes];
	*length = 1;
	return JSON_FAULT_NONE;
}

/* A string, of which at is the first quote; *hash is that of what it means. */
static JsonFault
scan_string(Scan *scan, uint64_t *hash)
{
	uint64_t	value = UINT64_C(14695981039346656037);

	scan->at++;
	while (scan->at < scan->end)
	{
		char		decoded[4];
		const char *bytes = decoded;
		int			length = 0;

		if (*scan->at == '"')
		{
			scan->at++;
			*hash = value;
			return JSON_FAULT_NONE;
		}
		if (*scan->at == '\\')
		{
			JsonFault	fault = scan_escape(scan, decoded, &length);

			if (fault != JSON_FAULT_NONE)
				return fault;
		}
		else
		{
			if ((unsigned char) *scan->at < 0x20)
				return JSON_FAULT_SYNTAX;
			bytes = scan->at;
			length = utf8_length(bytes, (size_t) (scan->end - bytes));
			if (length == 0)
				return JSON_FAULT_UTF8;
			scan->at += length;
		}
		for (int i = 0; i < length; i++)
			value = (value ^ (unsigned char) bytes[i]) * UINT64_C(1099511628211);
	}
	return JSON_FAULT_SYNTAX;
}

/* Digits, at least one; how many, and whether one is not 0. */
static size_t
scan_digits(Scan *scan, bool *is_nonzero)
{
	const char *start = scan->at;

	for (; peek(scan) >= '0' && peek(scan) <= '9'; scan->at++)
		*is_nonzero = *is_nonzero || *scan->at != '0';
	return (size_t) (scan->at - start);
}

/* What follows "e"; false: no number. */
static bool
scan_exponent(Scan *scan, long *exponent)
{
	bool		is_negative;
	const char *start;

	scan->at++;
	is_negative = peek(scan) == '-';
	if (is_negative || peek(scan) == '+')
		scan->at++;
	for (start = scan->at; peek(scan) >= '0' && peek(scan) <= '9'; scan->at++)
		if (*exponent < LARGE_EXPONENT)
			*exponent = *exponent * 10 + (*scan->at - '0');
	if (is_negative)
		*exponent = -*exponent;
	return scan->at > start;
}

static JsonFault
scan_number(Scan *scan)
{
	bool		is_negative = peek(scan) == '-';
	bool		is_nonzero = false;
	bool		leads_with_zero;
	size_t		digits;
	size_t		decimals = 0;
	long		exponent = 0;

	if (is_negative)
		scan->at++;
	leads_with_zero = peek(scan) == '0';
	digits = scan_digits(scan, &is_nonzero);
	if (digits == 0 || (leads_with_zero && digits > 1))
		return JSON_FAULT_SYNTAX;
	if (peek(scan) == '.')
	{
		scan->at++;
		decimals = scan_digits(scan, &is_nonzero);
		if (decimals == 0)
			return JSON_FAULT_SYNTAX;
	}
	if ((peek(scan) == 'e' || peek(scan) == 'E') && !scan_exponent(scan, &exponent))
		return JSON_FAULT_SYNTAX;
	if (is_negative && !is_nonzero)
		return JSON_FAULT_NUMBER;
	if (exponent > MOST_EXPONENT || exponent < -MOST_EXPONENT)
		scan->is_spread = true;
	if (digits > MOST_DIGITS || exponent > MOST_DIGITS - (long) digits ||
		decimals > MOST_DECIMALS || (long) decimals - exponent > MOST_DECIMALS)
		return JSON_FAULT_NUMBER;
	return JSON_FAULT_NONE;
}

static JsonFault
scan_scalar(Scan *scan)
{
	static const char *const words[] = {"null", "true", "false"};
	uint64_t	hash;

	if (peek(scan) == '"')
		return scan_string(scan, &hash);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
	{
		size_t		length = strlen(words[i]);

		if ((size_t) (scan->end - scan->at) >= length &&
			memcmp(scan->at, words[i], length) == 0)
		{
			scan->at += length;
			return JSON_FAULT_NONE;
		}
	}
	return scan_number(scan);
}

/* A key and its colon. */
static JsonFault
scan_key(Scan *scan)
{
	uint64_t	hash;
	JsonFault	fault;

	skip_space(scan);
	if (peek(scan) != '"')
		return JSON_FAULT_SYNTAX;
	fault = scan_string(scan, &hash);
	if (fault != JSON_FAULT_NONE)
		return fault;
	skip_space(scan);
	if (peek(scan) != ':')
		return JSON_FAULT_SYNTAX;
	scan->at++;
	if (scan->count == scan->size)
	{
		scan->size = scan->size > 0 ? scan->size * 2 : 16;
		scan->keys = scan->allocator->resize(scan->keys, scan->size * sizeof(scan->keys[0]));
	}
	scan->keys[scan->count++] = hash;
	return JSON_FAULT_NONE;
}

static int
compare_hashes(const void *a, const void *b)
{
	uint64_t	first = *(const uint64_t *) a;
	uint64_t	second = *(const uint64_t *) b;

	return (first > second) - (first < second);
}

/* Are there two of the same among the keys from the first on? */
static bool
has_duplicates(const Scan *scan, size_t first)
{
	uint64_t   *keys = scan->keys + first;
	size_t		count = scan->count - first;

	if (count > FEW_KEYS)
	{
		qsort(keys, count, sizeof(keys[0]), compare_hashes);
		for (size_t i = 1; i < count; i++)
			if (keys[i] == keys[i - 1])
				return true;
		return false;
	}
	for (size_t i = 1; i < count; i++)
		for (size_t j = 0; j < i; j++)
			if (keys[i] == keys[j])
				return true;
	return false;
}

/*
 * What begins at at: a scalar is read to its end, of an object or array the
 * bracket, and the first key.  *is_whole: the value is over.
 */
static JsonFault
scan_value(Scan *scan, Level *levels, int *depth, bool *is_whole)
{
	char		bracket;

	skip_space(scan);
	bracket = peek(scan);
	*is_whole = true;
	if (bracket != '{' && bracket != '[')
		return scan_scalar(scan);
	if (*depth == JSON_DEEPEST)
		return JSON_FAULT_DEPTH;
	scan->at++;
	skip_space(scan);
	if (peek(scan) == bracket + 2)
	{
		scan->at++;
		return JSON_FAULT_NONE;
	}
	*is_whole = false;
	levels[(*depth)++] = (Level) {bracket == '{', scan->count};
	return bracket == '{' ? scan_key(scan) : JSON_FAULT_NONE;
}

/*
 * What follows a value: brackets that close, up to a comma, behind which
 * another value is; or the end.
 */
static JsonFault
scan_ends(Scan *scan, Level *levels, int *depth)
{
	while (*depth > 0)
	{
		const Level *level = &levels[*depth - 1];

		skip_space(scan);
		if (peek(scan) == ',')
		{
			scan->at++;
			return level->is_object ? scan_key(scan) : JSON_FAULT_NONE;
		}
		if (peek(scan) != (level->is_object ? '}' : ']'))
			return JSON_FAULT_SYNTAX;
		scan->at++;
		if (level->is_object)
		{
			if (has_duplicates(scan, level->first_key))
				return JSON_FAULT_DUPLICATE_KEY;
			scan->count = level->first_key;
		}
		(*depth)--;
	}
	skip_space(scan);
	return scan->at == scan->end ? JSON_FAULT_NONE : JSON_FAULT_SYNTAX;
}

/*
 * json_check: the first thing that is wrong with a text.
 */
JsonFault
json_check(Slice text, const Allocator *allocator)
{
	Level		levels[JSON_DEEPEST];
	Scan		scan = {.at = text.data,.allocator = allocator};
	int			depth = 0;
	JsonFault	fault;

	if (text.length == 0)
		return JSON_FAULT_SYNTAX;
	scan.end = text.data + text.length;
	do
	{
		bool		is_whole;

		fault = scan_value(&scan, levels, &depth, &is_whole);
		if (fault == JSON_FAULT_NONE && is_whole)
			fault = scan_ends(&scan, levels, &depth);
	} while (fault == JSON_FAULT_NONE && depth > 0);
	if (scan.keys != NULL)
		allocator->release(scan.keys);
	return fault == JSON_FAULT_NONE && scan.is_spread ? JSON_FAULT_EXPONENT : fault;
}

/*
 * json_fault_text: what it is, for people.
 */
const char *
json_fault_text(JsonFault fault)
{
	switch (fault)
	{
		case JSON_FAULT_NONE:
			return "nothing";
		case JSON_FAULT_SYNTAX:
			return "not JSON";
		case JSON_FAULT_DEPTH:
			return "nested too deeply";
		case JSON_FAULT_UTF8:
			return "not UTF-8";
		case JSON_FAULT_ZERO:
			return "has the character U+0000";
		case JSON_FAULT_SURROGATE:
			return "has half a surrogate pair";
		case JSON_FAULT_NUMBER:
			return "has a number that cannot be kept";
		case JSON_FAULT_DUPLICATE_KEY:
			return "has a key twice";
		case JSON_FAULT_EXPONENT:
			return "has a number with a large exponent";
	}
	return "unknown";
}
