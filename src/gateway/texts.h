/*
 * texts.h
 *		Text buffers, whose memory is the gateway's.
 */
#ifndef TASKQ_GATEWAY_TEXTS_H
#define TASKQ_GATEWAY_TEXTS_H

#include "common/text_buffer.h"

extern const Allocator gateway_allocator;

extern TextBuffer text_begin(void);
extern char *text_end(TextBuffer *buffer);
extern char *text_copy(Slice slice);
extern char *text_decode(Slice json);

#endif
