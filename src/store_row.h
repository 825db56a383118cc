/*
 * store_row.h
 *		Between Datums and C values; for the files of the store only.
 */
#ifndef TASKQ_STORE_ROW_H
#define TASKQ_STORE_ROW_H

#include "access/skey.h"
#include "utils/builtins.h"

#include "store.h"

/* columns of open_ready */
#define READY_TASK_QUEUE		1
#define READY_LEVEL				2
#define READY_FAIRNESS_KEY		3
#define READY_DISPATCH_TIME		4
#define READY_RUN_ID			5
#define READY_COLUMNS			5

/* 0 = NULL */
static inline void
row_set_duration(Datum *value, bool *null, int64 duration)
{
	*null = duration == 0;
	*value = Int64GetDatum(duration);
}

/* not finite = NULL */
static inline void
row_set_instant(Datum *value, bool *null, TimestampTz when)
{
	*null = TIMESTAMP_NOT_FINITE(when);
	*value = TimestampTzGetDatum(when);
}

static inline void
row_set_varlena(Datum *value, bool *null, const void *varlena)
{
	*null = varlena == NULL;
	*value = PointerGetDatum(varlena);
}

static inline int64
row_get_int64(Datum value, bool null, int64 missing)
{
	return null ? missing : DatumGetInt64(value);
}

static inline struct varlena *
row_get_varlena(Datum value, bool null)
{
	return null ? NULL : (struct varlena *) DatumGetPointer(value);
}

static inline text *
row_get_nonempty(Datum value)
{
	text	   *string = DatumGetTextPP(value);

	return VARSIZE_ANY_EXHDR(string) == 0 ? NULL : string;
}

static inline bool
row_same_text(Datum value, const text *wanted)
{
	const text *string = DatumGetTextPP(value);
	Size		length = VARSIZE_ANY_EXHDR(string);

	return length == VARSIZE_ANY_EXHDR(wanted) &&
		memcmp(VARDATA_ANY(string), VARDATA_ANY(wanted), length) == 0;
}

extern text *row_empty_text(void);
extern void row_text_key(ScanKey key, AttrNumber attribute,
						 StrategyNumber strategy, RegProcedure procedure,
						 const text *value);
extern struct varlena *row_control(Activity *activity);
extern void row_set_retry_policy(Datum *value, bool *null,
								 const RetryPolicy *policy);
extern void row_get_retry_policy(Datum value, bool null, RetryPolicy *policy);

extern void store_remember_place(int64 run_id, ItemPointer tid);

extern void row_open_activity(HeapTuple tuple, TupleDesc desc,
							  Activity *activity);
extern bool row_open_is_scheduled(TupleTableSlot *slot);
extern bool row_open_is_ready(TupleTableSlot *slot, TimestampTz now);
extern void row_open_glance(TupleTableSlot *slot, OpenGlance *glance);
extern void row_open_lane(TupleTableSlot *slot, Lane *lane);
extern bool row_open_in_lane(TupleTableSlot *slot, const text *task_queue,
							 int16 level, const text *fairness_key);
extern void row_open_lane_key(TupleTableSlot *slot, int16 *level,
							  text **fairness_key);
extern bool row_open_waits(TupleTableSlot *slot);
extern bool row_open_in_progress(TupleTableSlot *slot);
extern void row_open_count(TupleTableSlot *slot, OpenCount *row);
extern bool row_open_timer(TupleTableSlot *slot, TimerHint *hint);
extern void row_open_alarm(TupleTableSlot *slot, TimerHint *hint);

#endif							/* TASKQ_STORE_ROW_H */
