/*
 * limits.c
 *		How many tasks a poll may take: rates, max_started, pauses; and which
 *		fairness key comes next.
 *
 * Rates.  A limiter is the generic cell rate algorithm: one instant, "next",
 * at which the next token would be due if there were no burst.  A poll takes
 * as many tokens as it wants tasks, before it looks for them, and gives back
 * what it did not use.  The burst is one second's worth, at least one task.
 * When the rate changes, what is left stays the same part of what there can be,
 * so that workers that ask for different rates in turn get no more than the
 * highest.  A rate that is configured higher is there at once: what was taken
 * stays the same number of tokens.
 *
 * Whoever is refused while somebody else holds more than it will use leaves a
 * mark, so that it is woken when that comes back.
 *
 * max_started.  A poll reserves room before it claims and gives back what it
 * did not use; at commit the reservation becomes running attempts (ledger.c),
 * and each end of an attempt takes one off.  While the number is not known
 * nothing is handed out; counts.c finds it out.
 *
 * Fairness.  Each lane of a level has a virtual time that a dispatch moves by
 * max(1, 1000 / weight); the lane that would be least far after its dispatch
 * is next.  A lane that had no task when the level was last looked at starts
 * at the time of the last dispatch: an idle key earns no credit, nor does one
 * that is held back by its own rate.  Only polls that see several lanes take
 * part, and none that sees more than shared memory can hold: then the oldest
 * task is next.
 */
#include "postgres.h"

#include <math.h>

#include "common/hashfn.h"
#include "miscadmin.h"
#include "utils/timestamp.h"

#include "clock.h"
#include "compat.h"
#include "guc.h"
#include "ledger.h"
#include "limits.h"
#include "listen.h"
#include "shmem.h"
#include "wait.h"

/* ------------------------------------------------------------------------
 * Rate limiters; the caller holds the lock
 * ------------------------------------------------------------------------
 */

/* a rate that is as good as zero: thousands of years, but a number */
#define MAX_SPACING		1e17

/* when a queue that found no room in shared memory tries again, in us */
#define NO_ROOM_RETRY	(100 * INT64CONST(1000))

static double
spacing_of(double rate)
{
	return Min(USECS_PER_SEC / rate, MAX_SPACING);
}

/* how much of its limiter one token of that spacing is */
static double
token_part(double spacing)
{
	return spacing / limiter_capacity(spacing);
}

/*
 * Bring a limiter to a rate.  It never owes more than all it can hold, also
 * when the clock was set back.
 */
static void
adapt(Limiter *limiter, double spacing, double now, bool configured)
{
	double		capacity = limiter_capacity(spacing);
	double		before = limiter->spacing;

	if (before != 0 && before != spacing && limiter->next > now)
		limiter->next = now + (limiter->next - now) *
			(configured && spacing < before ? spacing / before :
			 capacity / limiter_capacity(before));
	limiter->spacing = spacing;
	limiter->next = Min(Max(limiter->next, now), now + capacity);
}

/* how far "next" may be ahead of the clock when a token is taken */
static double
burst_depth(double spacing)
{
	return limiter_capacity(spacing) - spacing;
}

/* up to "wanted" tokens */
static int
take_tokens(Limiter *limiter, double rate, bool configured, TimestampTz clock,
			int wanted)
{
	double		now = (double) clock;
	double		spacing = spacing_of(rate);
	double		room;
	int			n;

	adapt(limiter, spacing, now, configured);
	/* some grace for the arithmetic */
	room = now + burst_depth(spacing) - limiter->next + Min(0.5, spacing / 4);
	if (room < 0)
		return 0;
	n = (int) Min(floor(room / spacing) + 1, wanted);
	limiter->next += n * spacing;
	return n;
}

/* when the next token can be had */
static TimestampTz
next_token(Limiter *limiter, double rate, bool configured, TimestampTz clock)
{
	double		spacing = spacing_of(rate);
	double		when;

	adapt(limiter, spacing, (double) clock, configured);
	when = limiter->next - burst_depth(spacing);
	if (when <= (double) clock + 0.5)
		return clock;
	if (when >= (double) END_TIMESTAMP)
		return DT_NOEND;
	return (TimestampTz) ceil(when);
}

