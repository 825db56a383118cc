/*
 * timeout.h
 *		The types of timeouts, and what they are called.
 */
#ifndef TASKQ_TIMEOUT_H
#define TASKQ_TIMEOUT_H

/* In the order of taskq.timeout_type. */
typedef enum TimeoutType
{
	TIMEOUT_NONE = 0,
	TIMEOUT_SCHEDULE_TO_START,
	TIMEOUT_START_TO_CLOSE,
	TIMEOUT_SCHEDULE_TO_CLOSE,
	TIMEOUT_HEARTBEAT
} TimeoutType;

#define TIMEOUT_LAST			TIMEOUT_HEARTBEAT

/* in non_retryable_error_types, names a timeout rather than an error type */
#define TIMEOUT_TYPE_PREFIX		"TemporalTimeout:"

extern const char *timeout_type_name(TimeoutType type);
extern const char *timeout_camel_name(TimeoutType type);
extern bool error_type_is_valid(const char *type);

#endif							/* TASKQ_TIMEOUT_H */
