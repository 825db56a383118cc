/*
 * claim.c
 *		Handing attempts to workers: the start of an attempt.
 *
 * A poll looks at the lanes of the queue level by level, takes the best
 * candidate of all lanes of a level, and starts it by writing over the version
 * that it saw.  What another transaction has taken or holds is skipped, never
 * waited for: that is why two polls never start the same attempt, and why a
 * rolled-back poll leaves the task as it was.
 *
 * What is claimed goes to a sink, one task at a time; who asks may be SQL or C.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "base/grow.h"
#include "engine/admission.h"
#include "engine/claim.h"
#include "engine/fairness.h"
#include "engine/queue_config.h"
#include "engine/round.h"
#include "engine/token.h"
#include "notes/effects.h"
#include "notes/ledger.h"
#include "shared/queue_state.h"
#include "shared/ring.h"
#include "shared/tell.h"
#include "shared/waiters.h"
#include "store/lane.h"
#include "store/ready.h"
#include "task/kinds.h"
#include "task/queue_keys.h"
#include "task/store_result.h"

/* A poll in progress. */
typedef struct Poll
{
	TaskSink	sink;
	void	   *sink_arg;
	const Admission *admission;
	const Kind *kind;			/* of the queue's tasks */
	const ClaimRequest *request;
	int			started;		/* so far */
	int			wanted;
	TimestampTz now;
} Poll;

/* looks of one poll that has found nothing while tasks came */
#define MAX_LOOKS		8

/* whom the next task is for */
static const char *
next_identity(const Poll *poll)
{
	const ClaimRequest *request = poll->request;

	Assert(poll->started < request->max_tasks);
	return request->identities == NULL ? request->identity :
		request->identities[poll->started];
}

/* start the lane's candidate; false when somebody else has it */
static bool
claim(Poll *poll, Lane *lane)
{
	const QueueRef *queue = &poll->admission->queue;
	Start		start = {poll->now, next_identity(poll), token_new_nonce()};
	TaskRoom	room;
	Task	   *task = &room.task;
	TimestampTz deadline;
	bool		started_before;
	bool		timer_reserved = effects_reserve_timer();

	lane_task(lane, &room);
	started_before = task->started_time != DT_NOBEGIN;
	if (!poll->kind->start(task, &start))
		return false;
	deadline = poll->kind->next_deadline(task, DT_NOBEGIN).when;
	if (!timer_reserved)
		task->alarm = deadline;
	if (lane_claim(lane, task) != STORE_OK)
		return false;

	if (timer_reserved)
		effects_attempt_started(task->run_id, task->nonce, deadline);
	else
	{
		effects_alarm(task->alarm);
		effects_run_changed(task->run_id, task->state);
	}
	ledger_open(queue, task, STATE_SCHEDULED, -1);
	ledger_count(queue, COUNT_STARTED, 1);
	ledger_duration(queue, COUNT_SCHEDULE_TO_START_FIRST,
					task->started_time - task->dispatch_time);
	poll->started++;
	poll->sink(poll->sink_arg, task, started_before);
	return true;
}

/* the candidate to hand out next */
static Lane *
best_lane(Lane **lanes, int n)
{
	Lane	   *best = NULL;
	double		best_pass = 0;

	for (int i = 0; i < n; i++)
	{
		Lane	   *lane = lanes[i];
		double		pass;

		if (lane == NULL)
			continue;
		pass = lane->pass + fairness_stride(lane);
		if (best == NULL || pass < best_pass ||
			(pass == best_pass && ready_key_before(lane->place, best->place)))
		{
			best = lane;
			best_pass = pass;
		}
	}
	return best;
}

static void
drop_lane(Lane **lanes, int n, Lane *lane)
{
	for (int i = 0; i < n; i++)
		if (lanes[i] == lane)
			lanes[i] = NULL;
	lane_end(lane);
}

/*
 * The lane whose candidate is next, NULL when there is none.  A lane that was
 * not looked at yet stands where its cursor does, which is not behind its
 * candidate, and is taken for as heavy as it was last: so few are looked at.
 */
static Lane *
choose_lane(const Admission *admission, Lane **lanes, int n)
{
	Lane	   *lane;
	bool		found;

	while ((lane = best_lane(lanes, n)) != NULL && !lane->opened)
	{
		CHECK_FOR_INTERRUPTS();
		lane->opened = true;
		found = lane_next(lane);
		fairness_seen(admission, lane, found);
		if (!found)
			drop_lane(lanes, n, lane);
	}
	return lane;
}

