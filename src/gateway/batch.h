/*
 * batch.h
 *		Calls that wait at the same moment become one statement.
 */
#ifndef TASKQ_GATEWAY_BATCH_H
#define TASKQ_GATEWAY_BATCH_H

#include "gateway/database.h"
#include "gateway/sql_array.h"

/* What may become one statement.  Static: its address tells it from others. */
typedef struct BatchKind
{
	/* its parameters are arrays, its first column which element a row is for, from 1, as int4 */
	const Statement *statement;

	/* Add an item's element to each of them. */
	void		(*bind) (const void *item, SqlArray *arrays);

	/*
	 * What became of one item, exactly once. row: -1 when there is none for
	 * it, or no result.
	 */
	void		(*answer) (void *item, DatabaseOutcome outcome, const PGresult *result, int row);

	/*
	 * One caller has few of them under way, and asks for the next one after the
	 * answer: what one of them waits for others counts in what a worker gets done.
	 */
	bool		is_paced;
} BatchKind;

extern bool batch_is_proven(const BatchKind *kind, const char *role);
extern void batch_add(const BatchKind *kind, const char *role, void *item);

#endif
