/*
 * attempt_report.h
 *		What a worker reports of an attempt.
 */
#ifndef TASKQ_ATTEMPT_REPORT_H
#define TASKQ_ATTEMPT_REPORT_H

#include "engine/execute.h"

/* One report of a worker, as an event for the state machine. */
typedef struct Report
{
	Event		event;
	EventData	data;
	Checkpoint	checkpoint;
	const char *oversized;		/* what to warn of when it is accepted, or NULL */
	const char *oversized_checkpoint;	/* likewise */
} Report;

/* What a heartbeat tells the worker. */
typedef struct Flags
{
	bool		cancel_requested;
	bool		activity_paused;
	bool		activity_reset;
} Flags;

extern void report_complete(Report *report, bool by_id,
							struct varlena *result, const char *identity);
extern void report_heartbeat(Report *report, struct varlena *details,
							 const char *identity);
extern void report_release(Report *report, int64 delay,
						   struct varlena *checkpoint, const char *identity);
extern void report_cancellation(Report *report, struct varlena *details,
								const char *identity);
extern void report_failure(Report *report, Jsonb *failure,
						   int64 next_retry_delay, struct varlena *checkpoint,
						   const char *identity);
extern Verdict report_by_token(Report *report, Datum token,
							   Activity *activity);
extern Verdict report_by_attempt(Report *report, int64 run_id, int64 nonce,
								 Activity *activity);
extern Verdict report_by_run(Report *report, int64 run_id,
							 Activity *activity);
extern Flags report_flags(const Report *report, const Activity *activity);

#endif							/* TASKQ_ATTEMPT_REPORT_H */
