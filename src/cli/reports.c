/*
 * reports.c
 *		What the database is to be told of attempts that have ended.
 *
 * Completions go in batches, all else one by one.  What was on its way when the
 * connection was lost is told again; if its attempt is over then, the run shows
 * whether that was our own word.
 */
#include "cli/reports.h"

#include <stdlib.h>
#include <string.h>

#include "cli/worker_log.h"
#include "client/array_text.h"
#include "client/plain_memory.h"
#include "common/sqlstates.h"

#define LARGEST_BATCH 1000
#define LARGEST_BATCH_BYTES (16 * 1024 * 1024)
#define TRY_AGAIN INT64_C(1000000)

/*
 * reports_init: an empty list.
 */
void
reports_init(ReportList *list)
{
	list->first = NULL;
	list->last = &list->first;
}

static void
append(ReportList *list, Report *report)
{
	report->next = NULL;
	*list->last = report;
	list->last = &report->next;
}

static Report *
take_first(ReportList *list)
{
	Report	   *report = list->first;

	list->first = report->next;
	if (list->first == NULL)
		list->last = &list->first;
	return report;
}

/*
 * reports_add: one more, which the worker takes over.
 */
void
reports_add(Worker *worker, Report *report)
{
	if (report->kind != REPORT_COMPLETE)
		worker->not_done = true;
	if (report->kind == REPORT_NOTHING)
		report_free(report);
	else
		append(&worker->reports, report);
}

/*
 * reports_take_completions: the completions at the head of what is to be told;
 * how many.
 */
int
reports_take_completions(Worker *worker, ReportList *taken, int most)
{
	size_t		bytes = 0;
	int			count = 0;

	reports_init(taken);
	while (count < most && worker->reports.first != NULL && worker->reports.first->kind == REPORT_COMPLETE &&
		   !worker->reports.first->is_single && !worker->reports.first->may_be_done && bytes < LARGEST_BATCH_BYTES)
	{
		Report	   *report = take_first(&worker->reports);

		bytes += report->result != NULL ? strlen(report->result) : 0;
		append(taken, report);
		count++;
	}
	return count;
}

/*
 * reports_give_back: tell them again, before all others.
 */
void
reports_give_back(Worker *worker, ReportList *list, bool may_be_done, bool single)
{
	for (Report *report = list->first; report != NULL; report = report->next)
	{
		report->may_be_done |= may_be_done;
		report->is_single |= single;
	}
	if (list->first == NULL)
		return;
	*list->last = worker->reports.first;
	if (worker->reports.first == NULL)
		worker->reports.last = list->last;
	worker->reports.first = list->first;
	reports_init(list);
}

/*
 * reports_done: they are told.
 */
void
reports_done(Worker *worker, ReportList *list)
{
	(void) worker;
	while (list->first != NULL)
		report_free(take_first(list));
}

/*
 * reports_texts: their tokens and results, as arrays.
 */
void
reports_texts(const ReportList *list, TextBuffer *tokens, TextBuffer *results)
{
	text_buffer_init(tokens, &plain_memory);
	text_buffer_init(results, &plain_memory);
	for (const Report *report = list->first; report != NULL; report = report->next)
	{
		array_text_add(tokens, report->token);
		array_text_add(results, report->result);
	}
	array_text_end(tokens);
	array_text_end(results);
}

/*
 * reports_is_refusal: does an error mean that a value is not taken, whenever it
 * is given?
 */
bool
reports_is_refusal(const char *sqlstate)
{
	return strncmp(sqlstate, "22", 2) == 0 || strcmp(sqlstate, "54001") == 0;
}

/* Its attempt is over for the server. */
static void
stale(Worker *worker, Report *report)
{
	if (report->may_be_done)
	{
		report->kind = REPORT_LOOK;
		append(&worker->reports, report);
		return;
	}
	worker_log("run %s: its attempt is over, what came of it is not needed", report->run_id);
	worker->not_done = true;
	report_free(report);
}

