/*
 * duration.h
 *		Durations, which are microseconds in C, and intervals of SQL.
 */
#ifndef TASKQ_DURATION_H
#define TASKQ_DURATION_H

#include "datatype/timestamp.h"

#include "common/proto_times.h"

/*
 * The longest duration, which is what longer ones count as: the largest one
 * that comes back from a float8 as an int64.
 */
#define MAX_DURATION	(PG_INT64_MAX - 1023)

/* The longest one that can be written in the protocol: 3,652,500 days, about 10,000 years. */
#define MAX_PROTO_DURATION	(PROTO_MOST_SECONDS * USECS_PER_SEC)

extern int64 duration_from_interval(const Interval *interval,
									const char *name);
extern int64 check_proto_duration(int64 duration, const char *name);
extern Interval *duration_to_interval(int64 duration);
extern char *duration_to_text(int64 duration);
extern Interval *interval_from_text(char *string, const char *name);
extern TimestampTz instant_from_text(char *string, const char *name);

#endif							/* TASKQ_DURATION_H */
