/*
 * controls.h
 *		What operators asked for: the rarely used part of an activity.
 */
#ifndef TASKQ_CONTROLS_H
#define TASKQ_CONTROLS_H

#include "datatype/timestamp.h"
#include "utils/jsonb.h"

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
	Jsonb	   *attached;		/* request ids of calls that were answered with
								 * this run, while it is open; an array */
	char	   *taken_from;		/* queue of the attempt in progress, if it is
								 * no longer that of the options */
} Controls;

extern Controls *controls_from_jsonb(struct varlena *control);
extern char *controls_taken_from(struct varlena *control);
extern Jsonb *controls_to_jsonb(const Controls *controls);

#endif							/* TASKQ_CONTROLS_H */
