/*
 * payload_form.h
 *		Payloads, which are bytes with metadata, as SQL sees them: one jsonb for
 *		all arguments of a call, or for its results.
 */
#ifndef TASKQ_PAYLOAD_FORM_H
#define TASKQ_PAYLOAD_FORM_H

#include <stdbool.h>

#include "common/text_buffer.h"

typedef struct PayloadEntry
{
	Slice		key;			/* UTF-8 without U+0000 */
	Slice		value;
} PayloadEntry;

/* One value, wherever it was found. */
typedef struct Payload
{
	const PayloadEntry *metadata;
	size_t		entries;
	Slice		data;
	Slice		external;		/* JSON array of what else is known of it, or empty */
} Payload;

/* How the plain form is to be. */
typedef enum PayloadStyle
{
	PAYLOADS_PLAIN,
	PAYLOADS_EXACT,				/* always bytes */
	PAYLOADS_OF_CANCEL			/* plain; ["reason"] is one value, "reason" */
} PayloadStyle;

/* What it points to is gone when the handler returns. */
typedef void (*PayloadHandler) (void *arg, const Payload *payload);

/* Adds a value of metadata. */
typedef void (*MetadataWriter) (TextBuffer *to, Slice value);

extern void payload_write(TextBuffer *to, const Payload *payload, MetadataWriter write_value);
extern void payload_write_bytes(TextBuffer *to, Slice bytes);
extern bool payloads_to_plain(TextBuffer *plain, const Payload *payloads, size_t count,
							  PayloadStyle style);
extern void payloads_from_plain(Slice plain, PayloadStyle style, const Allocator *allocator,
								PayloadHandler handler, void *arg);

#endif							/* TASKQ_PAYLOAD_FORM_H */
