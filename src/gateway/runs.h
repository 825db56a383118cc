/*
 * runs.h
 *		The run that a request is about.
 */
#ifndef TASKQ_GATEWAY_RUNS_H
#define TASKQ_GATEWAY_RUNS_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/call.h"

extern bool run_is_named(Call *call, const char *activity_id, const char *run_id);
extern bool run_is_standalone(Call *call, const char *workflow_id, const char *activity_id,
							  const char *run_id);
extern void run_id_touched(const char *run_id);

/*
 * What most operations do at their end, as an OperationHandler: the answer is an empty
 * message, and who waits for the run is woken.
 */
#define DEFINE_DONE(function, Request, response) \
	static void \
	function(Call *call, const PGresult *result) \
	{ \
		(void) result; \
		run_id_touched(((Temporal__##Request *) call->request)->run_id); \
		answer_empty(call, &temporal__##response##__descriptor); \
	}

#endif
