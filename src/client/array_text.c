/*
 * array_text.c
 *		Arrays as PostgreSQL reads them: {"one","two",NULL}.
 */
#include "client/array_text.h"

/*
 * array_text_add: one more element of an array that is empty, or was added to
 * before; NULL is NULL.
 */
void
array_text_add(TextBuffer *array, const char *element)
{
	text_buffer_char(array, array->length == 0 ? '{' : ',');
	if (element == NULL)
	{
		text_buffer_text(array, "NULL");
		return;
	}
	text_buffer_char(array, '"');
	for (; *element != '\0'; element++)
	{
		if (*element == '"' || *element == '\\')
			text_buffer_char(array, '\\');
		text_buffer_char(array, *element);
	}
	text_buffer_char(array, '"');
}

/*
 * array_text_end: close the array, and return its text, which is the buffer's.
 */
const char *
array_text_end(TextBuffer *array)
{
	if (array->length == 0)
		text_buffer_char(array, '{');
	text_buffer_char(array, '}');
	return array->data;
}
