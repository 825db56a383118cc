/*
 * poll.h
 *		Arguments and results of calls that poll.
 */
#ifndef TASKQ_POLL_H
#define TASKQ_POLL_H

#include "fmgr.h"

#include "engine/claim.h"

extern void poll_arguments(FunctionCallInfo fcinfo, int first,
						   ClaimRequest *request);
extern void poll_result(FunctionCallInfo fcinfo, const ClaimRequest *request);
extern const char *poll_last_identity(void);

#endif							/* TASKQ_POLL_H */
