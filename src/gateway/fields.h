/*
 * fields.h
 *		Fields of messages from values of a result, malloced.
 */
#ifndef TASKQ_GATEWAY_FIELDS_H
#define TASKQ_GATEWAY_FIELDS_H

#include <libpq-fe.h>
#include <protobuf-c/protobuf-c.h>

typedef struct Google__Protobuf__Duration Google__Protobuf__Duration;
typedef struct Google__Protobuf__Timestamp Google__Protobuf__Timestamp;
typedef struct Temporal__Priority Temporal__Priority;
typedef struct Temporal__SearchAttributes Temporal__SearchAttributes;

extern char *field_text(const PGresult *result, int row, int column);
extern Google__Protobuf__Timestamp *field_timestamp(const PGresult *result, int row, int column);
extern Google__Protobuf__Duration *field_duration(const PGresult *result, int row, int column);
extern int	field_enum(const PGresult *result, int row, int column,
					   const ProtobufCEnumDescriptor *descriptor, const char *prefix);
extern Temporal__Priority *field_priority(const PGresult *result, int row, int column);
extern Temporal__SearchAttributes *field_search_attributes(const PGresult *result, int row, int column);

#endif
