/*
 * options.c
 *		The options of an activity: validation, defaults, normalisation.
 *
 * All of schedule and update_options goes through here, so that what is
 * stored is always normalised: no timeout exceeds ScheduleToClose, the retry
 * policy has every field.  Errors are ERRCODE_INVALID_PARAMETER_VALUE; nothing
 * is written before a check has passed.
 */
#include "postgres.h"

#include <math.h>

#include "access/detoast.h"
#include "utils/builtins.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/settings.h"
#include "common/lengths.h"
#include "model/options.h"
#include "task/kinds.h"

/* ------------------------------------------------------------------------
 * Starts
 * ------------------------------------------------------------------------
 */

/* raise_two_starts: there is one way to say when the first attempt may start. */
void
raise_two_starts(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("start_at and start_delay cannot be used together")));
}

/* check_start_at: raise unless it is an instant. */
void
check_start_at(TimestampTz start_at)
{
	if (TIMESTAMP_NOT_FINITE(start_at))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid start_at: must be finite")));
}

/*
 * start_delay_until: the start delay of what was scheduled then and may start
 * at "start_at"; the past means at once.
 */
int64
start_delay_until(TimestampTz start_at, TimestampTz schedule_time)
{
	return Max(start_at - schedule_time, 0);
}

/*
 * check_start_delay: raise when what was scheduled then would start after the
 * end of time.
 */
void
check_start_delay(int64 start_delay, TimestampTz schedule_time)
{
	if (instant_add(schedule_time, start_delay) == DT_NOEND)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid start_delay: out of range")));
}

/* ------------------------------------------------------------------------
 * Names and sizes
 * ------------------------------------------------------------------------
 */

/*
 * check_name_length: names are at most MAX_NAME_LENGTH bytes.
 */
void
check_name_length(const text *name, const char *what)
{
	if (name != NULL && VARSIZE_ANY_EXHDR(name) > MAX_NAME_LENGTH)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s exceeds length limit", what),
				 errdetail("Length is %d bytes, limit is %d.",
						   (int) VARSIZE_ANY_EXHDR(name), MAX_NAME_LENGTH)));
}

/* is_reserved_queue_name: is it one of taskq's own? */
bool
is_reserved_queue_name(const char *name, int length)
{
	int			prefix_length = strlen(RESERVED_QUEUE_PREFIX);

	return length >= prefix_length &&
		memcmp(name, RESERVED_QUEUE_PREFIX, prefix_length) == 0;
}

/*
 * check_queue_name: the name itself if it may name a task queue.
 */
text *
check_queue_name(text *name)
{
	if (VARSIZE_ANY_EXHDR(name) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("missing task queue name")));
	check_name_length(name, "task_queue");
	if (is_reserved_queue_name(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name)))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("task queue name cannot start with reserved prefix %s",
						RESERVED_QUEUE_PREFIX)));
	return name;
}

/*
 * check_payload_size: a payload of a producer is at most
 * taskq.max_payload_size, detoasted, and can be shown as text.
 */
void
check_payload_size(Datum payload, const char *what)
{
	Size		size = toast_raw_datum_size(payload);

	if (size > (Size) taskq_max_payload_size * 1024)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s exceeds length limit", what),
				 errdetail("Size is %zu bytes, taskq.max_payload_size is %zu.",
						   size, (Size) taskq_max_payload_size * 1024)));
	if (json_text_exceeds(payload, MAX_PAYLOAD_TEXT))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s exceeds length limit", what),
				 errdetail("It has numbers whose digits would take more than %d MB.",
						   MAX_PAYLOAD_TEXT / (1024 * 1024))));
}

/*
 * size_is_large: does a message of the protocol of so many bytes, whose payloads are in base64
 * and so a third longer, hold more than taskq.max_payload_size?
 */
bool
size_is_large(Size bytes)
{
	return bytes / 4 * (Size) 3 > (Size) taskq_max_payload_size * 1024;
}

/* message_is_large: likewise of a message. */
bool
message_is_large(const Jsonb *message)
{
	return size_is_large(VARSIZE(message));
}

/* check_message_size: raises 22023 for one that does; NULL is none. */
void
check_message_size(const Jsonb *message, const char *what)
{
	if (message != NULL && message_is_large(message))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s exceeds length limit", what),
				 errdetail("It is longer than taskq.max_payload_size, %zu bytes.",
						   (Size) taskq_max_payload_size * 1024)));
}

/* ------------------------------------------------------------------------
 * All options together
 * ------------------------------------------------------------------------
 */

/*
 * options_level: the priority level that counts when tasks are dispatched.
 */
int16
options_level(const Options *options)
{
	if (!options->has_priority || options->priority == 0)
		return DEFAULT_LEVEL;
	return Min(options->priority, LEVELS);
}

static bool
is_long_key(const text *key)
{
	return key != NULL && VARSIZE_ANY_EXHDR(key) > MAX_FAIRNESS_KEY_LENGTH;
}

/* options_priority_problem: what is wrong with priority, fairness key and weight; NULL = nothing. */
const char *
options_priority_problem(const Options *options, const Task *task)
{
	if (options->has_priority && options->priority < 0)
		return "invalid priorities: priority key can't be negative";
	if (is_long_key(task->fairness_key))
		return "invalid priorities: fairness key length exceeds limit";
	if (isnan(task->fairness_weight) || isinf(task->fairness_weight))
		return "invalid priorities: fairness weight must be a finite number";
	if (task->fairness_weight < 0)
		return "invalid priorities: must be greater than zero";
	return NULL;
}

/* options_check_priority: raises 22023 for a problem with them. */
void
options_check_priority(const Options *options, const Task *task)
{
	const char *problem = options_priority_problem(options, task);

	if (problem == NULL)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("%s", problem),
			 is_long_key(task->fairness_key) ?
			 errdetail("Length is %d bytes, limit is %d.",
					   (int) VARSIZE_ANY_EXHDR(task->fairness_key),
					   MAX_FAIRNESS_KEY_LENGTH) : 0));
}

/*
 * options_normalise: fill in and cap the timeouts.  The activity_id, which may
 * be NULL, and the type are for the error.
 *
 * With ScheduleToClose nothing lasts longer than it; without it StartToClose
 * is required and the rest is as given.
 */
void
options_normalise(Options *options, const text *activity_id,
				  const text *activity_type)
{
	int64		limit = options->schedule_to_close;

	if (limit > 0)
	{
		options->schedule_to_start = options->schedule_to_start > 0 ?
			Min(options->schedule_to_start, limit) : limit;
		options->start_to_close = options->start_to_close > 0 ?
			Min(options->start_to_close, limit) : limit;
	}
	else if (options->start_to_close == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a valid start_to_close_timeout or schedule_to_close_timeout must be set on the activity"),
				 activity_id != NULL ?
				 errdetail("activity_id is \"%s\", activity_type is \"%s\".",
						   text_to_cstring(activity_id),
						   text_to_cstring(activity_type)) :
				 errdetail("activity_type is \"%s\".",
						   text_to_cstring(activity_type)),
				 errhint("Pass start_to_close_timeout, the longest time that one attempt may take.")));
	options->heartbeat_timeout = Min(options->heartbeat_timeout,
									 options->start_to_close);
}
