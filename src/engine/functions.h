/*
 * functions.h
 *		Functions of this database that are activities.
 */
#ifndef TASKQ_FUNCTIONS_H
#define TASKQ_FUNCTIONS_H

#include "task/queue_keys.h"

/* A function that is registered. */
typedef struct RegisteredFunction
{
	QueueRef	queue;
	bool		first_of_queue; /* the others of the queue come later */
	text	   *activity_type;
	uint64		type;			/* hash of it */
	char	   *signature;
	Oid			run_as;
	int			concurrency;
} RegisteredFunction;

/* What a function takes and returns. */
typedef struct FunctionShape
{
	bool		takes_input;
	bool		returns_result;
} FunctionShape;

extern int	functions_registered(RegisteredFunction **functions);
extern int	functions_cached(RegisteredFunction **functions);
extern const RegisteredFunction *function_of(const text *task_queue,
											 const text *activity_type);

extern char *function_signature(Oid function);
extern Oid	function_resolve(const char *signature);
extern FunctionShape function_shape(Oid function);
extern bool function_may_log_in(Oid role);
extern const char *function_problem(Oid function, Oid run_as);

#endif							/* TASKQ_FUNCTIONS_H */
