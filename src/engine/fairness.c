/*
 * fairness.c
 *		Which fairness key comes next, and how fast each may go.
 *
 * Each lane of a level has a virtual time that a dispatch moves by
 * max(1, 1000 / weight); the lane that would be least far after its dispatch
 * is next.  A lane that had no task when the level was last looked at starts
 * at the time of the last dispatch: an idle key earns no credit, nor does one
 * that is held back by its own rate.  Only polls that see several lanes take
 * part, and none that sees more than shared memory can hold: those are served
 * in rings (round.c).
 *
 * The rate of a key holds on all levels together, and holds nobody else back.
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "base/clock.h"
#include "base/compat.h"
#include "base/rate_limiter.h"
#include "engine/fairness.h"
#include "engine/queue_config.h"
#include "notes/ledger.h"
#include "shared/queue_locks.h"
#include "shared/queue_state.h"
#include "shared/queues.h"
#include "store/ready.h"
#include "task/queue_keys.h"
#include "task/task.h"

/* lanes that a poll makes room for, each of which takes a search */
#define MAX_EVICTIONS	16

/* the key on all levels, by which its rate is known */
static LaneKey
key_on_all_levels(const Lane *lane)
{
	LaneKey		key = lane->known.key;

	key.level = 0;
	return key;
}

/*
 * fairness_begin: the virtual times of lanes of one level, all of which seem to
 * have a task.
 */
void
fairness_begin(const Admission *admission, Lane **lanes, int n)
{
	int			level = lanes[0]->level - 1;
	QueueState *queue;
	double		now;
	uint64		round;
	int			evictions = 0;
	TimestampTz seen = GetCurrentTimestamp();

	Assert(level >= 0 && level < LEVELS);
	if (n < 2 || admission->queue.is_private)
		return;
	queue_state_lock(&admission->queue.key, LW_EXCLUSIVE);
	queue = queue_state_find(&admission->queue.key);
	now = queue ? queue->level_time[level] : 0;
	round = queue ? ++queue->level_round[level] : 0;
	for (int i = 0; i < n; i++)
	{
		const LaneKey *key = &lanes[i]->known.key;
		LaneState  *state = lane_state_find(key);

		lanes[i]->pass = now;
		if (state == NULL && (lane_states_have_room() || evictions++ < MAX_EVICTIONS))
			state = lane_state_get(key);
		if (state == NULL)
			continue;
		state->last_used = seen;
		/* none is ahead, but of a dispatch that was rolled back meanwhile */
		if (state->round + 1 != round || state->time > now)
			state->time = now;
		state->round = round;
		lanes[i]->pass = state->time;
		lanes[i]->weight_known = state->weight_known;
		lanes[i]->fairness_weight = state->weight;
		lanes[i]->weight_override = queue_config_override(admission->config,
														  lanes[i]->fairness_key);
		lanes[i]->fair = true;
	}
	queue_state_unlock();
}

/*
 * fairness_stride: how far the lane's candidate would move its time, or at
 * least would when it was not looked at yet and nothing is known of the key; 0
 * when the lanes of its level have none.
 */
double
fairness_stride(const Lane *lane)
{
	if (!lane->fair)
		return 0;
	if (!lane->opened && !lane->weight_known)
		return 1;
	return Max(1, 1000 / fairness_weight(lane->weight_override,
										 lane->fairness_weight));
}

/*
 * fairness_seen: the lane was looked at.  The weight of its candidate is
 * remembered; if it has none after all it earns no credit.
 */
void
fairness_seen(const Admission *admission, const Lane *lane, bool has_candidate)
{
	LaneState  *state;

	if (!lane->fair)
		return;
	queue_state_lock(&admission->queue.key, LW_EXCLUSIVE);
	state = lane_state_find(&lane->known.key);
	if (state != NULL && has_candidate)
	{
		state->weight = lane->fairness_weight;
		state->weight_known = true;
	}
	else if (state != NULL)
		state->round = 0;
	queue_state_unlock();
}

/* fairness_may_refuse: do fairness keys of the queue have a rate of their own? */
bool
fairness_may_refuse(const Admission *admission)
{
	return admission->config != NULL && admission->config->key_rate_limit >= 0;
}

/* the rate of one fairness key, 0 = not limited; negative = nothing passes */
static double
key_rate(const Admission *admission, const Lane *lane)
{
	double		rate;

	if (!fairness_may_refuse(admission))
		return 0;
	rate = admission->config->key_rate_limit *
		queue_config_weight(admission->config, lane->fairness_key,
							lane->fairness_weight);
	return rate == 0 ? -1 : rate;
}

/* the lane's key is at its limit: it earns no credit; the queue is locked */
static void
note_refused(const Admission *admission, const Lane *lane)
{
	LaneState  *state = lane_state_find(&lane->known.key);
	QueueState *queue = queue_state_find(&admission->queue.key);

	Assert(queue_state_is_locked(queue_state_part(&admission->queue.key),
								 LW_EXCLUSIVE));
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
	key = key_on_all_levels(lane);
	ledger_make_room(1);
	queue_state_lock(&admission->queue.key, LW_EXCLUSIVE);
	if (rate > 0 && (state = lane_state_get(&key)) != NULL)
		admitted = limiter_take(&state->limiter, rate, false, clock_now(), 1) == 1;
	if (!admitted)
		note_refused(admission, lane);
	queue_state_unlock();
	if (admitted)
		ledger_lane_tokens(&key, limiter_part(limiter_spacing(rate)));
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
	key = key_on_all_levels(lane);
	queue_state_lock(&admission->queue.key, LW_EXCLUSIVE);
	state = lane_state_find(&key);
	if (state != NULL)
		limiter_give_back(&state->limiter, limiter_part(limiter_spacing(rate)));
	queue_state_unlock();
	ledger_lane_tokens(&key, -limiter_part(limiter_spacing(rate)));
}

/* fairness_dispatched: the lane's candidate was started. */
void
fairness_dispatched(const Admission *admission, Lane *lane)
{
	double		stride;
	double		ahead = 0;
	LaneState  *state;
	QueueState *queue;

	if (!lane->fair)
		return;
	stride = fairness_stride(lane);
	lane->pass += stride;
	queue_state_lock(&admission->queue.key, LW_EXCLUSIVE);
	state = lane_state_find(&lane->known.key);
	if (state != NULL)
		state->time += stride;
	queue = queue_state_find(&admission->queue.key);
	if (queue != NULL)
	{
		double	   *now = &queue->level_time[lane->level - 1];

		ahead = Max(lane->pass - *now, 0);
		*now += ahead;
	}
	queue_state_unlock();
	ledger_lane_time(&admission->queue.key, &lane->known.key, stride, ahead);
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
	key = key_on_all_levels(lane);
	queue_state_lock(&admission->queue.key, LW_EXCLUSIVE);
	state = lane_state_find(&key);
	if (state != NULL)
		next = limiter_next(&state->limiter, rate, false, now);
	queue_state_unlock();
	if (next <= now)
		return true;
	*when = Min(*when, next);
	return false;
}
