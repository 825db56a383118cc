/*
 * json_check.h
 *		Is a text JSON, and such that jsonb keeps all that it says?
 */
#ifndef TASKQ_JSON_CHECK_H
#define TASKQ_JSON_CHECK_H

#include "common/text_buffer.h"

/* objects and arrays within each other */
#define JSON_DEEPEST 256

/* What is wrong with a text. */
typedef enum JsonFault
{
	JSON_FAULT_NONE,
	JSON_FAULT_SYNTAX,			/* no JSON: NaN and Infinity too */
	JSON_FAULT_DEPTH,
	JSON_FAULT_UTF8,
	JSON_FAULT_ZERO,			/* U+0000, which jsonb refuses */
	JSON_FAULT_SURROGATE,		/* half a character, likewise */
	JSON_FAULT_NUMBER,			/* too large, or a zero with a sign, which jsonb forgets */
	JSON_FAULT_DUPLICATE_KEY,	/* jsonb keeps one of them */
	JSON_FAULT_EXPONENT			/* jsonb keeps it all, but writes a number without its large exponent; found if nothing else is wrong */
} JsonFault;

extern JsonFault json_check(Slice text, const Allocator *allocator);
extern const char *json_fault_text(JsonFault fault);

#endif							/* TASKQ_JSON_CHECK_H */