static void
batch_told(void *context, PGresult *result)
{
	Worker	   *worker = context;
	const char *sqlstate;
	int			row = 0;

	if (result == NULL)
	{
		reports_give_back(worker, &worker->told, true, false);
		return;
	}
	if (PQresultStatus(result) != PGRES_TUPLES_OK)
	{
		sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE) ?: "";
		if (!reports_is_refusal(sqlstate))
		{
			worker_log("could not report: %s", PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY) ?: "");
			worker->call_at = worker->now + TRY_AGAIN;
		}
		reports_give_back(worker, &worker->told, false, reports_is_refusal(sqlstate));
		return;
	}
	while (worker->told.first != NULL)
	{
		Report	   *report = take_first(&worker->told);

		if (PQgetvalue(result, row++, 0)[0] == 't')
			report_free(report);
		else
			stale(worker, report);
	}
}

/* What the database says to a single one that it does not take. */
static void
refused(Worker *worker, Report *report, const PGresult *result)
{
	const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE) ?: "";
	const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY) ?: "";

	if (strcmp(sqlstate, SQLSTATE_NOT_FOUND) == 0)
	{
		stale(worker, report);
		return;
	}
	if (reports_is_refusal(sqlstate))
	{
		report_refuse(report, sqlstate, message);
		reports_add(worker, report);
		return;
	}
	worker_log("run %s: could not report: %s", report->run_id, message);
	worker->call_at = worker->now + TRY_AGAIN;
	append(&worker->reports, report);
}

static void
one_told(void *context, PGresult *result)
{
	Worker	   *worker = context;
	Report	   *report;

	if (result == NULL)
	{
		reports_give_back(worker, &worker->told, true, false);
		return;
	}
	report = take_first(&worker->told);
	if (PQresultStatus(result) != PGRES_TUPLES_OK)
	{
		refused(worker, report, result);
		return;
	}
	if (report->kind == REPORT_LOOK &&
		(PQntuples(result) == 0 || strcmp(PQgetvalue(result, 0, 0), "completed") != 0))
		worker->not_done = true;
	report_free(report);
}

static void
tell_one(Worker *worker, const Report *report)
{
	Session    *session = &worker->calls;
	const char *identity = worker->options->identity;
	ClientFailure failure = {
		.message = report->message,
		.type = report->type,
		.details = report->details,
		.non_retryable = report->non_retryable,
		.next_retry_delay = report->delay,
		.stack_trace = report->stack_trace,
	};

	if (report->kind == REPORT_COMPLETE)
		client_complete(session, report->token, report->result, identity, one_told, worker);
	else if (report->kind == REPORT_FAIL)
		client_fail(session, report->token, &failure, report->heartbeat_details, identity, one_told, worker);
	else if (report->kind == REPORT_RELEASE)
		client_release(session, report->token, report->delay, report->heartbeat_details, identity, one_told, worker);
	else if (report->kind == REPORT_CANCELED)
		client_report_canceled(session, report->token, report->result, identity, one_told, worker);
	else
		client_outcome(session, report->run_id, one_told, worker);
}

/*
 * reports_work: tell what is to be told, if the session is free.
 */
void
reports_work(Worker *worker)
{
	TextBuffer	tokens;
	TextBuffer	results;

	if (worker->calls.state != SESSION_READY || !worker->is_set_up || worker->reports.first == NULL ||
		worker->now < worker->call_at)
		return;
	if (reports_take_completions(worker, &worker->told, LARGEST_BATCH) > 0)
	{
		reports_texts(&worker->told, &tokens, &results);
		client_complete_many(&worker->calls, &(ClientResults) {tokens.data, results.data},
							 worker->options->identity, batch_told, worker);
		text_buffer_free(&tokens);
		text_buffer_free(&results);
		return;
	}
	append(&worker->told, take_first(&worker->reports));
	tell_one(worker, worker->told.first);
}
