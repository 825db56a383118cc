/*
 * operation.c
 *		A call that is one statement of its own.
 */
#include "gateway/operation.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/memory.h"

typedef struct Operation
{
	Call	   *call;
	ErrorContext context;
	OperationHandler handler;
	const Statement *statement;
	bool		is_repeated;
	char	   *values[];		/* kept for that */
} Operation;

static void
on_result(void *arg, DatabaseOutcome outcome, const PGresult *result)
{
	Operation  *operation = arg;
	const char *state = outcome == DATABASE_ERROR ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;
	bool		is_aborted = state != NULL && (strcmp(state, "40001") == 0 || strcmp(state, "40P01") == 0);

	if (!operation->is_repeated && (is_aborted || outcome == DATABASE_BROKEN))
	{
		operation->is_repeated = true;
		database_run(operation->call->role, operation->statement,
					 (const char *const *) operation->values, operation->call->deadline,
					 on_result, operation);
		return;
	}
	if (outcome == DATABASE_OK)
		operation->handler(operation->call, result);
	else
		answer_sql_error(operation->call, outcome, result, &operation->context);
	for (int i = 0; i < operation->statement->parameters; i++)
		free(operation->values[i]);
	free(operation);
}

/*
 * Run a statement of the call's own, and answer the call: with an error, or as the
 * handler does. What was aborted for the sake of others or by an internal error is repeated once. The
 * context's texts are part of the request, the values are copied.
 */
void
operation_run(Call *call, const Statement *statement, const char *const *values,
			  const ErrorContext *context, OperationHandler handler)
{
	Operation  *operation = memory_new(sizeof(Operation) +
									   (size_t) statement->parameters * sizeof(char *));

	operation->call = call;
	if (context != NULL)
		operation->context = *context;
	operation->handler = handler;
	operation->statement = statement;
	for (int i = 0; i < statement->parameters; i++)
		operation->values[i] = values[i] != NULL ? memory_text(values[i]) : NULL;
	database_run(call->role, statement, values, call->deadline, on_result, operation);
}
