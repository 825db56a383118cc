/*
 * workflow_report.h
 *		Completions of workflow tasks: arguments, and what becomes of them.
 */
#ifndef TASKQ_WORKFLOW_REPORT_H
#define TASKQ_WORKFLOW_REPORT_H

#include "engine/run_complete.h"

/* columns: failed_cause, failed_message, closed, new_task, eager_activities */
#define COMPLETION_FIELDS	5
#define COMPLETION_MESSAGE	1

extern void completion_refuse_later(Jsonb *given, const char *name);
extern void completion_commands(Jsonb *list, RunCommands *commands);
extern void completion_metadata(TaskCompletion *completion, Jsonb *sdk_metadata, Jsonb *extra);
extern void completion_values(const CompletionAnswer *answer, bool sticky, Datum *values, bool *nulls);

#endif							/* TASKQ_WORKFLOW_REPORT_H */
