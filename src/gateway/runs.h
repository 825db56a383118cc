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

#endif
