/*
 * proto_values.h
 *		Payloads and failures: between the protocol's form, which histories keep,
 *		and the plain one, which SQL sees.
 */
#ifndef TASKQ_PROTO_VALUES_H
#define TASKQ_PROTO_VALUES_H

#include "datatype/timestamp.h"
#include "utils/jsonb.h"

extern Jsonb *payloads_plain(Jsonb *payloads);
extern Jsonb *payloads_exact(Jsonb *plain);
extern Jsonb *payload_plain(Jsonb *payload);
extern Jsonb *payload_map_plain(Jsonb *fields);
extern Jsonb *payload_map_exact(Jsonb *plain);
extern bool payload_is_nothing(Jsonb *payload);
extern Jsonb *payload_map_merged(Jsonb *fields, Jsonb *changes);
extern Jsonb *payloads_of_text(const char *text);
extern Jsonb *failure_plain(Jsonb *failure);
extern Jsonb *failure_exact(Jsonb *plain);
extern void failure_check(Jsonb *plain, const char *what);
extern bool failure_is_exact(Jsonb *failure);
extern char *payload_text(Jsonb *payload);
extern char *proto_base64_of_text(const char *text);
extern char *proto_text_of_base64(const char *base64);
extern char *proto_instant_text(TimestampTz when);
extern TimestampTz proto_instant_of(const char *text);

#endif							/* TASKQ_PROTO_VALUES_H */
