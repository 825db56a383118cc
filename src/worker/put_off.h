/*
 * put_off.h
 *		Runs for which the worker could not do something.
 */
#ifndef TASKQ_PUT_OFF_H
#define TASKQ_PUT_OFF_H

#include "datatype/timestamp.h"
#include "shared/directory.h"

extern void put_off_start(void);
extern bool put_off_find(PutOffKind kind, int64 run_id, TimestampTz *until);
extern TimestampTz put_off_add(PutOffKind kind, int64 run_id,
							   const ErrorData *error);
extern void put_off_done(PutOffKind kind, int64 run_id);
extern void put_off_forget_unasked(PutOffKind kind);
extern void put_off_try_again(void);
extern void put_off_each(PutOffKind kind, void (*callback) (int64 run_id));
extern void put_off_one_by_one(int first, int end,
							   ErrorData *(*try_one) (int i),
							   void (*put_off) (int i, const ErrorData *error));

#endif							/* TASKQ_PUT_OFF_H */
