/*
 * scan.h
 *		Scans over taskq.open: due alarms, attempts in progress, counts.
 */
#ifndef TASKQ_SCAN_H
#define TASKQ_SCAN_H

#include "utils/snapshot.h"

#include "shared/timer_ring.h"
#include "store/open_row.h"

extern bool store_scan_unsettled(void);
extern void store_scan_lock(void);

typedef void (*CountCallback) (const OpenCount *row, void *arg);

extern void store_scan_open(Snapshot snapshot, CountCallback callback,
							void *arg);
extern void store_scan_queue(const text *task_queue, Snapshot snapshot,
							 CountCallback callback, void *arg);
extern int	store_alarms(TimestampTz after, int64 after_run_id,
						 TimestampTz until, TimerHint *hints, int limit,
						 TimestampTz *next);
extern void store_scan_held(const char *prefix,
							void (*callback) (int64 run_id, int64 nonce));
extern void store_scan_in_progress(void (*callback) (const TimerHint *hint));

#endif							/* TASKQ_SCAN_H */
