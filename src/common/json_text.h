/*
 * json_text.h
 *		Reading and writing pieces of JSON.
 *
 * A value is a slice of a text that json_check() has found nothing wrong with,
 * or that jsonb has written.  Of another text something is read, whatever it
 * means, and nothing beyond its end.
 */
#ifndef TASKQ_JSON_TEXT_H
#define TASKQ_JSON_TEXT_H

#include <stdbool.h>

#include "common/text_buffer.h"

/* How far an object or array has been read. */
typedef struct JsonReader
{
	const char *at;
	const char *end;
} JsonReader;

extern Slice json_text_trim(Slice text);
extern char json_text_type(Slice value);
extern bool json_text_is_null(Slice value);

extern JsonReader json_text_open(Slice value);
extern bool json_text_member(JsonReader *reader, Slice *key, Slice *value);
extern bool json_text_element(JsonReader *reader, Slice *value);

extern bool json_text_key_next(JsonReader *reader, Slice *key);
extern bool json_text_element_next(JsonReader *reader);
extern Slice json_text_value(JsonReader *reader);
extern void json_text_enter(JsonReader *reader);
extern void json_text_leave(JsonReader *reader);

extern bool json_text_equals(Slice string, const char *text);
extern void json_text_decode(TextBuffer *to, Slice string);
extern void json_text_encode(TextBuffer *to, Slice text);
extern void json_text_key(TextBuffer *to, const char *key);

#endif							/* TASKQ_JSON_TEXT_H */
