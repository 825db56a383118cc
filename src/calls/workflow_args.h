/*
 * workflow_args.h
 *		Arguments that calls about workflows share.
 */
#ifndef TASKQ_WORKFLOW_ARGS_H
#define TASKQ_WORKFLOW_ARGS_H

#include "fmgr.h"

#include "base/json.h"
#include "common/proto_shape.h"
#include "store/closed_runs.h"

/* The run that a call names, open or closed. */
typedef struct NamedRun
{
	bool		is_open;
	int64		run_id;
	Run			run;			/* if it is open, as it was found */
	ClosedRun	closed;			/* if it is not */
} NamedRun;

extern bool named_run_look(const text *workflow_id, int64 run_id, NamedRun *named);
extern void named_run_find(const text *workflow_id, int64 run_id, NamedRun *named);
extern void outcome_values(const NamedRun *named, Datum *values, bool *nulls);
extern int64 arg_run_id(FunctionCallInfo fcinfo, int n);
extern bool open_run_look(const text *workflow_id, int64 run_id, Run *run);
extern int64 open_run_named(const text *workflow_id, int64 run_id, Run *run);
extern void execution_of_request(Jsonb *request, text **workflow_id, int64 *run_id);
extern int64 run_of_uuid_text(const char *uuid, const char *name, const char *path);
extern Jsonb *arg_request(FunctionCallInfo fcinfo, const ProtoMessage *message);
extern void add_payloads_arg(JsonBuilder *builder, const char *key, FunctionCallInfo fcinfo, int n);
extern void add_map_arg(JsonBuilder *builder, const char *key, FunctionCallInfo fcinfo, int n);
extern void add_duration_arg(JsonBuilder *builder, const char *key, FunctionCallInfo fcinfo, int n,
							 const char *name);
extern void add_text_arg(JsonBuilder *builder, const char *key, FunctionCallInfo fcinfo, int n);
extern void add_named(JsonBuilder *builder, const char *key, const char *member, const char *name);

#endif							/* TASKQ_WORKFLOW_ARGS_H */