/*
 * limits_effective_rate: tasks per second that the queue may hand out, and
 * who says so.  *rate is 0 when there is no limit.
 */
RateSource
limits_effective_rate(const QueueConfig *config, double worker_rate,
					  double *rate)
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
is_limited(const QueueConfig *config, double worker_rate)
{
	double		rate;

	return (config != NULL && config->max_started > 0) ||
		limits_effective_rate(config, worker_rate, &rate) != RATE_NONE;
}

/* room below max_started */
static int
room_of(const QueueState *state, const QueueConfig *config, int wanted)
{
	int64		room;

	if (config == NULL || config->max_started == 0)
		return wanted;
	if (!state->started_known)
		return 0;
	room = config->max_started - state->started - state->reserved;
	return (int) Max(Min(room, wanted), 0);
}

static void
admit_locked(Admission *admission, QueueState *state, int wanted)
{
	double		rate;
	RateSource	source = limits_effective_rate(admission->config,
											   state->worker_rate, &rate);
	int			n = room_of(state, admission->config, wanted);

	if (n > 0 && source != RATE_NONE)
	{
		int			tokens = rate == 0 ? 0 :
			take_tokens(&state->limiter, rate, source == RATE_API,
						clock_now(), n);

		admission->spacing = rate == 0 ? 0 : spacing_of(rate);
		admission->held_back = tokens < n;
		n = tokens;
	}
	state->refused |= n < wanted;
	state->reserved += n;
	admission->reserved = true;
	admission->granted = n;
}

/* one try; true when the number of running attempts has to be known first */
static bool
try_to_admit(Admission *admission, const char *identity, int wanted,
			 double worker_rate)
{
	const QueueConfig *config = admission->config;
	text	   *task_queue = admission->task_queue;
	bool		limited = is_limited(config, worker_rate);
	bool		paused = config != NULL && config->paused;
	QueueState *state;
	PollerState *poller;
	bool		count = false;

	queue_state_lock(LW_EXCLUSIVE);
	state = queue_state_get(&admission->key, VARDATA_ANY(task_queue),
							VARSIZE_ANY_EXHDR(task_queue));
	poller = poller_state_get(&admission->key, identity);
	if (poller != NULL)
		poller->rate = worker_rate;
	if (state != NULL)
	{
		state->worker_rate = worker_rate;
		state->limited = limited;
		if (!paused)
			admit_locked(admission, state, wanted);
		count = !paused && config != NULL && config->max_started > 0 &&
			!state->started_known;
	}
	else if (!limited && !paused)
		admission->granted = wanted;
	queue_state_unlock();
	return count;
}

/* remember that a rate holds tasks back, if there are any */
static void
note_held_back(const Admission *admission)
{
	QueueState *state;

	if (store_count_due(admission->task_queue, clock_now(), 1) == 0)
		return;
	queue_state_lock(LW_EXCLUSIVE);
	state = queue_state_find(&admission->key);
	if (state != NULL)
		state->limited_at = GetCurrentTimestamp();
	queue_state_unlock();
}

/*
 * limits_admit: note the poller, and decide how many tasks it may start.
 * What it may is reserved until limits_settle() and the end of the
 * transaction.
 */
