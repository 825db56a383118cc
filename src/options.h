/*
 * options.h
 *		The options of an activity: validation, defaults, normalisation.
 */
#ifndef TASKQ_OPTIONS_H
#define TASKQ_OPTIONS_H

#include "fmgr.h"
#include "utils/timestamp.h"

#include "activity.h"

/*
 * The longest duration, which is what longer ones count as: as a float8 it
 * still fits into an interval.
 */
#define MAX_DURATION	(PG_INT64_MAX - 1023)

extern const char *duration_check(const Interval *interval, int64 *duration);
extern int64 duration_from_interval(const Interval *interval,
									const char *name);
extern int64 duration_from_text(char *string, const char *name);
extern Interval *duration_to_interval(int64 duration);

extern text *check_queue_name(text *name);
extern void check_name_length(const text *name, const char *what);
extern void check_payload_size(Datum payload, const char *what);

extern void retry_policy_defaults(RetryPolicy *policy);
extern int64 retry_policy_default_maximum(int64 initial_interval);
extern void retry_policy_from_datum(Datum composite, RetryPolicy *policy);
extern void retry_policy_from_stored(Datum composite, RetryPolicy *policy);
extern void retry_policy_check(const RetryPolicy *policy);
extern void retry_policy_builtin(RetryPolicy *policy);
extern bool retry_policy_is_builtin(const RetryPolicy *policy);
extern int64 retry_policy_interval(const RetryPolicy *policy, int attempt);

extern double random_fraction(void);

extern int16 options_level(const Options *options);
extern void options_check_priority(const Options *options);
extern void options_normalise(Options *options, const text *activity_id,
							  const text *activity_type);

extern Jsonb *options_to_jsonb(const Options *options);
extern void options_merge(Options *options, Jsonb *changes);
extern void options_restore(Options *options, Jsonb *original);

#endif							/* TASKQ_OPTIONS_H */
