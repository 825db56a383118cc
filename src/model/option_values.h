/*
 * option_values.h
 *		The value of one option, or of one field of a retry policy, out of
 *		jsonb.
 */
#ifndef TASKQ_OPTION_VALUES_H
#define TASKQ_OPTION_VALUES_H

#include "datatype/timestamp.h"
#include "utils/array.h"
#include "utils/jsonb.h"

extern char *option_text(const char *key, const JsonbValue *value);
extern Interval *option_interval(const char *key, const char *name,
								 const JsonbValue *value);
extern int64 option_duration(const char *key, const JsonbValue *value);
extern double option_float8(const char *key, const JsonbValue *value);
extern int32 option_int32(const char *key, const JsonbValue *value);
extern ArrayType *option_text_array(const char *key, const JsonbValue *value);

extern void option_wrong_type(const char *key, const char *wanted);
extern void option_unsupported(const char *prefix, const char *key,
							   const char *supported);

#endif							/* TASKQ_OPTION_VALUES_H */