void
limits_admit(Admission *admission, text *task_queue, const char *identity,
			 int wanted, double worker_rate)
{
	const QueueConfig *config = queue_config(task_queue);

	memset(admission, 0, sizeof(Admission));
	admission->task_queue = task_queue;
	admission->key = queue_key(task_queue);
	if (config != NULL)
	{
		QueueConfig *copy = palloc(sizeof(QueueConfig));

		*copy = *config;
		admission->config = copy;
	}
	ledger_make_room(2);
	if (try_to_admit(admission, identity, wanted, worker_rate) &&
		counts_await(&admission->key))
		(void) try_to_admit(admission, identity, wanted, worker_rate);
	if (admission->reserved && admission->granted > 0)
	{
		ledger_reserved(task_queue, admission->granted);
		if (admission->spacing > 0)
			ledger_tokens(&admission->key,
						  admission->granted * token_part(admission->spacing));
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

	queue_state_lock(LW_EXCLUSIVE);
	state = queue_state_find(&admission->key);
	if (state != NULL)
	{
		state->reserved = Max(state->reserved - unused, 0);
		if (admission->spacing > 0)
			limiter_give_back(&state->limiter,
							  unused * token_part(admission->spacing));
		refused = state->refused;
		state->refused = false;
	}
	queue_state_unlock();
	ledger_reserved(admission->task_queue, -unused);
	if (admission->spacing > 0)
		ledger_tokens(&admission->key, -unused * token_part(admission->spacing));
	return refused;
}

/*
 * limits_settle: give back what was granted and not claimed.
 */
void
limits_settle(Admission *admission, int claimed)
{
	int			unused = admission->granted - claimed;

	if (!admission->reserved)
		ledger_started(admission->task_queue, claimed);
	else if (unused > 0 && give_back(admission, unused))
	{
		if (wait_anybody())
			wait_wake(admission->key.hash, unused);
		if (listen_anybody())
			listen_task_due(admission->key.hash, DT_NOBEGIN);
	}
	if (admission->held_back && claimed > 0 && unused == 0)
		note_held_back(admission);
}

/*
 * limits_would_admit: would a poll now be allowed to start a task?  If not,
 * *when becomes the instant at which to ask again, DT_NOEND when only a change
 * can help.
 */
bool
limits_would_admit(text *task_queue, TimestampTz *when)
{
	const QueueConfig *config = queue_config(task_queue);
	QueueKey	key = queue_key(task_queue);
	QueueState *state;
	RateSource	source;
	double		rate;
	bool		would = true;
	bool		count = false;

	*when = DT_NOEND;
	if (config != NULL && config->paused)
		return false;
	queue_state_lock(LW_EXCLUSIVE);
	state = queue_state_get(&key, VARDATA_ANY(task_queue),
							VARSIZE_ANY_EXHDR(task_queue));
	if (state != NULL)
	{
		state->limited = is_limited(config, state->worker_rate);
		would = room_of(state, config, 1) > 0;
		count = !would && !state->started_known;
		source = limits_effective_rate(config, state->worker_rate, &rate);
		if (would && source != RATE_NONE)
		{
			TimestampTz now = clock_now();

			*when = rate == 0 ? DT_NOEND :
				next_token(&state->limiter, rate, source == RATE_API, now);
			would = *when <= now;
		}
		state->refused |= !would;
	}
	else if (is_limited(config, 0))
	{
		would = false;
		*when = instant_add(clock_now(), NO_ROOM_RETRY);
	}
	queue_state_unlock();
	if (count && counts_await(&key))
		return limits_would_admit(task_queue, when);
	return would;
}

/* ------------------------------------------------------------------------
 * Fairness
 * ------------------------------------------------------------------------
 */

static LaneKey
lane_key(const Admission *admission, const Lane *lane, int level)
{
	LaneKey		key = {0};

	key.database = admission->key.database;
	key.level = level;
	key.queue_hash = admission->key.hash;
	key.key_hash = hash_bytes_extended((unsigned char *) VARDATA_ANY(lane->fairness_key),
									   VARSIZE_ANY_EXHDR(lane->fairness_key), 0);
	return key;
}

/*
 * fairness_begin: the virtual times of lanes of one level, all of which have
 * a task.
 */
void
fairness_begin(const Admission *admission, Lane **lanes, int n)
{
	int			level = lanes[0]->level - 1;
	QueueState *queue;
	double		now;
	uint64		round;

	if (n < 2 || n > taskq_max_lanes)
		return;
	queue_state_lock(LW_EXCLUSIVE);
	queue = queue_state_find(&admission->key);
	now = queue ? queue->level_time[level] : 0;
	round = queue ? ++queue->level_round[level] : 0;
	for (int i = 0; i < n; i++)
	{
		LaneKey		key = lane_key(admission, lanes[i], level + 1);
		LaneState  *state = lane_state_get(&key);

		lanes[i]->pass = now;
		if (state == NULL)
			continue;
		/* none is ahead, but of a dispatch that was rolled back meanwhile */
		if (state->round + 1 != round || state->time > now)
			state->time = now;
		state->round = round;
		lanes[i]->pass = state->time;
		lanes[i]->fair = true;
	}
	queue_state_unlock();
}

/*
 * fairness_stride: how far the lane's candidate would move its time; 0 when
 * the lanes of its level have none.
 */
double
fairness_stride(const Admission *admission, const Lane *lane)
{
	double		weight;

	if (!lane->fair)
		return 0;
	weight = queue_config_weight(admission->config, lane->fairness_key,
								 lane->fairness_weight);
	return Max(1, 1000 / weight);
}

/* the rate of one fairness key, 0 = not limited; negative = nothing passes */
static double
key_rate(const Admission *admission, const Lane *lane)
{
	double		rate;

	if (admission->config == NULL || admission->config->key_rate_limit < 0)
		return 0;
	rate = admission->config->key_rate_limit *
		queue_config_weight(admission->config, lane->fairness_key,
							lane->fairness_weight);
	return rate == 0 ? -1 : rate;
}

/* the lane's key is at its limit: it earns no credit meanwhile */
static void
note_refused(const Admission *admission, const Lane *lane)
{
	LaneKey		key = lane_key(admission, lane, lane->level);
	LaneState  *state = lane_state_find(&key);
	QueueState *queue = queue_state_find(&admission->key);

	if (state != NULL)
		state->round = 0;
	if (queue != NULL)
		queue->limited_at = GetCurrentTimestamp();
}

/*
 * fairness_admit: take a token of the lane's key; false when it is at its own
 * limit, on whatever level.
 */
bool
fairness_admit(const Admission *admission, Lane *lane)
{
	double		rate = key_rate(admission, lane);
	LaneKey		key;
	LaneState  *state;
	bool		admitted = rate > 0;

	if (rate == 0)
		return true;
	key = lane_key(admission, lane, 0);
	ledger_make_room(1);
	queue_state_lock(LW_EXCLUSIVE);
	if (rate > 0 && (state = lane_state_get(&key)) != NULL)
		admitted = take_tokens(&state->limiter, rate, false, clock_now(), 1) == 1;
	if (!admitted)
		note_refused(admission, lane);
	queue_state_unlock();
	if (admitted)
		ledger_lane_tokens(&key, token_part(spacing_of(rate)));
	return admitted;
}

/* fairness_refund: the token was not used after all. */
void
fairness_refund(const Admission *admission, Lane *lane)
{
	double		rate = key_rate(admission, lane);
	LaneKey		key;
	LaneState  *state;

	if (rate <= 0)
		return;
	key = lane_key(admission, lane, 0);
	queue_state_lock(LW_EXCLUSIVE);
	state = lane_state_find(&key);
	if (state != NULL)
		limiter_give_back(&state->limiter, token_part(spacing_of(rate)));
	queue_state_unlock();
	ledger_lane_tokens(&key, -token_part(spacing_of(rate)));
}

/* fairness_dispatched: the lane's candidate was started. */
void
fairness_dispatched(const Admission *admission, Lane *lane)
{
	double		stride;
	double		ahead = 0;
	LaneKey		key;
	LaneState  *state;
	QueueState *queue;

	if (!lane->fair)
		return;
	stride = fairness_stride(admission, lane);
	lane->pass += stride;
	key = lane_key(admission, lane, lane->level);
	queue_state_lock(LW_EXCLUSIVE);
	state = lane_state_find(&key);
	if (state != NULL)
		state->time += stride;
	queue = queue_state_find(&admission->key);
	if (queue != NULL)
	{
		double	   *now = &queue->level_time[lane->level - 1];

		ahead = Max(lane->pass - *now, 0);
		*now += ahead;
	}
	queue_state_unlock();
	ledger_lane_time(&admission->key, &key, stride, ahead);
}

/*
 * fairness_would_admit: could the lane's candidate be started now, as far as
 * its key's rate goes?  Lowers *when to the instant of its next token if not.
 */
bool
fairness_would_admit(const Admission *admission, const Lane *lane,
					 TimestampTz *when)
{
	double		rate = key_rate(admission, lane);
	TimestampTz now = clock_now();
	TimestampTz next = now;
	LaneKey		key;
	LaneState  *state;

	if (rate == 0)
		return true;
	if (rate < 0)
		return false;
	key = lane_key(admission, lane, 0);
	queue_state_lock(LW_EXCLUSIVE);
	state = lane_state_find(&key);
	if (state != NULL)
		next = next_token(&state->limiter, rate, false, now);
	queue_state_unlock();
	if (next <= now)
		return true;
	*when = Min(*when, next);
	return false;
}
