/*
 * limits.c
 *		How many tasks a poll may take: rates, max_started, pauses; and which
 *		fairness key comes next.
 *
 * Rates.  A limiter is the generic cell rate algorithm: one instant, "next",
 * at which the next token would be due if there were no burst.  A poll takes
 * as many tokens as it wants tasks, before it looks for them, and gives back
 * what it did not use.  The burst is one second's worth, at least one task.
 *
 * max_started.  A poll reserves room before it claims and gives back what it
 * did not use; at commit the reservation becomes running attempts (ledger.c),
 * and each end of an attempt takes one off.  While the number is not known
 * nothing is handed out; counts.c finds it out.
 *
 * Fairness.  Each lane of a level has a virtual time that a dispatch moves by
 * max(1, 1000 / weight); the lane that would be least far after its dispatch
 * is next.  A lane that had no task when the level was last looked at starts
 * at the time of the last dispatch: an idle key earns no credit.  Only polls
 * that see several lanes take part.
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
#include "shmem.h"

/* ------------------------------------------------------------------------
 * Rate limiters; the caller holds the lock
 * ------------------------------------------------------------------------
 */

/* bring a limiter to a rate: what it owes is counted in tokens */
static void
adapt(Limiter *limiter, double spacing, double now)
{
	if (limiter->spacing != 0 && limiter->spacing != spacing &&
		limiter->next > now)
		limiter->next = now + (limiter->next - now) / limiter->spacing * spacing;
	limiter->spacing = spacing;
	limiter->next = Max(limiter->next, now);
}

/* how far "next" may run ahead of the clock */
static double
burst_depth(double rate)
{
	return (Max(rate, 1) - 1) * (USECS_PER_SEC / rate);
}

/* up to "wanted" tokens */
static int
take_tokens(Limiter *limiter, double rate, TimestampTz clock, int wanted)
{
	double		now = (double) clock;
	double		spacing = USECS_PER_SEC / rate;
	double		room;
	int			n;

	adapt(limiter, spacing, now);
	/* half a microsecond of grace for the arithmetic */
	room = now + burst_depth(rate) - limiter->next + 0.5;
	if (room < 0)
		return 0;
	n = (int) Min(floor(room / spacing) + 1, wanted);
	limiter->next += n * spacing;
	return n;
}

/* when the next token can be had */
static TimestampTz
next_token(Limiter *limiter, double rate, TimestampTz clock)
{
	double		when;

	adapt(limiter, USECS_PER_SEC / rate, (double) clock);
	when = limiter->next - burst_depth(rate);
	if (when <= (double) clock + 0.5)
		return clock;
	if (when >= (double) END_TIMESTAMP)
		return DT_NOEND;
	return (TimestampTz) ceil(when);
}

/*
 * limits_effective_rate: tasks per second that the queue may hand out, and
 * who says so.  *rate is only set when there is a limit.
 */
RateSource
limits_effective_rate(const QueueConfig *config, double worker_rate,
					  double *rate)
{
	RateSource	source = RATE_NONE;

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

/* room below max_started; reserves it */
static int
reserve(QueueState *state, const QueueConfig *config, int wanted)
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
	int			n = reserve(state, admission->config, wanted);

	if (n > 0 && limits_effective_rate(admission->config, state->worker_rate,
									   &rate) != RATE_NONE)
	{
		int			tokens = rate == 0 ? 0 :
			take_tokens(&state->limiter, rate, clock_now(), n);

		admission->spacing = rate == 0 ? 0 : USECS_PER_SEC / rate;
		if (tokens < n)
			state->limited_at = GetCurrentTimestamp();
		n = tokens;
	}
	state->reserved += n;
	admission->granted = n;
}

/* one try; true when the number of running attempts has to be known first */
static bool
try_to_admit(Admission *admission, const char *identity, int wanted,
			 double worker_rate)
{
	const QueueConfig *config = admission->config;
	text	   *task_queue = admission->task_queue;
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
		if (config == NULL || !config->paused)
			admit_locked(admission, state, wanted);
		count = config != NULL && config->max_started > 0 &&
			!config->paused && !state->started_known;
	}
	else if (config == NULL)
		admission->granted = wanted;	/* no room to limit what has no limits */
	queue_state_unlock();
	return count;
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
	if (try_to_admit(admission, identity, wanted, worker_rate) &&
		counts_await(&admission->key))
		(void) try_to_admit(admission, identity, wanted, worker_rate);
	if (admission->granted > 0)
	{
		ledger_reserved(task_queue, admission->granted);
		if (admission->spacing > 0)
			ledger_tokens(&admission->key,
						  admission->granted * admission->spacing);
	}
}

/*
 * limits_settle: give back what was granted and not claimed.
 */
void
limits_settle(Admission *admission, int claimed)
{
	int			unused = admission->granted - claimed;
	QueueState *state;

	if (unused == 0)
		return;
	queue_state_lock(LW_EXCLUSIVE);
	state = queue_state_find(&admission->key);
	if (state != NULL)
	{
		state->reserved = Max(state->reserved - unused, 0);
		state->limiter.next -= unused * admission->spacing;
	}
	queue_state_unlock();
	ledger_reserved(admission->task_queue, -unused);
	if (admission->spacing > 0)
		ledger_tokens(&admission->key, -unused * admission->spacing);
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
		would = reserve(state, config, 1) > 0;
		count = !would && !state->started_known;
		if (would && limits_effective_rate(config, state->worker_rate,
										   &rate) != RATE_NONE)
		{
			TimestampTz now = clock_now();

			*when = rate == 0 ? DT_NOEND :
				next_token(&state->limiter, rate, now);
			would = *when <= now;
		}
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

	if (n < 2)
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
		if (state->round + 1 != round)
			state->time = Max(state->time, now);
		state->round = round;
		lanes[i]->pass = state->time;
		lanes[i]->fair = true;
	}
	queue_state_unlock();
}

/* fairness_stride: how far the lane's candidate would move its time. */
double
fairness_stride(const Admission *admission, const Lane *lane)
{
	double		weight = queue_config_weight(admission->config,
											 lane->fairness_key,
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
	bool		admitted = true;

	if (rate == 0)
		return true;
	if (rate < 0)
		return false;
	key = lane_key(admission, lane, 0);
	queue_state_lock(LW_EXCLUSIVE);
	state = lane_state_get(&key);
	if (state != NULL)
		admitted = take_tokens(&state->limiter, rate, clock_now(), 1) == 1;
	queue_state_unlock();
	if (admitted)
		ledger_lane_tokens(&key, USECS_PER_SEC / rate);
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
		state->limiter.next -= USECS_PER_SEC / rate;
	queue_state_unlock();
	ledger_lane_tokens(&key, -USECS_PER_SEC / rate);
}

/* fairness_dispatched: the lane's candidate was started. */
void
fairness_dispatched(const Admission *admission, Lane *lane)
{
	double		stride;
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
		queue->level_time[lane->level - 1] =
			Max(queue->level_time[lane->level - 1], lane->pass);
	queue_state_unlock();
	ledger_lane_time(&key, stride);
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
		next = next_token(&state->limiter, rate, now);
	queue_state_unlock();
	if (next <= now)
		return true;
	*when = Min(*when, next);
	return false;
}
