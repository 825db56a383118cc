/*
 * json_print.c
 *		jsonb as the text that the server makes of it.
 *
 * The server's own way takes a string byte by byte; most of what histories consist of is
 * long strings in which nothing has to be escaped, so here they are copied in pieces.
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"

#include "base/json_print.h"

/* A string in its quotes. */
static void
print_string(StringInfo to, const char *string, int length)
{
	static const char escaped[] = "\"\\\b\f\n\r\t";
	static const char letters[] = "\"\\bfnrt";
	int			done = 0;

	enlargeStringInfo(to, length + 2);
	appendStringInfoCharMacro(to, '"');
	for (int i = 0; i < length; i++)
	{
		unsigned char byte = (unsigned char) string[i];
		const char *found;

		if (likely(byte >= ' ' && byte != '"' && byte != '\\'))
			continue;
		appendBinaryStringInfo(to, string + done, i - done);
		done = i + 1;
		found = memchr(escaped, byte, sizeof(escaped) - 1);
		if (found != NULL)
			appendStringInfo(to, "\\%c", letters[found - escaped]);
		else
			appendStringInfo(to, "\\u%04x", byte);
	}
	appendBinaryStringInfo(to, string + done, length - done);
	appendStringInfoCharMacro(to, '"');
}

static void
print_scalar(StringInfo to, const JsonbValue *value)
{
	switch (value->type)
	{
		case jbvNull:
			appendBinaryStringInfo(to, "null", 4);
			break;
		case jbvString:
			print_string(to, value->val.string.val, value->val.string.len);
			break;
		case jbvNumeric:
			appendStringInfoString(to, DatumGetCString(DirectFunctionCall1(numeric_out,
																		   NumericGetDatum(value->val.numeric))));
			break;
		case jbvBool:
			appendStringInfoString(to, value->val.boolean ? "true" : "false");
			break;
		default:
			elog(ERROR, "unrecognized type of a jsonb scalar: %d", (int) value->type);
	}
}

/* what stands between two members, or elements */
static void
print_comma(StringInfo to, bool is_first)
{
	if (!is_first)
		appendBinaryStringInfo(to, ", ", 2);
}

/* json_print: append the text of a jsonb, the same as that of the cast to text. */
void
json_print(StringInfo to, Jsonb *value)
{
	JsonbIterator *iterator = JsonbIteratorInit(&value->root);
	bool		is_scalar = JB_ROOT_IS_SCALAR(value);
	bool		is_first = true;	/* nothing that a comma belongs behind */
	JsonbIteratorToken token;
	JsonbValue	part;

	while ((token = JsonbIteratorNext(&iterator, &part, false)) != WJB_DONE)
	{
		if (token == WJB_END_ARRAY || token == WJB_END_OBJECT)
		{
			if (!is_scalar)
				appendStringInfoChar(to, token == WJB_END_ARRAY ? ']' : '}');
			is_first = false;
			continue;
		}
		if (token != WJB_VALUE)
			print_comma(to, is_first);
		is_first = true;
		switch (token)
		{
			case WJB_BEGIN_ARRAY:
				if (!is_scalar)
					appendStringInfoChar(to, '[');
				break;
			case WJB_BEGIN_OBJECT:
				appendStringInfoChar(to, '{');
				break;
			case WJB_KEY:
				print_scalar(to, &part);
				appendBinaryStringInfo(to, ": ", 2);
				break;
			default:
				print_scalar(to, &part);
				is_first = false;
				break;
		}
	}
}

/* json_printed: the text of a jsonb, palloc'd; a zero follows. */
Slice
json_printed(Jsonb *value)
{
	StringInfoData text;

	initStringInfo(&text);
	enlargeStringInfo(&text, VARSIZE_ANY_EXHDR(value));
	json_print(&text, value);
	return (Slice) {text.data, (size_t) text.len};
}
