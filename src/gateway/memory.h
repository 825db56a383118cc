/*
 * memory.h
 *		Memory that is there: who asks never has to look. Without memory the
 *		program ends, since nothing it keeps matters.
 */
#ifndef TASKQ_GATEWAY_MEMORY_H
#define TASKQ_GATEWAY_MEMORY_H

#include <stddef.h>

extern void *memory_new(size_t size);
extern void *memory_resize(void *memory, size_t size);
extern char *memory_text(const char *text);

/* Bytes that grow; all zeros is none. There is always a zero after them. */
typedef struct Buffer
{
	char	   *data;
	size_t		length;
	size_t		size;
} Buffer;

extern char *buffer_reserve(Buffer *buffer, size_t more);
extern void buffer_append(Buffer *buffer, const void *data, size_t length);
extern void buffer_text(Buffer *buffer, const char *text);
extern void buffer_format(Buffer *buffer, const char *format,...) __attribute__((format(printf, 2, 3)));
extern void buffer_consume(Buffer *buffer, size_t length);
extern void buffer_free(Buffer *buffer);

#endif
