/*
 * proto_json.h
 *		Values of the protocol in its JSON form: ids of events, durations,
 *		priorities, retry policies.
 */
#ifndef TASKQ_PROTO_JSON_H
#define TASKQ_PROTO_JSON_H

#include "base/json.h"
#include "model/options.h"
#include "model/retry_policy.h"

extern void json_add_event_id(JsonBuilder *builder, const char *key, int64 id);
extern void json_add_duration(JsonBuilder *builder, const char *key, int64 duration);
extern void json_add_drawn_duration(JsonBuilder *builder, const char *key, int64 duration);
extern int64 json_get_event_id(Jsonb *object, const char *key);
extern bool json_get_duration(Jsonb *object, const char *key, int64 *duration);
extern bool json_is_negative_duration(Jsonb *object, const char *key);
extern Jsonb *json_retry_policy(const RetryPolicy *policy);
extern void json_read_priority(Jsonb *object, Options *options, Task *task);
extern const char *json_read_retry_policy(Jsonb *object, RetryPolicy *policy);

#endif							/* TASKQ_PROTO_JSON_H */
