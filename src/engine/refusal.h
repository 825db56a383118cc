/*
 * refusal.h
 *		Errors of class TQ: a stable word and facts for programs.
 */
#ifndef TASKQ_REFUSAL_H
#define TASKQ_REFUSAL_H

#include "model/event.h"

/* Where the other words come from: the state machine (Verdict.word). */
#define WORD_UNKNOWN			"activity_not_found"
#define WORD_RUNNING			"activity_running"
#define WORD_CLOSED				"activity_closed"
#define WORD_COMPLETED			"activity_completed"
#define WORD_ATTEMPT_OVER		"attempt_over"
#define WORD_NO_ATTEMPT			"no_attempt"
#define WORD_MAX_BACKLOG		"max_backlog"

extern int	errword(const char *word);
extern char *facts_of_run(const Activity *activity);
extern char *facts_of_queue(const text *task_queue, const char *limit,
							int64 value);

extern void raise_not_found(const text *activity_id, const int64 *run_id);
extern void raise_no_attempt(int64 run_id);
extern void raise_refusal(const Verdict *verdict, const Activity *activity,
						  int64 run_id);
extern void report_stale_token(int elevel, Datum token);

#endif							/* TASKQ_REFUSAL_H */
