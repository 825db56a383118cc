/*
 * health_report.h
 *		Rows of taskq.health.
 */
#ifndef TASKQ_HEALTH_REPORT_H
#define TASKQ_HEALTH_REPORT_H

#include "fmgr.h"

/* in the order of the texts that users see */
typedef enum HealthStatus
{
	HEALTH_OK,
	HEALTH_WARNING,
	HEALTH_CRITICAL
} HealthStatus;

extern void health_report(FunctionCallInfo fcinfo, const char *check, HealthStatus status,
						  const char *detail, const char *hint);
extern void health_cannot_look(FunctionCallInfo fcinfo, const char *check);
extern char *health_span(int64 us);

#endif							/* TASKQ_HEALTH_REPORT_H */
