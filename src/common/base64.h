/*
 * base64.h
 *		Bytes as text, as JSON has them.
 */
#ifndef TASKQ_BASE64_H
#define TASKQ_BASE64_H

#include <stdbool.h>

#include "common/text_buffer.h"

extern void base64_encode(TextBuffer *to, Slice bytes);
extern bool base64_decode(TextBuffer *to, Slice text);

#endif							/* TASKQ_BASE64_H */
