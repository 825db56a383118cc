/*
 * admission.c
 *		How many tasks a poll may take: rates, max_started, pauses.
 *
 * Rates.  A poll takes as many tokens as it wants tasks, before it looks for
 * them, and gives back what it did not use (rate_limiter.c).  Whoever is refused
 * while somebody else holds more than it will use leaves a mark, so that it is
 * woken when that comes back.
 *
 * max_started.  A poll reserves room before it claims and gives back what it
 * did not use; at commit the reservation becomes running attempts (ledger.c),
 * and each end of an attempt takes one off.  What the polling transaction has
 * ended itself leaves room for what it polls: both become true together, or
 * neither.  While the number is not known nothing is handed out; counts.c finds
 * it out.
 *
 * Queues that are private to a worker have no limits: only its poll is noted.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "base/compat.h"
#include "base/rate_limiter.h"
#include "base/settings.h"
#include "engine/admission.h"
#include "engine/count_queue.h"
#include "engine/queue_config.h"
#include "notes/ledger.h"
#include "shared/counts.h"
#include "shared/directory.h"
#include "shared/queue_locks.h"
#include "shared/queue_state.h"
#include "shared/queues.h"
#include "shared/tell.h"
#include "store/ready_count.h"
#include "task/queue_keys.h"

/* when a queue that found no room in shared memory tries again, in us */
#define NO_ROOM_RETRY	(100 * INT64CONST(1000))

/*
 * admission_rate: tasks per second that the queue may hand out, and who says
 * so.  *rate is 0 when there is no limit.
 */
RateSource
admission_rate(const QueueConfig *config, double worker_rate, double *rate)
{
	RateSource	source = RATE_NONE;

	*rate = 0;
	if (config != NULL && config->rate_limit >= 0)
	{
		source = RATE_API;
		*rate = config->rate_limit;
	}
	else if (worker_rate > 0)
	{
		source = RATE_WORKER;
		*rate = worker_rate;
	}
	if (taskq_system_rate_limit > 0 &&
		(source == RATE_NONE || taskq_system_rate_limit <= *rate))
	{
		source = RATE_SYSTEM;
		*rate = taskq_system_rate_limit;
	}
	return source;
}

/* ------------------------------------------------------------------------
 * Admission of a poll
 * ------------------------------------------------------------------------
 */

/* is there anything that limits the queue but a pause? */
static bool
is_limited(const QueueRef *queue, const QueueConfig *config, double worker_rate)
{
	double		rate;

	if (queue->is_private)
		return false;
	return (config != NULL && config->max_started > 0) ||
		admission_rate(config, worker_rate, &rate) != RATE_NONE;
}

/* places below max_started that the transaction has freed for itself */
static int64
own_places(const QueueKey *queue, const QueueConfig *config)
{
	if (config == NULL || config->max_started == 0)
		return 0;
	return ledger_places(queue);
}

/* room below max_started */
static int
room_of(const QueueState *state, const QueueConfig *config, int64 own,
		int wanted)
{
	int64		room;

	if (config == NULL || config->max_started == 0)
		return wanted;
	if (!state->known)
		return 0;
	room = config->max_started - state->started - state->reserved + own;
	return (int) Max(Min(room, wanted), 0);
}

/* the queue is locked */
static void
grant_locked(Admission *admission, QueueState *state, int64 own, int wanted)
{
	double		rate;
	RateSource	source = admission_rate(admission->config, state->worker_rate,
										&rate);
	int			n = room_of(state, admission->config, own, wanted);

	Assert(queue_state_is_locked(queue_state_part(&state->key), LW_EXCLUSIVE));
	if (n > 0 && source != RATE_NONE)
	{
		int			tokens = rate == 0 ? 0 :
			limiter_take(&state->limiter, rate, source == RATE_API,
						clock_now(), n);

		admission->spacing = rate == 0 ? 0 : limiter_spacing(rate);
		admission->held_back = tokens < n;
		n = tokens;
	}
	state->refused |= n < wanted;
	state->reserved += n;
	admission->reserved = true;
	admission->granted = n;
}

