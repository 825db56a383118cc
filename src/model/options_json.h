/*
 * options_json.h
 *		The options of an activity as jsonb.
 */
#ifndef TASKQ_OPTIONS_JSON_H
#define TASKQ_OPTIONS_JSON_H

#include "utils/jsonb.h"

#include "model/options.h"

extern Jsonb *options_to_jsonb(const Options *options, const Task *task);
extern void options_merge(Options *options, Task *task, Jsonb *changes,
						  TimestampTz schedule_time);
extern void options_restore(Options *options, Task *task, Jsonb *original);

#endif							/* TASKQ_OPTIONS_JSON_H */
