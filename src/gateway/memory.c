/*
 * memory.c
 *		Memory that is there, and bytes that grow.
 */
#include "gateway/memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SMALLEST_BUFFER 64

static void *
checked(void *memory)
{
	if (memory == NULL)
	{
		fputs("taskq-gateway: out of memory\n", stderr);
		abort();
	}
	return memory;
}

/*
 * Zeros, to be given back with free(). Never NULL.
 */
void *
memory_new(size_t size)
{
	return checked(calloc(1, size > 0 ? size : 1));
}

/*
 * As realloc(), but never NULL. What is added has no value yet.
 */
void *
memory_resize(void *memory, size_t size)
{
	return checked(realloc(memory, size > 0 ? size : 1));
}

/*
 * A copy, to be given back with free().
 */
char *
memory_text(const char *text)
{
	return checked(strdup(text));
}

/*
 * Where "more" bytes may be written behind those that are there; who writes
 * adds to the length. Valid until the buffer grows again.
 */
char *
buffer_reserve(Buffer *buffer, size_t more)
{
	size_t		needed = buffer->length + more + 1;

	if (needed > buffer->size)
	{
		size_t		size = buffer->size > 0 ? buffer->size : SMALLEST_BUFFER;

		while (size < needed)
			size *= 2;
		buffer->data = memory_resize(buffer->data, size);
		buffer->size = size;
		buffer->data[buffer->length] = '\0';
	}
	return buffer->data + buffer->length;
}

/*
 * Add bytes at the end.
 */
void
buffer_append(Buffer *buffer, const void *data, size_t length)
{
	char	   *end = buffer_reserve(buffer, length);

	if (length > 0)
		memcpy(end, data, length);
	end[length] = '\0';
	buffer->length += length;
}

/*
 * Add a text, without the zero at its end.
 */
void
buffer_text(Buffer *buffer, const char *text)
{
	buffer_append(buffer, text, strlen(text));
}

/*
 * Add a text as printf() makes it.
 */
void
buffer_format(Buffer *buffer, const char *format,...)
{
	va_list		args;
	int			length;

	va_start(args, format);
	length = vsnprintf(NULL, 0, format, args);
	va_end(args);
	va_start(args, format);
	vsnprintf(buffer_reserve(buffer, (size_t) length), (size_t) length + 1, format, args);
	va_end(args);
	buffer->length += (size_t) length;
}

/*
 * Forget bytes at the beginning; without any left the memory is given back.
 */
void
buffer_consume(Buffer *buffer, size_t length)
{
	if (length == buffer->length)
	{
		buffer_free(buffer);
		return;
	}
	memmove(buffer->data, buffer->data + length, buffer->length - length);
	buffer->length -= length;
	buffer->data[buffer->length] = '\0';
}

/*
 * Give everything back; the buffer is empty then.
 */
void
buffer_free(Buffer *buffer)
{
	free(buffer->data);
	*buffer = (Buffer) {0};
}
