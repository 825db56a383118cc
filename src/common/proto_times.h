/*
 * proto_times.h
 *		Durations and instants as texts: the JSON form of protobuf, and what
 *		taskq writes.
 */
#ifndef TASKQ_PROTO_TIMES_H
#define TASKQ_PROTO_TIMES_H

#include <stdbool.h>
#include <stdint.h>

#include "common/text_buffer.h"

/* what protobuf allows: about 10,000 years */
#define PROTO_MOST_SECONDS INT64_C(315576000000)

/* seconds, and what is beyond them: of the same sign in a duration, never negative in an instant */
typedef struct ProtoTime
{
	int64_t		seconds;
	int32_t		nanoseconds;
} ProtoTime;

extern bool proto_duration_valid(ProtoTime duration);
extern void proto_duration_write(TextBuffer *to, ProtoTime duration);
extern bool proto_duration_read(Slice text, ProtoTime *duration);

extern bool proto_instant_valid(ProtoTime instant);
extern void proto_instant_write(TextBuffer *to, ProtoTime instant);
extern bool proto_instant_read(Slice text, ProtoTime *instant);

#endif							/* TASKQ_PROTO_TIMES_H */
