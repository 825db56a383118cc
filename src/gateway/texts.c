/*
 * texts.c
 *		Text buffers, whose memory is the gateway's.
 */
#include "gateway/texts.h"

#include <stdlib.h>

#include "common/json_text.h"
#include "gateway/memory.h"

const Allocator gateway_allocator = {memory_resize, free};

/*
 * An empty buffer.
 */
TextBuffer
text_begin(void)
{
	return (TextBuffer) {.allocator = &gateway_allocator};
}

/*
 * What is in the buffer, with a zero behind it, to be given back with free().
 */
char *
text_end(TextBuffer *buffer)
{
	if (buffer->data == NULL)
		text_buffer_add(buffer, "", 0);
	return buffer->data;
}

/*
 * A copy, likewise.
 */
char *
text_copy(Slice slice)
{
	TextBuffer	copy = text_begin();

	text_buffer_slice(&copy, slice);
	return text_end(&copy);
}

/*
 * What a string of JSON means, likewise.
 */
char *
text_decode(Slice json)
{
	TextBuffer	text = text_begin();

	json_text_decode(&text, json);
	return text_end(&text);
}
