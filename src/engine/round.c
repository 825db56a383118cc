/*
 * round.c
 *		Which lane comes next, round and round, where there are many.
 *
 * fairness.c compares all lanes of a level, which takes longer the more there
 * are.  Where they are too many to be listed they take turns instead, in the
 * order of their keys: a poll goes on behind the lane that was served last
 * (ring.c), wherever that was.  A lane has one turn a round, one of weight w as
 * many as make w a round in the long run: 1 and 2 in turn for 1.5, none in every
 * other round for 0.5, unless no other has a task.  Lanes whose first entry is
 * not due yet, or whose key is at its rate, are passed over.
 *
 * A poll that has looked at RING_SLICE lanes of a level in vain gives up there;
 * the next one goes on where it has ended.  Who waits goes round once, and leaves
 * the ring before the lane that has something to offer, since all that he has
 * passed had nothing.
 *
 * A turn that was taken is not given back: not by a rollback, not when the lane
 * turns out to have no task.
 */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"

#include "base/texts.h"
#include "engine/queue_config.h"
#include "engine/round.h"

/* round_begin: at where the ring stands. */
void
round_begin(Round *round, const Admission *admission, ReadyScan *ready,
			int16 level)
{
	memset(round, 0, sizeof(Round));
	round->admission = admission;
	round->ready = ready;
	round->level = level;
	ring_read(&admission->queue.key, level, &round->ring);
	round->start = round->at = lane_spot_key(&round->ring.spot);
	round->itself = round->ring.turns > 0;
}

/* turns in that round of a lane with such a task */
static int
turns_of(Round *round, const KnownLane *lane, double task_weight)
{
	double		weight = queue_config_weight(round->admission->config,
											 lane->fairness_key, task_weight);
	double		number = round->ring.round;
	int			turns = (int) (floor((number + 1) * weight) - floor(number * weight));

	if (turns == 0)
		round->light = true;
	return round->take_light ? Max(turns, 1) : turns;
}

/* has the poll looked long enough?  But not yet at those that it has left out */
static bool
has_enough(Round *round)
{
	if (round->vain < RING_SLICE && round->wraps <= 2)
		return false;
	if (round->served || !round->light || round->take_light)
		return true;
	round->take_light = true;
	round->vain = round->wraps = 0;
	return false;
}

/* move the ring; false when somebody else has, and it was read again */
static bool
move(Round *round)
{
	const QueueKey *queue = &round->admission->queue.key;

	if (ring_move(queue, round->level, &round->ring))
		return true;
	ring_read(queue, round->level, &round->ring);
	return false;
}

/* the ring's place has no lane: begin at the next one, or the next round */
static void
move_on(Round *round)
{
	if (round->ring.turns > 0)
		round->ring.turns = 0;
	else
	{
		lane_spot_set(&round->ring.spot, round->level, NULL);
		round->ring.round++;
		round->wraps++;
	}
	(void) move(round);
}

/*
 * round_next: the lane whose turn it is, and how many tasks it may start,
 * "wanted" at most; NULL when none was found that may have a task.
 */
Lane *
round_next(Round *round, int wanted, int *turns)
{
	while (!has_enough(round))
	{
		Ring	   *ring = &round->ring;
		bool		again = ring->turns > 0;
		bool		due;
		KnownLane	lane;
		OpenPlace	first;

		CHECK_FOR_INTERRUPTS();
		if (!ready_lane_behind(round->ready, round->level,
							   lane_spot_key(&ring->spot), again, &lane, &first))
		{
			move_on(round);
			continue;
		}
		due = first.key.dispatch_time <= ready_now(round->ready);
		if (!again)
		{
			lane_spot_set(&ring->spot, round->level, lane.fairness_key);
			ring->turns = due ? turns_of(round, &lane, first.fairness_weight) : 0;
		}
		*turns = Min(ring->turns, wanted);
		ring->turns -= *turns;
		if (!move(round))
			continue;
		round->vain++;
		if (*turns > 0)
			return ready_make_lane(round->ready, &lane);
	}
	return NULL;
}

/*
 * round_served: of the turns that the last lane had, so many were used; if that
 * is not all of them the lane has no more tasks.
 */
void
round_served(Round *round, int turns, int claimed)
{
	if (claimed > 0)
	{
		round->served = true;
		round->vain--;
		round->wraps = 0;
	}
	if (claimed < turns && round->ring.turns > 0)
	{
		round->ring.turns = 0;
		(void) move(round);
	}
}

/*
 * round_peek: the next lane that may have a task, from where the ring stands
 * once round; NULL then.  The ring stays where it is.  Lowers *next to when the
 * first of those passed over is due.
 */
Lane *
round_peek(Round *round, TimestampTz *next)
{
	KnownLane	lane;
	OpenPlace	first;

	for (;;)
	{
		bool		itself = round->itself;

		CHECK_FOR_INTERRUPTS();
		round->itself = false;
		if (!ready_lane_behind(round->ready, round->level, round->at, itself,
							   &lane, &first))
		{
			if (itself)
				continue;
			if (round->start == NULL || round->wraps++ > 0)
				return NULL;
			round->at = NULL;
			continue;
		}
		if (round->wraps > 0 && text_compare(lane.fairness_key, round->start) > 0)
			return NULL;
		round->before = round->at;
		round->at = lane.fairness_key;
		round->vain++;
		if (first.key.dispatch_time <= ready_now(round->ready))
			return ready_make_lane(round->ready, &lane);
		*next = Min(*next, first.key.dispatch_time);
	}
}

/*
 * round_stop_before: the lane peeked at last has a task, and all before it from
 * where the ring stands had none: it comes next, unless others have been there.
 */
void
round_stop_before(Round *round)
{
	if (round->vain <= 1)
		return;					/* it does already, if it is not "at" itself */
	lane_spot_set(&round->ring.spot, round->level, round->before);
	round->ring.turns = 0;
	round->ring.round += round->wraps;
	(void) ring_move(&round->admission->queue.key, round->level, &round->ring);
}
