/*
 * text_buffer.h
 *		Bytes that somebody else has, and bytes that grow.
 *
 * The memory is that of whoever uses it: malloc() in programs, palloc() in the
 * server.  An allocator never returns NULL.
 */
#ifndef TASKQ_TEXT_BUFFER_H
#define TASKQ_TEXT_BUFFER_H

#include <stddef.h>

/* A piece of a text, which no zero need follow. */
typedef struct Slice
{
	const char *data;
	size_t		length;
} Slice;

/* resize is given NULL for new memory. */
typedef struct Allocator
{
	void	   *(*resize) (void *memory, size_t size);
	void		(*release) (void *memory);
} Allocator;

/* There is a zero after the bytes, once there has been any. */
typedef struct TextBuffer
{
	const Allocator *allocator;
	char	   *data;
	size_t		length;
	size_t		size;
} TextBuffer;

extern Slice slice_of(const char *text);
extern int	slice_equals(Slice slice, const char *text);
extern size_t slice_clip(Slice slice, size_t most);

extern void text_buffer_init(TextBuffer *buffer, const Allocator *allocator);
extern char *text_buffer_reserve(TextBuffer *buffer, size_t more);
extern void text_buffer_add(TextBuffer *buffer, const char *data, size_t length);
extern void text_buffer_slice(TextBuffer *buffer, Slice slice);
extern void text_buffer_text(TextBuffer *buffer, const char *text);
extern void text_buffer_char(TextBuffer *buffer, char character);
extern void text_buffer_free(TextBuffer *buffer);

#endif							/* TASKQ_TEXT_BUFFER_H */
