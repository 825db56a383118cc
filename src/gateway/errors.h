/*
 * errors.h
 *		What an error of PostgreSQL is for a client of the gateway.
 */
#ifndef TASKQ_GATEWAY_ERRORS_H
#define TASKQ_GATEWAY_ERRORS_H

#include <stdbool.h>

#include <protobuf-c/protobuf-c.h>

#include "gateway/status.h"

/* What is known of an error; any of it may be NULL. */
typedef struct SqlError
{
	const char *sqlstate;		/* NULL: the connection was lost, or there was none */
	const char *word;			/* the constraint's name */
	const char *facts;			/* DETAIL: a JSON object, if there is a word */
	const char *message;
	const char *detail_text;	/* DETAIL of errors without a word */
} SqlError;

/* What was tried, where the sentence depends on it. */
typedef enum ErrorOperation
{
	OPERATION_OTHER,
	OPERATION_TERMINATE,
	OPERATION_RESET
} ErrorOperation;

/* What the call was about, for sentences that name it. */
typedef struct ErrorContext
{
	const char *activity_id;	/* NULL or "": not known */
	const char *run_id;			/* as the client gave it */
	bool		by_token;		/* a task token was given */
	bool		by_task_id;		/* ...ById: reports of workers by activity id */
	bool		is_poll;		/* of a queue, by a worker */
	ErrorOperation operation;
} ErrorContext;

typedef struct GatewayError
{
	StatusCode	code;
	char	   *message;		/* malloc()ed */
	ProtobufCMessage *detail;	/* or NULL; malloc()ed */
	bool		is_transient;	/* worth one more try by the gateway: serialization, deadlock */
} GatewayError;

extern void error_from_sql(GatewayError *result, const SqlError *error, const ErrorContext *context);
extern void error_free(GatewayError *error);

#endif
