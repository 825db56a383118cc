/*
 * sql_array.c
 *		Arrays as text, for parameters of statements.
 *
 * Every element that is not NULL is quoted, whatever it is.
 */
#include "gateway/sql_array.h"

#include "gateway/texts.h"

/*
 * Begin an array, in a struct that is all zeros or was used before.
 */
void
sql_array_begin(SqlArray *array)
{
	if (array->text.allocator == NULL)
		array->text = text_begin();
	array->text.length = 0;
	text_buffer_char(&array->text, '{');
}

/* An element comes now. */
static void
add_comma(SqlArray *array)
{
	if (array->text.length > 1)
		text_buffer_char(&array->text, ',');
}

/*
 * Add an element, a text; NULL is SQL's.
 */
void
sql_array_add(SqlArray *array, const char *element)
{
	TextBuffer *text = &array->text;
	const char *plain = element;

	add_comma(array);
	if (element == NULL)
	{
		text_buffer_text(text, "NULL");
		return;
	}
	text_buffer_char(text, '"');
	for (; *element != '\0'; element++)
	{
		if (*element != '"' && *element != '\\')
			continue;
		text_buffer_add(text, plain, (size_t) (element - plain));
		text_buffer_char(text, '\\');
		plain = element;
	}
	text_buffer_add(text, plain, (size_t) (element - plain));
	text_buffer_char(text, '"');
}

/*
 * Add a uuid of 16 bytes; NULL is SQL's.
 */
void
sql_array_add_uuid(SqlArray *array, const unsigned char *bytes)
{
	static const char digits[] = "0123456789abcdef";
	char		text[37];
	char	   *at = text;

	if (bytes == NULL)
	{
		sql_array_add(array, NULL);
		return;
	}
	for (int i = 0; i < 16; i++)
	{
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*at++ = '-';
		*at++ = digits[bytes[i] >> 4];
		*at++ = digits[bytes[i] & 15];
	}
	*at = '\0';
	sql_array_add(array, text);
}

/*
 * The whole array, valid until it is begun again or freed.
 */
const char *
sql_array_end(SqlArray *array)
{
	text_buffer_char(&array->text, '}');
	return array->text.data;
}

/*
 * Give the memory back; the array may be begun again.
 */
void
sql_array_free(SqlArray *array)
{
	if (array->text.allocator != NULL)
		text_buffer_free(&array->text);
}
