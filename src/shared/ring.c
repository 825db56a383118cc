/*
 * ring.c
 *		Whose turn it is where a level has more lanes than a poll can look at.
 *
 * The lanes of such a level are served one after the other, in the order of
 * their fairness keys and round and round: the ring.  All that is kept of it is
 * where it stands, so it has no size.  Who wants to serve a lane moves the place
 * there first; if somebody else has moved it meanwhile he looks again.  So no
 * lane gets the same turn twice.
 *
 * A level is large once a poll has found more lanes than it can compare, until a
 * round has met no more than that.  What is lost with the entry of a queue is
 * whose turn it was.
 *
 * Locks: cursor_lock, shared; a spinlock of the queue's covers its rings.
 */
#include "postgres.h"

#include "storage/spin.h"

#include "base/settings.h"
#include "shared/cursor_table.h"
#include "shared/ring.h"
#include "task/task.h"

/* the queue, with cursor_lock and its rings locked; NULL, unlocked, without one */
static QueueCursors *
lock_rings(const QueueKey *key)
{
	QueueCursors *queue;

	LWLockAcquire(cursor_lock, LW_SHARED);
	queue = cursors_find_queue(key);
	if (queue == NULL)
		LWLockRelease(cursor_lock);
	else
		SpinLockAcquire(&queue->ring_mutex);
	return queue;
}

static void
unlock_rings(QueueCursors *queue)
{
	SpinLockRelease(&queue->ring_mutex);
	LWLockRelease(cursor_lock);
}

static Ring *
ring_of(QueueCursors *queue, int level)
{
	return &queue->rings[valid_level(level) - 1];
}

/*
 * ring_few_lanes: as many lanes of a level can be compared: no more than a poll
 * looks at, or than there is room for.
 */
int
ring_few_lanes(void)
{
	return Min(RING_SLICE, taskq_max_lanes);
}

/* ring_read: where the ring stands. */
void
ring_read(const QueueKey *key, int level, Ring *ring)
{
	QueueCursors *queue = lock_rings(key);

	if (queue == NULL)
	{
		memset(ring, 0, sizeof(Ring));
		lane_spot_set(&ring->spot, level, NULL);
		return;
	}
	*ring = *ring_of(queue, level);
	unlock_rings(queue);
}

/*
 * ring_move: to where "ring" stands now, unless somebody else has moved it since
 * that was read; false then.  Nobody else knows of a queue without an entry.
 */
bool
ring_move(const QueueKey *key, int level, Ring *ring)
{
	QueueCursors *queue = lock_rings(key);
	Ring	   *shared;
	bool		moved;

	if (queue == NULL)
		return true;
	shared = ring_of(queue, level);
	moved = shared->moves == ring->moves;
	if (moved)
	{
		ring->seen = shared->seen + 1;
		ring->large = shared->large;
		if (ring->round != shared->round)
		{
			ring->large = shared->seen > ring_few_lanes();
			ring->seen = 0;
		}
		ring->moves++;
		*shared = *ring;
	}
	unlock_rings(queue);
	return moved;
}

/* ring_is_large: does the level have more lanes than a poll can look at? */
bool
ring_is_large(const QueueKey *key, int level)
{
	QueueCursors *queue = lock_rings(key);
	bool		large;

	if (queue == NULL)
		return false;
	large = ring_of(queue, level)->large;
	unlock_rings(queue);
	return large;
}

/* ring_found_large: a poll has found more. */
void
ring_found_large(const QueueKey *key, int level)
{
	QueueCursors *queue = lock_rings(key);

	if (queue == NULL)
		return;
	ring_of(queue, level)->large = true;
	unlock_rings(queue);
}