/* hand out tasks of one level */
static void
poll_level(Poll *poll, Lane **lanes, int n)
{
	Lane	   *lane;

	fairness_begin(poll->admission, lanes, n);
	while (poll->wanted > 0 &&
		   (lane = choose_lane(poll->admission, lanes, n)) != NULL)
	{
		CHECK_FOR_INTERRUPTS();
		if (!fairness_admit(poll->admission, lane))
		{
			drop_lane(lanes, n, lane);
			continue;
		}
		if (claim(poll, lane))
		{
			poll->wanted--;
			fairness_dispatched(poll->admission, lane);
		}
		else
			fairness_refund(poll->admission, lane);
		if (poll->wanted > 0 && !lane_next(lane))
			drop_lane(lanes, n, lane);
	}
	for (int i = 0; i < n; i++)
		if (lanes[i] != NULL)
			lane_end(lanes[i]);
}

/*
 * Collect the lanes of the level after "lane" (or of the first one), at least
 * one.  Returns the first lane of the level that follows, or NULL.  Where lanes
 * are not listed it gives up after one more than can be compared.
 */
static Lane *
collect_level(ReadyScan *ready, Lane *lane, Lane ***lanes, int *n, int *max)
{
	int16		level = lane->level;

	*n = 0;
	while (lane != NULL && lane->level == level)
	{
		*lanes = grow(*lanes, NULL, max, *n + 1, sizeof(Lane *),
					  CurrentMemoryContext);
		(*lanes)[(*n)++] = lane;
		if (*n > ring_few_lanes() && !ready_is_listed(ready))
			return NULL;
		lane = ready_next_lane(ready, lane);
	}
	return lane;
}

/* hand out tasks of one level, whose lanes are too many to be compared */
static void
poll_round(Poll *poll, ReadyScan *ready, int16 level)
{
	Round		round;
	Lane	   *lane;
	int			turns;

	round_begin(&round, poll->admission, ready, level);
	while (poll->wanted > 0 &&
		   (lane = round_next(&round, poll->wanted, &turns)) != NULL)
	{
		int			claimed = 0;

		while (claimed < turns && lane_next(lane) &&
			   fairness_admit(poll->admission, lane))
		{
			CHECK_FOR_INTERRUPTS();
			if (claim(poll, lane))
				claimed++;
			else
				fairness_refund(poll->admission, lane);
		}
		lane_end(lane);
		poll->wanted -= claimed;
		round_served(&round, turns, claimed);
	}
}

/*
 * Likewise where it is not known how many there are: they are compared if they
 * are few.  Returns the first lane of the level that follows, or NULL.
 */
static Lane *
poll_unlisted_level(Poll *poll, ReadyScan *ready, Lane *first)
{
	const QueueKey *queue = &poll->admission->queue.key;
	int16		level = first->level;
	int			max = 0;
	Lane	  **lanes = NULL;
	int			n;
	Lane	   *next;
	KnownLane	known;

	if (!ring_is_large(queue, level))
	{
		next = collect_level(ready, first, &lanes, &n, &max);
		if (n <= ring_few_lanes())
		{
			poll_level(poll, lanes, n);
			return next;
		}
		ring_found_large(queue, level);
	}
	poll_round(poll, ready, level);
	return ready_level_behind(ready, level, &known) ?
		ready_make_lane(ready, &known) : NULL;
}

/* go through the levels until enough is claimed */
static void
poll_levels(Poll *poll, ReadyScan *ready)
{
	int			max = 0;
	Lane	  **lanes = NULL;
	int			n;
	Lane	   *lane;

	ready_open(ready, poll->wanted, !fairness_may_refuse(poll->admission));
	lane = ready_next_lane(ready, NULL);
	poll->now = Max(poll->now, ready_now(ready));
	while (lane != NULL && poll->wanted > 0)
	{
		if (!ready_is_listed(ready))
		{
			lane = poll_unlisted_level(poll, ready, lane);
			continue;
		}
		lane = collect_level(ready, lane, &lanes, &n, &max);
		poll_level(poll, lanes, n);
	}
	ready_end(ready);
}

/*
 * Who finds nothing looks again if tasks came meanwhile: others may have taken
 * what was there when he looked, and left what came since.
 */
static void
poll_until_found(Poll *poll, ReadyScan *ready)
{
	int			wanted = poll->wanted;

	poll_levels(poll, ready);
	for (int looks = 1; looks < MAX_LOOKS && poll->wanted == wanted &&
		 ready_news(ready); looks++)
	{
		CHECK_FOR_INTERRUPTS();
		ready = ready_look(&poll->admission->queue, clock_now());
		poll_levels(poll, ready);
	}
}

