/*
 * function_rows.h
 *		Rows of taskq.registered_function: which function an activity type is.
 */
#ifndef TASKQ_FUNCTION_ROWS_H
#define TASKQ_FUNCTION_ROWS_H

#include "storage/itemptr.h"

typedef struct FunctionRow
{
	text	   *task_queue;
	text	   *activity_type;
	text	   *function;		/* its signature, qualified */
	Oid			run_as;
	int32		concurrency;
	ItemPointerData tid;		/* of the version read, if it is valid */
} FunctionRow;

typedef void (*FunctionRowCallback) (const FunctionRow *row, void *arg);

extern void function_rows_lock(void);
extern void function_rows_each(FunctionRowCallback callback, void *arg);
extern void function_row_write(const FunctionRow *row);
extern void function_row_delete(const FunctionRow *row);

#endif							/* TASKQ_FUNCTION_ROWS_H */
