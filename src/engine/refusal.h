/*
 * refusal.h
 *		Errors of class TQ: a stable word and facts for programs.
 */
#ifndef TASKQ_REFUSAL_H
#define TASKQ_REFUSAL_H

#include "base/errword.h"
#include "common/error_words.h"
#include "model/event.h"

extern char *facts_of_run(const Activity *activity);
extern char *facts_of_queue(const text *task_queue, const char *limit,
							int64 value);

extern void raise_not_found(const text *activity_id, const int64 *run_id);
extern void raise_no_attempt(int64 run_id);
extern void raise_unknown_uuid(Datum uuid);
extern int	refusal_sqlstate(const Verdict *verdict);
extern void raise_refusal(const Verdict *verdict, const Activity *activity,
						  int64 run_id);
extern void report_stale_token(int elevel, Datum token);

#endif							/* TASKQ_REFUSAL_H */
