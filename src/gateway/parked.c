/*
 * parked.c
 *		Polls that wait for a task.
 *
 * A poll looks once as it comes, and is parked in its queue when there is
 * nothing.  The oldest ones of a queue look again when there may be something:
 * after a commit of our own, of which is known how many tasks it added; after
 * a notification, that only says that there are some, so that each look that
 * finds a task has two more look; and every few seconds in any case.
 *
 * What a look finds for a poll that is over by now, or whose answer is lost on
 * its way, is given back: its attempt is not counted.
 */
#include "gateway/parked.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "gateway/batch.h"
#include "gateway/delivery.h"
#include "gateway/listening.h"
#include "gateway/map.h"
#include "gateway/memory.h"
#include "gateway/metrics.h"
#include "gateway/result_values.h"
#include "gateway/stopped_workers.h"

/* microseconds */
#define LONGEST			60000000
#define MARGIN			1000000	/* before the client's deadline */
#define LOOK_EVERY		5000000
#define FORGET_AFTER	INT64_C(600000000)
#define MARK_AGAIN		INT64_C(1800000000)
#define TOKEN_MIN		100000

typedef struct Park Park;

/* A queue as polls of one role and kind see it. */
typedef struct Queue
{
	MapLink		link;
	struct Queue *before;		/* of all queues */
	struct Queue *behind;
	const char *role;
	const ParkedKind *kind;
	Park	   *first;			/* the oldest */
	Park	   *last;
	int			idle;			/* parks that do not look at the moment */
	int			looking;
	int			wanted;			/* so many of them should look */
	bool		is_deep;		/* nobody knows how many tasks there are */
	bool		is_awaited;		/* the end of this turn */
	bool		is_marking;		/* with the database, for notifications */
	Instant		marked;			/* when it was; 0: it is not */
	LoopTimer	token;			/* the next task that the rate allows */
	Instant		used;			/* when there was a park last */
	char		name[];			/* the key in the map */
} Queue;

struct Park
{
	Call	   *call;
	Queue	   *queue;
	Park	   *before;			/* in its queue */
	Park	   *behind;
	LoopTimer	end;
	bool		is_looking;
	bool		is_over;		/* answer empty when the look is done, or give back */
	double		rate;
	char	   *worker;
	char		identity[];
};

static Map	queues;
static Queue *all;
static int	count;

static double
read_count(void)
{
	return count;
}

static Metric parked = {.kind = METRIC_GAUGE, .name = "taskq_gateway_parked_polls",
	.help = "Polls that wait for a task.", .read = read_count};
static bool is_ending;
static char channel[64];		/* that tells of queues; "": not known yet */
static LoopTimer look_timer;

static void try_queue(void *arg);

static bool
is_channel(const char *name)
{
	return strcmp(channel, name) == 0;
}

/* ------------------------------------------------------------------------
 * Parks in their queues
 * ------------------------------------------------------------------------
 */

static void
append(Queue *queue, Park *park)
{
	park->before = queue->last;
	if (queue->last != NULL)
		queue->last->behind = park;
	else
		queue->first = park;
	queue->last = park;
	queue->idle++;
	queue->used = loop_now();
	count++;
	metric_show(&parked);
}

/* Answered: it is not there any more. It does not look. */
static void
remove_park(Park *park)
{
	Queue	   *queue = park->queue;

	park->call->gone = NULL;
	loop_clear_timer(&park->end);
	if (park->before != NULL)
		park->before->behind = park->behind;
	else
		queue->first = park->behind;
	if (park->behind != NULL)
		park->behind->before = park->before;
	else
		queue->last = park->before;
	queue->idle--;
	queue->used = loop_now();
	count--;
	free(park->worker);
	free(park);
}

static void
answer_empty(Park *park)
{
	Call	   *call = park->call;
	const ParkedKind *kind = park->queue->kind;

	remove_park(park);
	kind->answer_empty(call);
}

/* Its time is over, or nobody waits, or its worker stops. */
static void
on_end(void *arg)
{
	Park	   *park = arg;

	park->is_over = true;
	if (!park->is_looking)
		answer_empty(park);
}

static void
on_gone(Call *call)
{
	Park	   *park = call->state;

	loop_set_timer(&park->end, loop_now(), on_end, park);
}

/* ------------------------------------------------------------------------
 * Looking
 * ------------------------------------------------------------------------
 */

static void
try_soon(Queue *queue)
{
	if (queue->is_awaited)
		return;
	queue->is_awaited = true;
	loop_at_end_of_turn(try_queue, queue);
}

static void
want(Queue *queue, int more)
{
	if (queue->kind->poll.statement == NULL)
		return;
	queue->wanted += more;
	if (queue->wanted > queue->idle + more)
		queue->wanted = queue->idle + more;
	try_soon(queue);
}

/*
 * The elements of a poll in the arrays of its statement.
 */
void
parked_bind(const void *item, SqlArray *arrays)
{
	const Park *park = item;
	char		rate[32];

	snprintf(rate, sizeof(rate), "%.17g", park->rate);
	sql_array_add(&arrays[0], park->queue->name);
	sql_array_add(&arrays[1], *park->identity != '\0' ? park->identity : NULL);
	sql_array_add(&arrays[2], park->rate > 0 ? rate : NULL);
}

