/*
 * visibility.h
 *		Queries of lists and counts, as SQL conditions on taskq.activities.
 */
#ifndef TASKQ_GATEWAY_VISIBILITY_H
#define TASKQ_GATEWAY_VISIBILITY_H

#include <stdbool.h>
#include <stdint.h>

#include "common/text_buffer.h"

#define VISIBILITY_PARAMETERS 64	/* at most */
#define VISIBILITY_LENGTH 8192		/* bytes of a query, at most */
#define VISIBILITY_DEPTH 50			/* parentheses within each other */

typedef struct VisibilityQuery
{
	const char *condition;		/* SQL, with $first and so on; "true" if all are meant */
	int			parameters;
	const char *values[VISIBILITY_PARAMETERS];	/* texts, which the condition casts */
	bool		by_status;		/* GROUP BY ExecutionStatus */
	uint64_t	hash;			/* of the query, for tokens of pages */

	/* where all that is */
	TextBuffer	sql;
	TextBuffer	texts;
	char		problem[256];
} VisibilityQuery;

extern bool visibility_parse(VisibilityQuery *query, const char *text, int first, const char **problem);
extern void visibility_free(VisibilityQuery *query);

#endif
