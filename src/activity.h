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
#include "utils/array.h"
#include "utils/jsonb.h"

#include "taskq.h"

/* How failed attempts are retried; normalised, nothing is unset. */
typedef struct RetryPolicy
{
	int64		initial_interval;
	double		backoff_coefficient;
	int64		maximum_interval;
	int32		maximum_attempts;	/* 0 = unlimited */
	ArrayType  *non_retryable;	/* text[], detoasted; NULL = none */
	double		jitter;
} RetryPolicy;

/* What update_options can change, normalised. */
typedef struct Options
{
	text	   *task_queue;		/* detoasted */
	int64		schedule_to_close;
	int64		schedule_to_start;
	int64		start_to_close;
	int64		heartbeat_timeout;
	int64		start_delay;
	RetryPolicy retry_policy;
	bool		has_priority;
	int32		priority;		/* as given, see options_level() */
	text	   *fairness_key;	/* detoasted, NULL = unset */
	double		fairness_weight;	/* 0 = unset */
} Options;

/* Who asked for a control operation, when and why. */
typedef struct Request
{
	char	   *request_id;		/* NULL = never asked */
	TimestampTz time;
	char	   *identity;
	char	   *reason;
} Request;

/* The rarely used part of an activity: what operators asked for. */
typedef struct Controls
{
	Request		cancel;
	Request		pause;			/* the last one, kept for ever */
	char	   *terminate_id;
	char	   *unpause_id;
	char	   *reset_id;
	char	   *update_id;
	/* effects of a reset that wait until the worker yields */
	bool		reset_heartbeat;
	bool		reset_keep_paused;
	bool		reset_restore;
	int64		reset_jitter;
	Jsonb	   *original;		/* options at schedule, if ever changed */
	char	   *taken_from;		/* queue of the attempt in progress, if it is
								 * no longer that of the options */
} Controls;

/* The last heartbeat. */
typedef struct Heartbeat
{
	TimestampTz last_time;		/* DT_NOBEGIN = none, or cleared by a reset */
	int64		count;			/* 0 = none */
	struct varlena *details;
	ItemPointerData tid;		/* of the row's version read, if it is valid */
} Heartbeat;

/* Where the version read waits for a poll. */
typedef struct LanePlace
{
	text	   *task_queue;		/* NULL = nowhere */
	text	   *fairness_key;	/* NULL = unset */
	int16		level;
	TimestampTz dispatch_time;
} LanePlace;

typedef struct Activity
{
	ItemPointerData tid;		/* of the version read, in open */
	LanePlace	place;			/* likewise */

	int64		run_id;
	TimestampTz schedule_time;
	Options		options;
	text	   *activity_type;
	struct varlena *input;

	text	   *activity_id;
	text	   *request_id;
	struct varlena *header;
	text	   *summary;
	struct varlena *search_attributes;
	struct varlena *control;	/* as stored; controls() decodes it */
	Controls   *controls;		/* decoded, NULL = not yet */
	struct varlena *last_failure;
	int64		retry_interval;
	bool		retry_by_worker;
	TimestampTz last_complete_time; /* DT_NOBEGIN = none */
	TimestampTz first_started_time; /* DT_NOBEGIN = not stored */

	TimestampTz alarm;			/* DT_NOEND = none */
	TimestampTz dispatch_time;	/* DT_NOEND = none (paused) */

	TimestampTz started_time;	/* DT_NOBEGIN = never */
	int64		nonce;
	int32		transitions;
	int32		attempt;
	int16		level;
	State		state;
	text	   *worker;

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
} Activity;

/* instants, DT_NOEND when there is none or it is out of range */
extern TimestampTz instant_add(TimestampTz when, int64 duration);

/* A timeout and when it fires. */
typedef struct Deadline
{
	TimeoutType type;
	TimestampTz when;			/* DT_NOEND = no timer is live */
} Deadline;

extern Deadline activity_next_deadline(const Activity *activity,
									   TimestampTz last_heartbeat);
extern TimestampTz activity_first_dispatch(const Activity *activity);
extern TimestampTz activity_waits_since(const Activity *activity);
extern TimestampTz activity_expiration(const Activity *activity);
extern const text *activity_taken_from(Activity *activity);
extern Controls *activity_controls(Activity *activity);
extern Jsonb *controls_to_jsonb(const Controls *controls);

#endif							/* TASKQ_ACTIVITY_H */