static void
on_given_back(const char *name)
{
	parked_wake(name, 1);
}

/* A task for a park that looked: its answer, or back it goes. */
static void
take_task(Park *park, const PGresult *result, int row)
{
	Queue	   *queue = park->queue;
	Call	   *call = park->call;
	void	   *delivery = delivery_new(queue->role, queue->name, row_uuid(result, row, 1),
									   on_given_back);

	remove_park(park);
	if (queue->is_deep)
		want(queue, 2);
	if (call->is_gone)
	{
		queue->kind->answer_empty(call);
		delivery_done(delivery, false);
	}
	else
		queue->kind->deliver(call, result, row, delivery_done, delivery);
}

/*
 * An error that is not a hiccup of the database is an answer: never one that
 * a worker would stop for.
 */
static bool
is_lasting(DatabaseOutcome outcome, const PGresult *result)
{
	const char *state;

	if (outcome == DATABASE_DENIED)
		return true;
	if (outcome != DATABASE_ERROR && outcome != DATABASE_BROKEN)
		return false;
	state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	return state != NULL && strncmp(state, "57P", 3) != 0 && strncmp(state, "08", 2) != 0 &&
		strncmp(state, "53", 2) != 0 && strncmp(state, "40", 2) != 0 &&
		strcmp(state, "57014") != 0 && strcmp(state, "55P03") != 0;
}

/* There may be any number of tasks. */
static void
try_deep(void *arg)
{
	Queue	   *queue = arg;

	queue->is_deep = true;
	if (queue->wanted == 0)
		want(queue, 1);
}

/* Who limits a queue hears of no notification for what the limit held back. */
static void
await_token(Queue *queue, double rate)
{
	double		pause = 1e6 / rate;

	if (queue->token.place != 0 || pause > LOOK_EVERY)
		return;
	loop_set_timer(&queue->token, loop_now() + (pause < TOKEN_MIN ? TOKEN_MIN : (Instant) pause),
				   try_deep, queue);
}

/*
 * What a look of a poll has brought.
 */
void
parked_looked(void *item, DatabaseOutcome outcome, const PGresult *result, int row)
{
	Park	   *park = item;
	Queue	   *queue = park->queue;

	park->is_looking = false;
	queue->idle++;
	queue->looking--;
	if (row >= 0)
		take_task(park, result, row);
	else if (is_lasting(outcome, result) && !park->is_over)
	{
		Call	   *call = park->call;

		remove_park(park);
		queue->kind->fail(call, outcome, result);
	}
	else
	{
		if (outcome == DATABASE_OK)
			queue->is_deep = false;
		if (park->rate > 0)
			await_token(queue, park->rate);
		if (park->is_over)
			answer_empty(park);
		else if (queue->wanted > 0)
			try_soon(queue);
	}
}

static void
look(Park *park)
{
	Queue	   *queue = park->queue;

	park->is_looking = true;
	queue->idle--;
	queue->looking++;
	batch_add(&queue->kind->poll, queue->role, park);
}

/* Have as many of the oldest ones look as there may be tasks. */
static void
try_queue(void *arg)
{
	Queue	   *queue = arg;

	queue->is_awaited = false;
	for (Park *park = queue->first; park != NULL && queue->wanted > 0; park = park->behind)
	{
		if (park->is_looking || park->is_over)
			continue;
		queue->wanted--;
		look(park);
	}
	if (queue->looking == 0)
		queue->wanted = 0;
}

/* ------------------------------------------------------------------------
 * Queues
 * ------------------------------------------------------------------------
 */

/* Unique among the gateways of a database. */
static const char *
listener_name(void)
{
	static char name[40];
	uint64_t	random;

	while (name[0] == '\0')
		if (getrandom(&random, sizeof(random), 0) == sizeof(random))
			snprintf(name, sizeof(name), "gateway-%016" PRIx64, random);
	return name;
}

static const Statement listen_statement = {
	"listen",
	"SELECT s.place, w.channel"
	" FROM generate_series(1, cardinality($2::text[])) s (place),"
	" (SELECT taskq.listen(listener => ($1::text[])[1], task_queues => $2) OFFSET 0) w (channel)",
	2, false
};

static void
bind_listen(const void *item, SqlArray *arrays)
{
	sql_array_add(&arrays[0], listener_name());
	sql_array_add(&arrays[1], ((const Queue *) item)->name);
}

/* What came between the first look and now has told nobody. */
static void
on_marked(void *item, DatabaseOutcome outcome, const PGresult *result, int row)
{
	Queue	   *queue = item;

	queue->is_marking = false;
	if (outcome != DATABASE_OK || row < 0)
		return;
	queue->marked = loop_now();
	if (!is_channel(row_text(result, row, 1)))
		snprintf(channel, sizeof(channel), "%s", row_text(result, row, 1));
	listening_add(channel);
	try_deep(queue);
}

static const BatchKind listen_kind = {&listen_statement, bind_listen, on_marked, false};

