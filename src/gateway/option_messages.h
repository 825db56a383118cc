/*
 * option_messages.h
 *		Options of activities between messages and the jsonb that SQL knows.
 *
 * Texts are malloced, messages as payloads.h says.
 */
#ifndef TASKQ_GATEWAY_OPTION_MESSAGES_H
#define TASKQ_GATEWAY_OPTION_MESSAGES_H

#include <stdbool.h>

typedef struct Google__Protobuf__FieldMask Google__Protobuf__FieldMask;
typedef struct Temporal__ActivityOptions Temporal__ActivityOptions;
typedef struct Temporal__RetryPolicy Temporal__RetryPolicy;

extern const char *retry_policy_to_text(const Temporal__RetryPolicy *policy, char **text);
extern Temporal__RetryPolicy *retry_policy_from_text(const char *text);
extern char *options_to_text(const Temporal__ActivityOptions *options,
							 const Google__Protobuf__FieldMask *mask, char **problem);
extern Temporal__ActivityOptions *options_from_text(const char *text);

#endif
