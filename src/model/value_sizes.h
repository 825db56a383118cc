/*
 * value_sizes.h
 *		How large the values of a map are that commands change.
 */
#ifndef TASKQ_VALUE_SIZES_H
#define TASKQ_VALUE_SIZES_H

#include "utils/jsonb.h"

typedef struct ValueSizes ValueSizes;

extern ValueSizes *value_sizes_of(Jsonb *values);
extern Size value_sizes_change(ValueSizes *sizes, Jsonb *fields);

#endif							/* TASKQ_VALUE_SIZES_H */