static void
mark(Queue *queue)
{
	if (queue->is_marking || queue->kind->poll.statement == NULL ||
		(queue->marked != 0 && loop_now() < queue->marked + MARK_AGAIN))
		return;
	queue->is_marking = true;
	batch_add(&listen_kind, queue->role, queue);
}

static Queue *
find_queue(const char *name, const char *role, const ParkedKind *kind)
{
	size_t		length = strlen(name);
	Queue	   *queue;

	for (MapLink *link = map_find(&queues, name, length); link != NULL; link = map_next(link))
	{
		queue = (Queue *) link;
		if (queue->role == role && queue->kind == kind)
			return queue;
	}
	queue = memory_new(sizeof(Queue) + length + 1);
	memcpy(queue->name, name, length);
	queue->role = role;
	queue->kind = kind;
	map_add(&queues, &queue->link, queue->name, length);
	queue->behind = all;
	if (all != NULL)
		all->before = queue;
	all = queue;
	return queue;
}

static void
forget_queue(Queue *queue)
{
	loop_clear_timer(&queue->token);
	map_remove(&queues, &queue->link);
	if (queue->behind != NULL)
		queue->behind->before = queue->before;
	if (queue->before != NULL)
		queue->before->behind = queue->behind;
	else
		all = queue->behind;
	free(queue);
}

/* Every few seconds. */
static void
look_at_all(void *arg)
{
	Queue	   *next;

	(void) arg;
	for (Queue *queue = all; queue != NULL; queue = next)
	{
		next = queue->behind;
		if (queue->first != NULL)
		{
			mark(queue);
			try_deep(queue);
		}
		else if (!queue->is_awaited && !queue->is_marking &&
				 loop_now() > queue->used + FORGET_AFTER)
			forget_queue(queue);
	}
	loop_set_timer(&look_timer, loop_now() + LOOK_EVERY, look_at_all, NULL);
}

/* ------------------------------------------------------------------------
 * What others call
 * ------------------------------------------------------------------------
 */

/*
 * Answer the call with a task, or empty when its time is over.
 */
void
parked_add(Call *call, const ParkedPoll *poll)
{
	Queue	   *queue = find_queue(poll->queue, call->role, poll->kind);
	Park	   *park = memory_new(sizeof(Park) + strlen(poll->identity) + 1);
	Instant		end = loop_now() + LONGEST;
	bool		is_late = is_ending || stopped_worker_is(poll->worker);

	if (call->deadline != NEVER && call->deadline - MARGIN < end)
		end = call->deadline - MARGIN;
	strcpy(park->identity, poll->identity);
	park->call = call;
	park->queue = queue;
	park->rate = poll->rate;
	park->worker = memory_text(poll->worker);
	call->state = park;
	call->gone = on_gone;
	append(queue, park);
	loop_set_timer(&park->end, is_late ? loop_now() : end, on_end, park);
	if (is_late || poll->kind->poll.statement == NULL)
		return;
	look(park);
	mark(queue);
	if (look_timer.place == 0)
		loop_set_timer(&look_timer, loop_now() + LOOK_EVERY, look_at_all, NULL);
}

/*
 * So many tasks were added to the queue, by a commit of our own.
 */
void
parked_wake(const char *name, int tasks)
{
	MapLink    *link = map_find(&queues, name, strlen(name));

	for (; link != NULL; link = map_next(link))
		if (((Queue *) link)->first != NULL)
			want((Queue *) link, tasks);
}

/*
 * The queue may have tasks, says a notification; NULL: any queue may. false: the
 * channel is not one that tells of queues.
 */
bool
parked_notified(const char *from, const char *name)
{
	MapLink    *link;

	if (from == NULL)
	{
		for (Queue *queue = all; queue != NULL; queue = queue->behind)
		{
			/* marks go with the session that listened */
			queue->marked = 0;
			if (queue->first == NULL)
				continue;
			mark(queue);
			try_deep(queue);
		}
		return true;
	}
	if (!is_channel(from))
		return false;
	for (link = map_find(&queues, name, strlen(name)); link != NULL; link = map_next(link))
		if (((Queue *) link)->first != NULL)
			try_deep(link);
	return true;
}

/*
 * Answer the polls of a worker that stops, empty.
 */
void
parked_stop_worker(const char *worker, const char *sticky_queue)
{
	stopped_worker_note(worker);
	for (Queue *queue = all; queue != NULL; queue = queue->behind)
	{
		bool		is_sticky = *sticky_queue != '\0' && strcmp(queue->name, sticky_queue) == 0;
		Park	   *next;

		for (Park *park = queue->first; park != NULL; park = next)
		{
			next = park->behind;
			if (is_sticky || (*worker != '\0' && strcmp(park->worker, worker) == 0))
				on_end(park);
		}
	}
}

/*
 * Answer all of them empty, and those that come from now on.
 */
void
parked_answer_all_empty(void)
{
	is_ending = true;
	for (Queue *queue = all; queue != NULL; queue = queue->behind)
	{
		Park	   *next;

		for (Park *park = queue->first; park != NULL; park = next)
		{
			next = park->behind;
			on_end(park);
		}
	}
}
