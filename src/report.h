/*
 * report.h
 *		What workers report.
 */
#ifndef TASKQ_REPORT_H
#define TASKQ_REPORT_H

#include "fmgr.h"

#include "execute.h"

/* One report of a worker, as an event for the state machine. */
typedef struct Report
{
	Event		event;
	EventData	data;
	Checkpoint	checkpoint;
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
extern void report_failure(Report *report, FunctionCallInfo fcinfo, int first);
extern Verdict report_by_token(Report *report, Datum token,
							   Activity *activity);
extern void report_stale(int elevel, Datum token);
extern Flags report_flags(const Report *report, const Activity *activity);
extern Datum retry_state_datum(RetryState state);

#endif							/* TASKQ_REPORT_H */
