/*
 * reports.h
 *		What the database is to be told of attempts that have ended.
 */
#ifndef TASKQ_REPORTS_H
#define TASKQ_REPORTS_H

#include "cli/worker_state.h"

extern void reports_init(ReportList *list);
extern void reports_add(Worker *worker, Report *report);
extern int	reports_take_completions(Worker *worker, ReportList *taken, int most);
extern void reports_give_back(Worker *worker, ReportList *list, bool may_be_done, bool single);
extern void reports_done(Worker *worker, ReportList *list);
extern void reports_texts(const ReportList *list, TextBuffer *tokens, TextBuffer *results);
extern bool reports_is_refusal(const char *sqlstate);
extern void reports_work(Worker *worker);

#endif							/* TASKQ_REPORTS_H */
