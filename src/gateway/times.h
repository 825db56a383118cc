/*
 * times.h
 *		Durations and instants between messages and SQL.
 *
 * Microseconds since 1970 are what SQL gives as
 * (extract(epoch FROM t) * 1000000)::bigint; messages as payloads.h says.
 */
#ifndef TASKQ_GATEWAY_TIMES_H
#define TASKQ_GATEWAY_TIMES_H

#include <stdbool.h>
#include <stdint.h>

typedef struct Google__Protobuf__Duration Google__Protobuf__Duration;
typedef struct Google__Protobuf__Timestamp Google__Protobuf__Timestamp;

/* room for the text of a duration */
#define DURATION_TEXT 40

/* "1.5s", which is an interval too; NULL if it is unset; false: no duration */
extern bool duration_to_sql(const Google__Protobuf__Duration *duration, char *room, const char **text);

/* of "1.5s", "00:00:01.5" and "1.5" (seconds); NULL of NULL and of anything else */
extern Google__Protobuf__Duration *duration_from_text(const char *text);
extern Google__Protobuf__Duration *duration_from_microseconds(int64_t microseconds);
extern Google__Protobuf__Timestamp *timestamp_from_microseconds(int64_t microseconds);

#endif
