/*
 * store.h
 *		The tables of taskq: the only module that knows them and their columns.
 *
 * Everything reads and writes through the table and index access methods, on
 * the index that is meant: no statistics can change that.  Privileges are not
 * checked here; whoever may call a function of taskq may do what it does.
 */
#ifndef TASKQ_STORE_H
#define TASKQ_STORE_H

#include "utils/snapshot.h"

#include "activity.h"
#include "shmem.h"

/* What became of a write. */
typedef enum StoreResult
{
	STORE_OK,
	STORE_CHANGED,				/* somebody else was faster: read again */
	STORE_BUSY					/* somebody else holds the row, not waited for */
} StoreResult;

/* The little of an open activity that a heartbeat has to know. */
typedef struct OpenGlance
{
	State		state;
	int64		nonce;
	text	   *task_queue;		/* copied */
	bool		locked;			/* somebody else locks, writes, has written it */
} OpenGlance;

/* store_open.c: open activities */
extern int64 store_next_run_id(void);
extern int64 store_last_run_id(void);
extern bool store_insert(Activity *activity);
extern bool store_find(int64 run_id, Activity *activity);
extern bool store_find_by_activity_id(const text *activity_id,
									  Activity *activity);
extern bool store_glance(int64 run_id, OpenGlance *glance);
extern bool store_see(int64 run_id, Activity *activity);
extern bool store_see_by_activity_id(const text *activity_id,
									 Activity *activity);
extern StoreResult store_update(Activity *activity, bool wait);
extern StoreResult store_lock(const Activity *activity, bool wait);
extern StoreResult store_delete(const Activity *activity, bool wait);

/* store_scan.c: scans over open activities */
typedef struct ReadyScan ReadyScan;
typedef struct Lane Lane;

struct Lane
{
	ReadyScan  *ready;
	int16		level;
	text	   *fairness_key;	/* empty, not NULL, when unset */
	TimestampTz dispatch_time;	/* of the candidate */
	int64		run_id;
	double		fairness_weight;	/* of the candidate, 0 = unset */
	double		pass;			/* virtual time, for limits.c */
	bool		fair;			/* it counts */
	struct IndexScanDescData *scan;
	struct TupleTableSlot *slot;
};

extern ReadyScan *ready_begin(const text *task_queue);
extern void ready_end(ReadyScan *ready);
extern Lane *ready_next_lane(ReadyScan *ready, const Lane *previous);
extern bool lane_next(Lane *lane, TimestampTz now);
extern void lane_activity(Lane *lane, Activity *activity);
extern bool lane_is_free(const Lane *lane);
extern void lane_end(Lane *lane);

/* What the views of queues count of an open activity. */
typedef struct OpenCount
{
	const text *task_queue;		/* for an attempt, that it was taken from */
	int			level;
	State		state;
	TimestampTz dispatch_time;	/* DT_NOEND = none */
} OpenCount;

extern void store_scan_open(Snapshot snapshot,
							void (*callback) (const OpenCount *row, void *arg),
							void *arg);
extern int	store_count_due(const text *task_queue, TimestampTz now,
							int limit);
extern TimestampTz store_next_due(const char *queue, int length,
								  TimestampTz after);
extern int	store_alarms(TimestampTz after, int64 after_run_id,
						 TimestampTz until, TimerHint *hints, int limit,
						 TimestampTz *next);
extern void store_scan_attempts(void (*callback) (const text *task_queue,
													  void *arg),
								void *arg);
extern bool store_scan_in_progress(uint32 *block, TimerHint *hints,
								   int *n, int limit);

/* store_closed.c: closed activities */
extern void store_insert_closed(Activity *activity);
extern bool store_find_closed(int64 run_id, Activity *activity);
extern bool store_find_closed_by_activity_id(const text *activity_id,
											 Activity *activity);
extern bool store_delete_closed(int64 run_id);

/* store_heartbeat.c: last heartbeats of open activities; see heartbeat.h */
extern void heartbeat_row_read(int64 run_id, Heartbeat *heartbeat);
extern StoreResult heartbeat_row_write(int64 run_id,
									   const Heartbeat *heartbeat, bool wait);
extern StoreResult heartbeat_row_delete(const Heartbeat *heartbeat);

#endif							/* TASKQ_STORE_H */
