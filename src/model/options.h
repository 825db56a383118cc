/*
 * options.h
 *		The options of an activity: validation, defaults, normalisation.
 */
#ifndef TASKQ_OPTIONS_H
#define TASKQ_OPTIONS_H

#include "datatype/timestamp.h"
#include "utils/jsonb.h"

#include "model/retry_policy.h"
#include "task/task.h"

/*
 * What update_options can change, normalised.  Queue, fairness key and weight,
 * which it can change as well, are the task's.
 */
typedef struct Options
{
	int64		schedule_to_close;
	int64		schedule_to_start;
	int64		start_to_close;
	int64		heartbeat_timeout;
	int64		start_delay;
	RetryPolicy retry_policy;
	bool		has_priority;
	int32		priority;		/* as given, see options_level() */
} Options;

extern void raise_two_starts(void);
extern void check_start_at(TimestampTz start_at);
extern int64 start_delay_until(TimestampTz start_at,
							   TimestampTz schedule_time);
extern void check_start_delay(int64 start_delay, TimestampTz schedule_time);

extern bool is_reserved_queue_name(const char *name, int length);
extern text *check_queue_name(text *name);
extern void check_name_length(const text *name, const char *what);
extern void check_payload_size(Datum payload, const char *what);
extern bool size_is_large(Size bytes);
extern bool message_is_large(const Jsonb *message);
extern void check_message_size(const Jsonb *message, const char *what);

extern int16 options_level(const Options *options);
extern const char *options_priority_problem(const Options *options, const Task *task);
extern void options_check_priority(const Options *options, const Task *task);
extern void options_normalise(Options *options, const text *activity_id,
							  const text *activity_type);

#endif							/* TASKQ_OPTIONS_H */
