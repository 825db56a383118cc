/*
 * report.h
 *		What workers report.
 */
#ifndef TASKQ_REPORT_H
#define TASKQ_REPORT_H

#include "execute.h"

/* One report of a worker, as an event for the state machine. */
typedef struct Report
{
	Event		event;
	EventData	data;
	Checkpoint	checkpoint;
} Report;

extern void report_complete(Report *report, bool by_id,
							struct varlena *result, const char *identity);
extern void report_heartbeat(Report *report, struct varlena *details,
							 const char *identity);
extern Verdict report_by_token(Report *report, Datum token,
							   Activity *activity);

#endif							/* TASKQ_REPORT_H */