/*
 * claim_tasks: start up to max_tasks attempts, and hand each to the sink as
 * soon as it is started; what the sink gets is valid during that call.  Of an
 * empty queue nothing is wanted, so that it costs no tokens.
 */
void
claim_tasks(const ClaimRequest *request, TaskSink sink, void *sink_arg)
{
	const QueueRef *queue = &request->queue;
	ReadyScan  *ready = ready_look(queue, clock_now());
	Admission	admission;
	Poll		poll;
	int			claimed;

	admission_grant(&admission, queue,
					request->identities ? request->identities : (char **) &request->identity,
					request->identities ? request->max_tasks : 1,
					ready_is_empty(ready) ? 0 : request->max_tasks,
					request->max_tasks_per_second);
	poll.sink = sink;
	poll.sink_arg = sink_arg;
	poll.admission = &admission;
	poll.kind = kind_of_queue(queue->name);
	poll.request = request;
	poll.started = 0;
	poll.wanted = admission.granted;
	poll.now = clock_now();
	if (admission.granted > 0)
	{
		/* before anything is taken: what an error leaves is told as well */
		effects_polled(&queue->key, admission.granted);
		poll_until_found(&poll, ready);
		effects_polled(&queue->key, -poll.wanted);
	}
	Assert(poll.wanted >= 0);
	claimed = admission.granted - poll.wanted;
	admission_settle(&admission, claimed);
	wait_polled(queue->key.hash);
	if (claimed == 0)
		tell_hungry(queue->key.hash);
	Assert(claimed == poll.started);
	if (request->identities != NULL)
		ledger_count(queue, COUNT_EMPTY_POLLS, request->max_tasks - claimed);
	else if (claimed == 0)
		ledger_count(queue, COUNT_EMPTY_POLLS, 1);
}

/* tasks that a poll would find in a lane: 0, 1, or 2 for more */
static int
ready_in_lane(const Admission *admission, Lane *lane, TimestampTz *next)
{
	int			found = 0;

	while (found < 2 && lane_next(lane))
	{
		if (!fairness_would_admit(admission, lane, next))
			break;
		if (lane_is_free(lane))
			found++;
	}
	lane_end(lane);
	return found;
}

/* likewise on a level whose lanes are not listed; 2 may also be 1 */
static int
ready_in_round(const Admission *admission, ReadyScan *ready, int16 level,
			   TimestampTz *next)
{
	int			found = 0;
	int			enough = 0;
	Round		round;
	Lane	   *lane;

	round_begin(&round, admission, ready, level);
	while (found < 2 && (lane = round_peek(&round, next)) != NULL)
	{
		int			n = ready_in_lane(admission, lane, next);

		if (found == 0 && n > 0)
		{
			round_stop_before(&round);
			enough = round.vain + RING_SLICE;
		}
		found += n;
		if (found > 0 && round.vain >= enough)
			return 2;
	}
	return found;
}

/* how many tasks are ready: 0, 1, or 2 for more */
static int
count_ready(const Admission *admission, ReadyScan *ready, TimestampTz *next)
{
	Lane	   *lane = NULL;
	KnownLane	first = {.level = PG_INT16_MIN};
	int			found = 0;

	if (ready_is_listed(ready))
		while (found < 2 && (lane = ready_next_lane(ready, lane)) != NULL)
		{
			CHECK_FOR_INTERRUPTS();
			found += ready_in_lane(admission, lane, next);
		}
	else
		while (found < 2 && ready_level_behind(ready, first.level, &first))
			found += ready_in_round(admission, ready, first.level, next);
	return found;
}

/*
 * claim_ready: would a poll now return tasks?  0, 1, or 2 for more.  If not 2,
 * *next is the instant at which to look for another one unless something
 * changes.
 */
int
claim_ready(const QueueRef *queue, TimestampTz *next)
{
	Admission	admission = {0};
	ReadyScan  *ready;
	int			found;

	if (!admission_would_grant(queue, next))
		return 0;
	*next = DT_NOEND;
	admission.queue = *queue;
	admission.config = queue_config(queue);
	ready = ready_look(queue, clock_now());
	ready_open(ready, 0, false);
	found = count_ready(&admission, ready, next);
	*next = Min(*next, ready_next_due(ready));
	ready_end(ready);
	return found;
}
