/*
 * proto_shape.h
 *		What the messages of Temporal's protocol consist of: fields, their types
 *		and names; and the numbers that have names.
 *
 * The tables: proto_enums, proto_events, proto_parts, proto_commands,
 * proto_requests, proto_answers.
 */
#ifndef TASKQ_PROTO_SHAPE_H
#define TASKQ_PROTO_SHAPE_H

#include <stdbool.h>

#include "common/text_buffer.h"

typedef enum ProtoType
{
	PROTO_STRING,
	PROTO_BOOL,
	PROTO_INT32,
	PROTO_INT64,
	PROTO_UINT32,
	PROTO_UINT64,
	PROTO_FLOAT,
	PROTO_DOUBLE,
	PROTO_BYTES,
	PROTO_ENUM,
	PROTO_MESSAGE
} ProtoType;

/* How many values a field has; the keys of a map are texts. */
typedef enum ProtoLabel
{
	PROTO_ONE,
	PROTO_LIST,
	PROTO_MAP
} ProtoLabel;

/* How a message is written. */
typedef enum ProtoForm
{
	PROTO_FIELDS,				/* an object with its fields */
	PROTO_INSTANT,				/* google.protobuf.Timestamp, a text */
	PROTO_DURATION,				/* google.protobuf.Duration, a text */
	PROTO_ANY					/* google.protobuf.Any: "@type", and that message's fields, or "value" */
} ProtoForm;

typedef struct ProtoName
{
	int			number;
	const char *name;			/* "RETRY_STATE_TIMEOUT" */
} ProtoName;

typedef struct ProtoEnum
{
	const char *name;			/* "temporal.api.enums.v1.RetryState" */
	const ProtoName *names;		/* by ascending number; 0 is the first */
	int			count;
} ProtoEnum;

typedef struct ProtoMessage ProtoMessage;

typedef struct ProtoField
{
	const char *name;			/* "task_queue" */
	const char *key;			/* "taskQueue", its name in JSON */
	ProtoType	type;
	ProtoLabel	label;
	bool		is_choice;		/* of a oneof, of which a message has one at most: one of these fields is given, zero or not */
	const ProtoMessage *message;	/* of PROTO_MESSAGE */
	const ProtoEnum *names;		/* of PROTO_ENUM */
} ProtoField;

struct ProtoMessage
{
	const char *name;			/* "temporal.api.common.v1.Payload" */
	ProtoForm	form;
	const ProtoField *fields;	/* at most 64 */
	int			count;
};

extern const ProtoField *proto_field(const ProtoMessage *message, Slice name);
extern const char *proto_name(const ProtoEnum *names, int number);
extern bool proto_number(const ProtoEnum *names, Slice name, int *number);

#endif							/* TASKQ_PROTO_SHAPE_H */
