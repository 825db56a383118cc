/*
 * payloads.h
 *		Payloads, failures, headers and the like between messages and what SQL
 *		sees of them: texts of jsonb.
 *
 * Texts are given back with free(), messages with
 * protobuf_c_message_free_unpacked(message, NULL), by themselves or as a part
 * of another one.  NULL stands for NULL in both directions.
 */
#ifndef TASKQ_GATEWAY_PAYLOADS_H
#define TASKQ_GATEWAY_PAYLOADS_H

#include <stdbool.h>

#include "common/payload_form.h"

typedef struct Temporal__Payload Temporal__Payload;
typedef struct Temporal__Payloads Temporal__Payloads;
typedef struct Temporal__Failure Temporal__Failure;
typedef struct Temporal__Header Temporal__Header;
typedef struct Temporal__SearchAttributes Temporal__SearchAttributes;
typedef struct Temporal__UserMetadata Temporal__UserMetadata;

/* From now on, keep each byte of what is sent. */
extern void payloads_keep_exact(bool exact);
extern PayloadStyle payloads_style(void);

/* inputs, results, details of heartbeats and of failures */
extern char *payloads_to_text(const Temporal__Payloads *payloads);
extern Temporal__Payloads *payloads_from_text(const char *plain);

/* details of a cancellation, which are read as a part of its failure */
extern char *cancel_details_to_text(const Temporal__Payloads *payloads);

/* of a header, and of the details of metadata, which are kept there */
extern char *header_to_text(const Temporal__Header *header, const Temporal__UserMetadata *metadata);
extern Temporal__Header *header_from_text(const char *plain);

/* the value that names a group of a count */
extern Temporal__Payload *keyword_payload(const char *keyword);

/* false: a value is no plain JSON, which attributes have to be */
extern bool search_attributes_to_text(const Temporal__SearchAttributes *attributes, char **plain);
extern Temporal__SearchAttributes *search_attributes_from_text(const char *plain);

/* the summary is a text, not JSON */
extern char *summary_to_text(const Temporal__UserMetadata *metadata);
extern Temporal__UserMetadata *user_metadata_from_text(const char *summary, const char *header);

#endif
