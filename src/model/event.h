/*
 * event.h
 *		What may happen to an activity, and what the state machine answers.
 */
#ifndef TASKQ_EVENT_H
#define TASKQ_EVENT_H

#include "datatype/timestamp.h"
#include "utils/jsonb.h"

#include "model/activity.h"

typedef enum Event
{
	EVENT_START,				/* a poll takes it */
	EVENT_COMPLETE,
	EVENT_COMPLETE_BY_ID,		/* as above, and also when no attempt runs */
	EVENT_FAIL,
	EVENT_REPORT_CANCELED,
	EVENT_RELEASE,				/* its worker hands the attempt back */
	EVENT_HEARTBEAT,
	EVENT_TIMEOUT,				/* the timer EventData.timeout fired */
	EVENT_REQUEST_CANCEL,
	EVENT_TERMINATE,
	EVENT_PAUSE,
	EVENT_UNPAUSE,
	EVENT_RESET,
	EVENT_UPDATE_OPTIONS,
	EVENT_ATTACH				/* a schedule call is answered with it */
} Event;

#define EVENT_LAST		EVENT_ATTACH

/* What comes with an event; which fields count depends on it. */
typedef struct EventData
{
	TimestampTz now;
	const char *identity;		/* who; NULL = not told */

	int64		nonce;			/* START: of the new attempt */
	struct varlena *result;		/* COMPLETE */
	Jsonb	   *failure;		/* FAIL: NULL = not described */
	int64		next_retry_delay;	/* FAIL: 0 = by policy */
	int64		release_delay;	/* RELEASE: 0 = none */
	Jsonb	   *details;		/* REPORT_CANCELED */
	TimeoutType timeout;		/* TIMEOUT */

	const char *request_id;		/* control operations, ATTACH: never NULL */
	const char *reason;
	int64		jitter;			/* UNPAUSE, RESET */
	bool		skip_backoff;	/* UNPAUSE */
	bool		keep_paused;	/* RESET */
	bool		reset_heartbeat;	/* RESET */
	bool		restore_original;	/* RESET, UPDATE_OPTIONS */
	Jsonb	   *options;		/* UPDATE_OPTIONS */

	struct ClosedRows *closed_rows; /* where a closed row is collected; NULL =
									 * it is written at once */
} EventData;

typedef enum Answer
{
	ANSWER_DONE,				/* the activity has changed */
	ANSWER_UNCHANGED,			/* fine, and nothing to write */
	ANSWER_NOT_FOUND,
	ANSWER_PRECONDITION,		/* not allowed in this state */
	ANSWER_INVALID
} Answer;

typedef struct Verdict
{
	Answer		answer;
	const char *word;			/* of a PRECONDITION: for programs, never
								 * changes */
	const char *message;		/* of a refusal, NULL for NOT_FOUND */
	RetryState	retry_state;	/* of an attempt that ended */
} Verdict;

#endif							/* TASKQ_EVENT_H */
