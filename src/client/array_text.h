/*
 * array_text.h
 *		Arrays as PostgreSQL reads them.
 */
#ifndef TASKQ_ARRAY_TEXT_H
#define TASKQ_ARRAY_TEXT_H

#include "common/text_buffer.h"

extern void array_text_add(TextBuffer *array, const char *element);
extern const char *array_text_end(TextBuffer *array);

#endif							/* TASKQ_ARRAY_TEXT_H */
