/*
 * taskq.h
 *		What every file of taskq shares: names, SQLSTATEs, limits, enums.
 */
#ifndef TASKQ_H
#define TASKQ_H

#include "postgres.h"

#include "datatype/timestamp.h"

#define TASKQ_SCHEMA		"taskq"
#define TASKQ_EXTENSION		"taskq"

/* SQLSTATEs of taskq's own class, for clients to branch on. */
#define ERRCODE_TASKQ_NOT_FOUND				MAKE_SQLSTATE('T','Q','0','0','1')
#define ERRCODE_TASKQ_ALREADY_STARTED		MAKE_SQLSTATE('T','Q','0','0','2')
#define ERRCODE_TASKQ_FAILED_PRECONDITION	MAKE_SQLSTATE('T','Q','0','0','3')
#define ERRCODE_TASKQ_RESOURCE_EXHAUSTED	MAKE_SQLSTATE('T','Q','0','0','4')

/* Longest names and texts, in bytes. */
#define MAX_NAME_LENGTH			1000	/* queues, types, ids, identities */
#define MAX_SUMMARY_LENGTH		400
#define MAX_FAIRNESS_KEY_LENGTH	64

/* Priority levels: 1 is dispatched first, DEFAULT_LEVEL when not given. */
#define LEVELS					5
#define DEFAULT_LEVEL			3

/* a row that was changed by hand may hold any number */
static inline int
valid_level(int level)
{
	return Max(1, Min(level, LEVELS));
}

/* A failure kept between attempts is at most this large, in bytes. */
#define MAX_RETRIED_FAILURE		4096

/* An instant that never comes; also "no deadline". */
#define TIMESTAMP_NEVER			DT_NOEND

/*
 * States of an activity, as stored in open.state.  The closed ones are never
 * stored in "open": a closed row lives in a leaf of the closed tables, under
 * its public status.
 */
typedef enum State
{
	STATE_NONE = 0,
	STATE_SCHEDULED = 1,
	STATE_STARTED,
	STATE_CANCEL_REQUESTED,
	STATE_PAUSE_REQUESTED,
	STATE_RESET_REQUESTED,
	STATE_PAUSED,
	STATE_COMPLETED,
	STATE_FAILED,
	STATE_CANCELED,
	STATE_TERMINATED,
	STATE_TIMED_OUT
} State;

#define STATE_LAST				STATE_TIMED_OUT

static inline bool
state_is_closed(State state)
{
	return state >= STATE_COMPLETED;
}

/* A worker holds the attempt, and its token is valid. */
static inline bool
state_in_progress(State state)
{
	return state >= STATE_STARTED && state <= STATE_RESET_REQUESTED;
}

/* Why there is no further attempt; in the order of taskq.retry_state. */
typedef enum RetryState
{
	RETRY_UNSPECIFIED = 0,
	RETRY_IN_PROGRESS,
	RETRY_NON_RETRYABLE_FAILURE,
	RETRY_TIMEOUT,
	RETRY_MAXIMUM_ATTEMPTS_REACHED,
	RETRY_POLICY_NOT_SET,
	RETRY_INTERNAL_SERVER_ERROR,
	RETRY_CANCEL_REQUESTED
} RetryState;

#define RETRY_STATE_LAST		RETRY_CANCEL_REQUESTED

/* In the order of taskq.timeout_type. */
typedef enum TimeoutType
{
	TIMEOUT_NONE = 0,
	TIMEOUT_SCHEDULE_TO_START,
	TIMEOUT_START_TO_CLOSE,
	TIMEOUT_SCHEDULE_TO_CLOSE,
	TIMEOUT_HEARTBEAT
} TimeoutType;

#endif							/* TASKQ_H */
