/*
 * waiter_state.h
 *		The shared memory of waiters: places, and chains of them.
 */
#ifndef TASKQ_WAITER_STATE_H
#define TASKQ_WAITER_STATE_H

#include "datatype/timestamp.h"
#include "storage/lwlock.h"
#include "storage/proc.h"

/* things that one backend can wait for at a time */
#define MAX_WAIT_PLACES	64

#define BUCKETS			1024
#define NOBODY			(-1)

/* How long the worker leaves it to a debtor to pay. */
#define PATIENCE_US		(50 * INT64CONST(1000))

/* One thing that a backend waits for. */
typedef struct Place
{
	uint64		key;
	bool		woken;			/* for it, and nobody else was since */
	int			next;			/* numbers of places */
	int			previous;
} Place;

/* One backend; its places are those from MAX_WAIT_PLACES times its number on. */
typedef struct Waiter
{
	bool		waiting;
	bool		woken;
	int			nplaces;
	Oid			database;
	PGPROC	   *proc;
	TimestampTz until;			/* look then, says somebody who has left */
	TimestampTz woken_at;
	TimestampTz owes_since;		/* a poll of the queue ... */
	uint64		owed;			/* ... with that key; DT_NOEND = owes none */
} Waiter;

typedef struct WaitState
{
	int			waiting;		/* read without lock, to return fast */
	int			first[BUCKETS];
	int			last[BUCKETS];
	Waiter	   *waiters;		/* MaxBackends */
	Place		places[FLEXIBLE_ARRAY_MEMBER];
} WaitState;

extern WaitState *wait_state;
extern LWLock *waiter_lock;

extern Size wait_shmem_size(void);
extern void wait_shmem_init(LWLockPadded *locks);

extern Waiter *wait_me(void);
extern Place *wait_my_place(int n);
extern Waiter *wait_waiter_of(int place);

/* caller holds waiter_lock */
extern int	wait_next_asleep(int i, uint64 key);
extern int	wait_first_asleep(uint64 key);
extern void wait_take_place(int n, uint64 key);
extern void wait_free_place(const Place *place);

#endif							/* TASKQ_WAITER_STATE_H */
