/*
 * operation.h
 *		A call that is one statement of its own.
 */
#ifndef TASKQ_GATEWAY_OPERATION_H
#define TASKQ_GATEWAY_OPERATION_H

#include "gateway/answers.h"

/* Answer the call with the result. */
typedef void (*OperationHandler) (Call *call, const PGresult *result);

extern void operation_run(Call *call, const Statement *statement, const char *const *values,
						  const ErrorContext *context, OperationHandler handler);

#endif
