/*
 * args.h
 *		Arguments and results of the SQL functions.
 */
#ifndef TASKQ_ARGS_H
#define TASKQ_ARGS_H

#include "fmgr.h"
#include "utils/jsonb.h"

extern void begin_writing(const char *call);
extern void begin_reading(void);

/* a function may be called with fewer arguments than it was declared with */
static inline bool
arg_is_null(FunctionCallInfo fcinfo, int n)
{
	return n >= PG_NARGS() || PG_ARGISNULL(n);
}

extern void require_arg(FunctionCallInfo fcinfo, int n, const char *name);
extern void require_run(FunctionCallInfo fcinfo, int activity_id, int run_id);
extern text *arg_text(FunctionCallInfo fcinfo, int n);
extern struct varlena *arg_varlena(FunctionCallInfo fcinfo, int n);
extern Jsonb *arg_jsonb(FunctionCallInfo fcinfo, int n);
extern bool arg_bool(FunctionCallInfo fcinfo, int n);
extern int64 arg_duration(FunctionCallInfo fcinfo, int n, const char *name);
extern int64 check_delay(int64 delay, const char *name);
extern int64 arg_delay(FunctionCallInfo fcinfo, int n, const char *name);
extern void check_identity(const text *identity, bool has_default);
extern char *arg_identity(FunctionCallInfo fcinfo, int n);
extern char *arg_reason(FunctionCallInfo fcinfo, int n);
extern char *default_identity(void);
extern Datum *arg_array(FunctionCallInfo fcinfo, int n, Oid element_type,
						const char *name, bool **nulls, int *count);
extern Datum *arg_beside(FunctionCallInfo fcinfo, int n, Oid element_type,
						 const char *name, const char *beside, int count,
						 bool **nulls);
extern Datum *arg_elements(FunctionCallInfo fcinfo, int n, Oid element_type,
						   const char *name, int *count);

extern int64 resolve_open_run(text *activity_id, bool has_run_id,
							  int64 run_id);

extern void begin_result(FunctionCallInfo fcinfo);
extern void put_row(FunctionCallInfo fcinfo, Datum *values, bool *nulls,
					int n);

#endif							/* TASKQ_ARGS_H */
