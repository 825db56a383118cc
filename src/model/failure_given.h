/*
 * failure_given.h
 *		Failures as workers give them.
 */
#ifndef TASKQ_FAILURE_GIVEN_H
#define TASKQ_FAILURE_GIVEN_H

#include "utils/jsonb.h"

extern bool failure_is_chain(JsonbContainer *failure);
extern Jsonb *failure_given(Jsonb *failure, const char **fault);

#endif							/* TASKQ_FAILURE_GIVEN_H */
