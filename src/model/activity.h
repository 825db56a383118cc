/*
 * activity.h
 *		One activity execution as a C struct: what the state machine works on
 *		and the store reads and writes.
 *
 * Durations are microseconds, 0 = unset.  Varlena fields are NULL when the
 * column is; they may point into a tuple, and may be toasted unless a comment
 * says otherwise.
 */
#ifndef TASKQ_ACTIVITY_H
#define TASKQ_ACTIVITY_H

#include "datatype/timestamp.h"
#include "storage/itemptr.h"
#include "utils/jsonb.h"

#include "model/controls.h"
#include "model/options.h"
#include "model/timeout.h"
#include "task/task.h"

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

/* The last heartbeat. */
typedef struct Heartbeat
{
	TimestampTz last_time;		/* DT_NOBEGIN = none, or cleared by a reset */
	int64		count;			/* 0 = none */
	struct varlena *details;
	ItemPointerData tid;		/* of the row's version read, if it is valid */
} Heartbeat;

typedef struct Activity
{
	Task		task;			/* first: a Task of kind activity is an Activity */
	Options		options;
	text	   *activity_type;
	struct varlena *input;

	int64		owner;			/* the run that it belongs to, 0 = none */
	int64		scheduled_event_id; /* in that one's history */
	text	   *activity_id;
	text	   *request_id;
	struct varlena *header;
	text	   *summary;
	struct varlena *search_attributes;
	Controls   *controls;		/* task.control decoded, NULL = not yet */
	struct varlena *last_failure;
	int64		retry_interval;
	bool		retry_by_worker;
	TimestampTz first_started_time; /* DT_NOBEGIN = not stored */

	/* outcome, once closed */
	TimestampTz close_time;
	TimestampTz expire_time;
	struct varlena *result;
	Jsonb	   *failure;
	bool		failure_wants_heartbeat;	/* add last_heartbeat_details */
	RetryState	retry_state;
	Heartbeat	heartbeat;		/* as of the close */

	struct ClosedRows *closed_rows; /* see EventData */

	/* of a reset that was carried out: the heartbeat has to be forgotten */
	bool		clear_heartbeat;

	/* the attempt that ended was handed back */
	bool		released;

	/* a schedule call was remembered, without a transition */
	bool		attached;
} Activity;

StaticAssertDecl(offsetof(Activity, task) == 0,
				 "a Task of kind activity is an Activity");

extern Deadline activity_next_deadline(const Activity *activity,
									   TimestampTz last_heartbeat);
extern TimestampTz activity_first_dispatch(const Activity *activity);
extern TimestampTz activity_expiration(const Activity *activity);
extern const text *activity_taken_from(Activity *activity);
extern Controls *activity_controls(Activity *activity);

#endif							/* TASKQ_ACTIVITY_H */
