/*
 * fresh_runs.h
 *		Runs that this gateway has started a moment ago, and nothing else has it done
 *		to them since.
 */
#ifndef TASKQ_GATEWAY_FRESH_RUNS_H
#define TASKQ_GATEWAY_FRESH_RUNS_H

#include <stdint.h>

extern void fresh_run_note(const uint8_t *run, int64_t run_id);
extern int64_t fresh_run_id(const uint8_t *run);
extern void fresh_run_forget(const uint8_t *run);

#endif
