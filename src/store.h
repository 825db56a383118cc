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
#include "cursors.h"
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

typedef struct StoreBatch StoreBatch;

extern StoreBatch *store_begin_many(Activity *model);
extern void store_put(StoreBatch *batch, int64 run_id, struct varlena *input);
extern void store_end_many(StoreBatch *batch);

extern StoreResult store_update(Activity *activity, bool wait);
extern StoreResult store_lock(const Activity *activity, bool wait);
extern StoreResult store_delete(const Activity *activity, bool wait);

/* store_find.c: one open activity */
extern bool store_find(int64 run_id, Activity *activity);
extern bool store_find_by_activity_id(const text *activity_id,
									  Activity *activity);
extern bool store_glance(int64 run_id, OpenGlance *glance);
extern bool store_see(int64 run_id, Activity *activity);
extern bool store_see_by_activity_id(const text *activity_id,
									 Activity *activity);

/* store_ready.c: the next tasks of a queue */
typedef struct ReadyScan ReadyScan;

typedef struct Lane
{
	ReadyScan  *ready;
	int16		level;
	text	   *fairness_key;	/* empty, not NULL, when unset */
	struct KnownLane *known;
	bool		opened;			/* for poll.c: it was looked at */
	bool		has_candidate;
	TimestampTz dispatch_time;	/* of the candidate; before, not after it */
	int64		run_id;
	double		fairness_weight;	/* of the candidate, 0 = unset; before, that
									 * of the task seen last if it is known */
	bool		weight_known;
	double		pass;			/* virtual time, for fairness.c */
	bool		fair;			/* it counts */
	bool		exhausted;		/* the walk has seen all that is due */
	ReadyKey	end;			/* nothing can be started before, but what was
								 * passed */
	struct Offers *offers;		/* to be looked at first, or NULL */
	struct LaneKeys *keys;
	struct IndexScanDescData *scan;
	struct TupleTableSlot *slot;
} Lane;

/* How far a check of a queue's cursors has come; zero = at the beginning. */
typedef struct CheckPlace
{
	int			lane;
	ReadyKey	from;
} CheckPlace;

extern ReadyScan *ready_look(const text *task_queue, TimestampTz now);
extern bool ready_is_empty(const ReadyScan *ready);
extern void ready_open(ReadyScan *ready, int wanted, bool start_all);
extern TimestampTz ready_now(const ReadyScan *ready);
extern void ready_end(ReadyScan *ready);
extern TimestampTz ready_next_due(const ReadyScan *ready);
extern Lane *ready_next_lane(ReadyScan *ready, const Lane *previous);
extern bool lane_next(Lane *lane);
extern void lane_activity(Lane *lane, Activity *activity);
extern void lane_passed(Lane *lane);
extern bool lane_is_free(const Lane *lane);
extern void lane_end(Lane *lane);
extern int	store_count_due(const text *task_queue, TimestampTz now,
							int limit);
extern TimestampTz store_next_due(const text *task_queue, TimestampTz now);
extern bool ready_check(const text *task_queue, CheckPlace *at, int *budget);

/* store_scan.c: scans over open activities */
/* What the views of queues count of an open activity. */
typedef struct OpenCount
{
	const text *task_queue;		/* for an attempt, that it was taken from */
	int			level;
	State		state;
	TimestampTz dispatch_time;	/* DT_NOEND = none */
	TimestampTz since;			/* activity_waits_since() */
} OpenCount;

extern void store_scan_open(Snapshot snapshot,
							void (*callback) (const OpenCount *row, void *arg),
							void *arg);
extern int64 store_count_between(const text *task_queue, int level,
								 TimestampTz after, TimestampTz before,
								 bool committed);
extern void store_oldest_due(const text *task_queue, TimestampTz now,
							 TimestampTz *oldest);
extern int	store_alarms(TimestampTz after, int64 after_run_id,
						 TimestampTz until, TimerHint *hints, int limit,
						 TimestampTz *next);
extern bool store_scan_in_progress(uint32 *block, TimerHint *hints,
								   int *n, int limit);

/* store_closed.c: closed activities */
typedef struct ClosedRows ClosedRows;

extern void store_insert_closed(Activity *activity);
extern ClosedRows *store_collect_closed(void);
extern void store_insert_collected(ClosedRows *rows);
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
