/*
 * pollers.c
 *		Whether anybody polls a queue.
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "shared/pollers.h"
#include "shared/queue_locks.h"
#include "shared/queues.h"

/* the poller of that queue after "previous" (NULL = the first); the queue is locked */
static PollerState *
next_of(const QueueKey *key, const PollerState *previous)
{
	PollerState *state = poller_state_next(previous);

	while (state != NULL && (state->key.database != key->database ||
							 state->key.queue_hash != key->hash))
		state = poller_state_next(state);
	return state;
}

/*
 * pollers_alive: has anybody polled the queue since then (real clock), or waits for a task
 * of it?  Takes the lock of its part.
 */
bool
pollers_alive(const QueueKey *key, TimestampTz since)
{
	const PollerState *state = NULL;
	bool		alive = false;

	queue_state_lock(key, LW_SHARED);
	while (!alive && (state = next_of(key, state)) != NULL)
		alive = state->last_access >= since || state->waiting > 0;
	queue_state_unlock();
	return alive;
}

/*
 * pollers_forget: nobody is there any more.  Takes the lock of the queue's part.
 */
void
pollers_forget(const QueueKey *key)
{
	PollerState *state = NULL;

	queue_state_lock(key, LW_EXCLUSIVE);
	while ((state = next_of(key, state)) != NULL)
		state->last_access = DT_NOBEGIN;
	queue_state_unlock();
}