/* who polls, noted; those of one identity are one, if they follow each other */
static void
note_pollers(const QueueKey *queue, char *const *identities, int n,
			 double worker_rate)
{
	for (int i = 0; i < n; i++)
	{
		PollerState *poller;

		if (i > 0 && strcmp(identities[i], identities[i - 1]) == 0)
			continue;
		poller = poller_state_get(queue, identities[i]);
		if (poller != NULL)
			poller->rate = worker_rate;
	}
}

/* what is known of the queue, which is locked; NULL when there is no room, or never any */
static QueueState *
state_of(const QueueRef *queue)
{
	return queue->is_private ? NULL :
		queue_state_get(&queue->key, VARDATA_ANY(queue->name),
						VARSIZE_ANY_EXHDR(queue->name));
}

/* one try; true when the number of running attempts has to be known first */
static bool
try_to_grant(Admission *admission, char *const *identities, int nidentities,
			 int wanted, double worker_rate)
{
	const QueueConfig *config = admission->config;
	bool		limited = is_limited(&admission->queue, config, worker_rate);
	bool		paused = config != NULL && config->paused;
	int64		own = own_places(&admission->queue.key, config);
	QueueState *state;
	bool		count = false;

	queue_state_lock(&admission->queue.key, LW_EXCLUSIVE);
	state = state_of(&admission->queue);
	note_pollers(&admission->queue.key, identities, nidentities, worker_rate);
	if (state != NULL)
	{
		state->worker_rate = worker_rate;
		state->limited = limited;
		if (!paused)
			grant_locked(admission, state, own, wanted);
		count = !paused && config != NULL && config->max_started > 0 &&
			!state->known;
	}
	else if (!limited && !paused)
		admission->granted = wanted;
	queue_state_unlock();
	return count;
}

/*
 * Have the queue's activities counted, by ourselves if that can be; false when
 * their number is not known then.
 */
static bool
find_out(const QueueRef *queue)
{
	return count_queue(queue) || counts_await(&queue->key);
}

/* remember that a rate holds tasks back, if there are any */
static void
note_held_back(const Admission *admission)
{
	QueueState *state;

	if (!store_any_due(&admission->queue, clock_now()))
		return;
	queue_state_lock(&admission->queue.key, LW_EXCLUSIVE);
	state = queue_state_find(&admission->queue.key);
	if (state != NULL)
		state->limited_at = GetCurrentTimestamp();
	queue_state_unlock();
}

/* the configuration, copied: it may be read again meanwhile */
static void
begin_admission(Admission *admission, const QueueRef *queue)
{
	const QueueConfig *config = queue_config(queue);

	memset(admission, 0, sizeof(Admission));
	admission->queue = *queue;
	if (config != NULL)
	{
		QueueConfig *copy = palloc(sizeof(QueueConfig));

		*copy = *config;
		admission->config = copy;
	}
	ledger_make_room(2);
}

/*
 * admission_at_once: may one task be started without a poll?  Not if the queue is paused or
 * has a rate limit, wherever from, nor if max_started has no room, or that is not known.
 * "ending": so many attempts of the queue the caller is about to end.  If so,
 * admission_settle() is to follow.
 */
bool
admission_at_once(Admission *admission, const QueueRef *queue, int ending)
{
	QueueState *state;
	double		rate;

	begin_admission(admission, queue);
	if (queue->is_private)
	{
		admission->granted = 1;
		return true;
	}
	if (admission->config != NULL && admission->config->paused)
		return false;
	queue_state_lock(&queue->key, LW_EXCLUSIVE);
	state = queue_state_get(&queue->key, VARDATA_ANY(queue->name), VARSIZE_ANY_EXHDR(queue->name));
	if (state != NULL &&
		admission_rate(admission->config, state->worker_rate, &rate) == RATE_NONE)
		grant_locked(admission, state, ending + own_places(&queue->key, admission->config), 1);
	queue_state_unlock();
	if (admission->granted > 0)
		ledger_reserved(queue, admission->granted);
	return admission->granted > 0;
}

