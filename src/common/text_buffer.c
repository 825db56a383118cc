/*
 * text_buffer.c
 *		Bytes that grow.
 */
#include "common/text_buffer.h"

#include <string.h>

#define SMALLEST_BUFFER 64

/*
 * slice_of: a whole text.
 */
Slice
slice_of(const char *text)
{
	return (Slice) {text, strlen(text)};
}

/*
 * slice_equals: is it the same text?
 */
int
slice_equals(Slice slice, const char *text)
{
	return strlen(text) == slice.length && memcmp(slice.data, text, slice.length) == 0;
}

/*
 * slice_clip: how many of its bytes are at most so many, and no part of a character of
 * UTF-8.
 */
size_t
slice_clip(Slice slice, size_t most)
{
	size_t		length = slice.length < most ? slice.length : most;

	while (length < slice.length && length > 0 && ((unsigned char) slice.data[length] & 0xC0) == 0x80)
		length--;
	return length;
}

/*
 * text_buffer_init: an empty buffer, that has no memory yet.
 */
void
text_buffer_init(TextBuffer *buffer, const Allocator *allocator)
{
	*buffer = (TextBuffer) {.allocator = allocator};
}

/*
 * text_buffer_reserve: where "more" bytes can be written, behind those that
 * are there; who writes adds to the length.
 */
char *
text_buffer_reserve(TextBuffer *buffer, size_t more)
{
	size_t		needed = buffer->length + more + 1;

	if (needed > buffer->size)
	{
		size_t		size = buffer->size > 0 ? buffer->size : SMALLEST_BUFFER;

		while (size < needed)
			size *= 2;
		buffer->data = buffer->allocator->resize(buffer->data, size);
		buffer->size = size;
	}
	return buffer->data + buffer->length;
}

/*
 * text_buffer_add: add bytes at the end.
 */
void
text_buffer_add(TextBuffer *buffer, const char *data, size_t length)
{
	char	   *end = text_buffer_reserve(buffer, length);

	if (length > 0)
		memcpy(end, data, length);
	end[length] = '\0';
	buffer->length += length;
}

/*
 * text_buffer_slice: the same of a slice.
 */
void
text_buffer_slice(TextBuffer *buffer, Slice slice)
{
	text_buffer_add(buffer, slice.data, slice.length);
}

/*
 * text_buffer_text: the same of a text.
 */
void
text_buffer_text(TextBuffer *buffer, const char *text)
{
	text_buffer_add(buffer, text, strlen(text));
}

/*
 * text_buffer_char: the same of one character.
 */
void
text_buffer_char(TextBuffer *buffer, char character)
{
	text_buffer_add(buffer, &character, 1);
}

/*
 * text_buffer_free: give the memory back; the buffer is empty then.
 */
void
text_buffer_free(TextBuffer *buffer)
{
	if (buffer->data != NULL)
		buffer->allocator->release(buffer->data);
	text_buffer_init(buffer, buffer->allocator);
}
