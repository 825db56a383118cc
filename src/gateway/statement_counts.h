/*
 * statement_counts.h
 *		How often each statement ran, how it ended, and how long that took.
 */
#ifndef TASKQ_GATEWAY_STATEMENT_COUNTS_H
#define TASKQ_GATEWAY_STATEMENT_COUNTS_H

#include <stdint.h>

#include "gateway/statement.h"

extern void statement_count(const Statement *statement, DatabaseOutcome outcome, int64_t microseconds);
extern void statement_count_calls(const Statement *statement, int calls);

#endif