/*
 * admission_grant: note the pollers, and decide how many tasks it may start.
 * What it may is reserved until admission_settle() and the end of the
 * transaction.
 */
void
admission_grant(Admission *admission, const QueueRef *queue,
				char *const *identities, int nidentities, int wanted,
				double worker_rate)
{
	begin_admission(admission, queue);
	if (try_to_grant(admission, identities, nidentities, wanted, worker_rate) &&
		find_out(queue))
		(void) try_to_grant(admission, identities, nidentities, wanted,
							worker_rate);
	if (admission->reserved && admission->granted > 0)
	{
		ledger_reserved(queue, admission->granted);
		if (admission->spacing > 0)
			ledger_tokens(&queue->key,
						  admission->granted * limiter_part(admission->spacing));
	}
	if (admission->held_back && admission->granted == 0)
		note_held_back(admission);
}

/* give back what was not claimed; true when somebody may wait for it */
static bool
give_back(const Admission *admission, int unused)
{
	QueueState *state;
	bool		refused = false;

	queue_state_lock(&admission->queue.key, LW_EXCLUSIVE);
	state = queue_state_find(&admission->queue.key);
	if (state != NULL)
	{
		state->reserved = Max(state->reserved - unused, 0);
		if (admission->spacing > 0)
			limiter_give_back(&state->limiter,
							  unused * limiter_part(admission->spacing));
		refused = state->refused;
		state->refused = false;
	}
	queue_state_unlock();
	ledger_reserved(&admission->queue, -unused);
	if (admission->spacing > 0)
		ledger_tokens(&admission->queue.key, -unused * limiter_part(admission->spacing));
	return refused;
}

/*
 * admission_settle: give back what was granted and not claimed.
 */
void
admission_settle(Admission *admission, int claimed)
{
	int			unused = admission->granted - claimed;

	Assert(claimed >= 0 && unused >= 0);
	if (!admission->reserved)
		ledger_started(&admission->queue, claimed);
	else if (unused > 0 && give_back(admission, unused))
		tell_queue(admission->queue.key.hash, DT_NOBEGIN, unused);
	if (admission->held_back && claimed > 0 && unused == 0)
		note_held_back(admission);
}

/*
 * admission_would_grant: would a poll now be allowed to start a task?  If not,
 * *when becomes the instant at which to ask again, DT_NOEND when only a change
 * can help.
 */
bool
admission_would_grant(const QueueRef *queue, TimestampTz *when)
{
	const QueueConfig *config = queue_config(queue);
	int64		own = own_places(&queue->key, config);
	QueueState *state;
	RateSource	source;
	double		rate;
	bool		would = true;
	bool		count = false;

	*when = DT_NOEND;
	if (config != NULL && config->paused)
		return false;
	queue_state_lock(&queue->key, LW_EXCLUSIVE);
	state = state_of(queue);
	if (state != NULL)
	{
		state->limited = is_limited(queue, config, state->worker_rate);
		would = room_of(state, config, own, 1) > 0;
		count = !would && !state->known;
		source = admission_rate(config, state->worker_rate, &rate);
		if (would && source != RATE_NONE)
		{
			TimestampTz now = clock_now();

			*when = rate == 0 ? DT_NOEND :
				limiter_next(&state->limiter, rate, source == RATE_API, now);
			would = *when <= now;
		}
		state->refused |= !would;
	}
	else if (is_limited(queue, config, 0))
	{
		would = false;
		*when = instant_add(clock_now(), NO_ROOM_RETRY);
	}
	queue_state_unlock();
	if (count && find_out(queue))
		return admission_would_grant(queue, when);
	return would;
}
