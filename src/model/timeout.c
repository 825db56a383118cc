/*
 * timeout.c
 *		The types of timeouts, and what they are called.
 */
#include "postgres.h"

#include "model/timeout.h"

/* Names of the timeouts: in messages and error types, and in jsonb. */
static const struct
{
	const char *camel;
	const char *snake;
}			timeout_names[] =
{
	[TIMEOUT_NONE] = {"Unspecified", "unspecified"},
	[TIMEOUT_SCHEDULE_TO_START] = {"ScheduleToStart", "schedule_to_start"},
	[TIMEOUT_START_TO_CLOSE] = {"StartToClose", "start_to_close"},
	[TIMEOUT_SCHEDULE_TO_CLOSE] = {"ScheduleToClose", "schedule_to_close"},
	[TIMEOUT_HEARTBEAT] = {"Heartbeat", "heartbeat"},
};

StaticAssertDecl(lengthof(timeout_names) == TIMEOUT_LAST + 1,
				 "each has a name");

/* timeout_type_name: as in taskq.timeout_type. */
const char *
timeout_type_name(TimeoutType type)
{
	Assert(type > TIMEOUT_NONE && type <= TIMEOUT_LAST);
	return timeout_names[type].snake;
}

/* timeout_camel_name: as in messages, and in names of error types. */
const char *
timeout_camel_name(TimeoutType type)
{
	return timeout_names[type].camel;
}

/*
 * error_type_is_valid: may the text stand in non_retryable_error_types?
 * Anything may, but a timeout has to be one that exists.
 */
bool
error_type_is_valid(const char *type)
{
	if (strncmp(type, TIMEOUT_TYPE_PREFIX, strlen(TIMEOUT_TYPE_PREFIX)) != 0)
		return true;
	type += strlen(TIMEOUT_TYPE_PREFIX);
	for (int i = TIMEOUT_SCHEDULE_TO_START; i <= TIMEOUT_LAST; i++)
		if (strcmp(type, timeout_names[i].camel) == 0)
			return true;
	return false;
}
