/*
 * retry_policy_json.h
 *		Retry policies as jsonb.
 */
#ifndef TASKQ_RETRY_POLICY_JSON_H
#define TASKQ_RETRY_POLICY_JSON_H

#include "access/tupdesc.h"
#include "utils/jsonb.h"

#include "model/retry_policy.h"

extern Jsonb *retry_policy_to_jsonb(const RetryPolicy *policy);
extern void retry_policy_merge(RetryPolicy *policy, const JsonbValue *value);
extern void retry_policy_read(Jsonb *policy, TupleDesc fields, Datum *values,
							  bool *nulls);

#endif							/* TASKQ_RETRY_POLICY_JSON_H */
