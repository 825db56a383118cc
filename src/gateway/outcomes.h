/*
 * outcomes.h
 *		How activities ended.
 */
#ifndef TASKQ_GATEWAY_OUTCOMES_H
#define TASKQ_GATEWAY_OUTCOMES_H

#include <stdbool.h>

#include <libpq-fe.h>

typedef struct Temporal__ActivityExecutionOutcome Temporal__ActivityExecutionOutcome;

extern Temporal__ActivityExecutionOutcome *outcome_from_row(const PGresult *result, int row, int column);

#endif
