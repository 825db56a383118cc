/*
 * run_waiters.c
 *		Calls that wait for something to happen to a run.
 *
 * A waiter looks at once, but for the end of a run that this gateway has just
 * started.  What this gateway commits itself has it look again; most runs end
 * so, and soon.  Only who waits for longer has the database tell of what others
 * do: taskq.watch() and a channel that is listened to.  A look now and then
 * finds what was lost on that way.
 *
 * How long it waits before that is learned.  While no run ends but by commits
 * of this gateway, which costs nothing, it is more each time; the first that
 * ends by others makes it short again.
 */
#include "gateway/run_waiters.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/statuses.h"
#include "gateway/batch.h"
#include "gateway/fresh_runs.h"
#include "gateway/listening.h"
#include "gateway/memory.h"
#include "gateway/metrics.h"

/* microseconds */
#define LONGEST			29000000
#define MARGIN			1000000	/* before the client's deadline */
#define WATCH_AFTER_MIN	20000
#define WATCH_AFTER_MAX	250000
#define LOOK_EVERY		5000000

#define CHANNELS		16

static Map	by_run;
static Map	by_run_id;
static RunWaiter *all;
static int	count;
static Instant watch_after = WATCH_AFTER_MIN;

static double
read_count(void)
{
	return count;
}

static Metric waiting = {.kind = METRIC_GAUGE, .name = "taskq_gateway_run_waiters",
	.help = "Calls that wait for something to happen to an activity.", .read = read_count};

static void watch(void *arg);

/* ------------------------------------------------------------------------
 * Looking
 * ------------------------------------------------------------------------
 */

static void
look(void *arg)
{
	RunWaiter  *waiter = arg;

	if (waiter->is_looking)
	{
		waiter->is_touched = true;
		return;
	}
	loop_clear_timer(&waiter->next);
	waiter->is_looking = true;
	waiter->is_touched = false;
	waiter->look(waiter);
}

/* The time is over. */
static void
on_end(void *arg)
{
	RunWaiter  *waiter = arg;

	waiter->is_over = true;
	if (waiter->is_looking)
		return;
	run_waiter_done(waiter);
	waiter->give_up(waiter);
}

static void
on_gone(Call *call)
{
	RunWaiter  *waiter = call->state;

	loop_set_timer(&waiter->end, loop_now(), on_end, waiter);
}

static void
know_run_id(RunWaiter *waiter, int64_t run_id)
{
	waiter->run_id = run_id;
	map_add(&by_run_id, &waiter->by_run_id, &waiter->run_id, sizeof(waiter->run_id));
}

/*
 * Begin to wait.
 */
void
run_waiter_begin(RunWaiter *waiter)
{
	Call	   *call = waiter->call;
	Instant		end = loop_now() + LONGEST;
	int64_t		fresh = waiter->wants_end ? fresh_run_id(waiter->run) : 0;

	if (call->deadline != NEVER && call->deadline - MARGIN < end)
		end = call->deadline - MARGIN;
	if (call->is_gone)
		end = loop_now();
	metric_show(&waiting);
	count++;
	call->state = waiter;
	call->gone = on_gone;
	map_add(&by_run, &waiter->by_run, waiter->run, sizeof(waiter->run));
	waiter->behind = all;
	if (all != NULL)
		all->before = waiter;
	all = waiter;
	if (fresh != 0)
	{
		know_run_id(waiter, fresh);
		loop_set_timer(&waiter->next, loop_now() + watch_after, watch, waiter);
	}
	else
		look(waiter);
	loop_set_timer(&waiter->end, end, on_end, waiter);
}

/*
 * A look has shown that it has to wait on; and the id of its run.
 */
void
run_waiter_seen(RunWaiter *waiter, int64_t run_id)
{
	if (waiter->run_id == 0)
		know_run_id(waiter, run_id);
	waiter->is_looking = false;
	waiter->is_ours = false;
	if (waiter->is_over)
		on_end(waiter);
	else if (waiter->is_touched)
		look(waiter);
	else if (waiter->is_watched)
		loop_set_timer(&waiter->next, loop_now() + LOOK_EVERY, look, waiter);
	else
		loop_set_timer(&waiter->next, loop_now() + watch_after, watch, waiter);
}

/* Who has made end what was waited for, if it was? */
static void
learn(const RunWaiter *waiter)
{
	if (waiter->is_over || waiter->run_id == 0)
		return;
	watch_after = waiter->is_ours ? watch_after + watch_after / 32 : WATCH_AFTER_MIN;
	if (watch_after > WATCH_AFTER_MAX)
		watch_after = WATCH_AFTER_MAX;
}

/*
 * It does not wait any more: to be called before it is freed.
 */
void
run_waiter_done(RunWaiter *waiter)
{
	count--;
	learn(waiter);
	waiter->call->gone = NULL;
	loop_clear_timer(&waiter->end);
	loop_clear_timer(&waiter->next);
	map_remove(&by_run, &waiter->by_run);
	if (waiter->run_id != 0)
		map_remove(&by_run_id, &waiter->by_run_id);
	if (waiter->behind != NULL)
		waiter->behind->before = waiter->before;
	if (waiter->before != NULL)
		waiter->before->behind = waiter->behind;
	else
		all = waiter->behind;
}

/* ------------------------------------------------------------------------
 * Watching
 * ------------------------------------------------------------------------
 */

static const Statement watch_statement = {
	"watch",
	"SELECT w.place::int4 FROM unnest(taskq.watch(run_ids => $1)) WITH ORDINALITY w (channel, place)",
	1, false
};

/* A run that is to be watched: who waits for it may be gone when it is. */
typedef struct Watched
{
	int64_t		run_id;
} Watched;

static void
bind_watch(const void *item, SqlArray *arrays)
{
	char		run_id[24];

	snprintf(run_id, sizeof(run_id), "%" PRId64, ((const Watched *) item)->run_id);
	sql_array_add(&arrays[0], run_id);
}

/* Of a run that goes on, who waits for its end has nothing to look for. */
static void
touch_run_id(int64_t run_id, bool is_watched, bool has_ended)
{
	MapLink    *next;

	/* a look never ends before it returns, so the chain stays */
	for (MapLink *link = map_find(&by_run_id, &run_id, sizeof(run_id)); link != NULL; link = next)
	{
		RunWaiter  *waiter = (RunWaiter *) ((char *) link - offsetof(RunWaiter, by_run_id));

		next = map_next(link);
		if (is_watched)
			waiter->is_watched = true;
		if (has_ended || !waiter->wants_end)
			look(waiter);
	}
}

/* What happened before it was watched has to be looked for. */
static void
on_watched(void *item, DatabaseOutcome outcome, const PGresult *result, int row)
{
	Watched    *watched = item;

	(void) result;
	touch_run_id(watched->run_id, outcome == DATABASE_OK && row >= 0, true);
	free(watched);
}

static const BatchKind watch_kind = {&watch_statement, bind_watch, on_watched, false};

static void
watch(void *arg)
{
	RunWaiter  *waiter = arg;
	Watched    *watched = memory_new(sizeof(Watched));

	/* there are sixteen, whatever runs are watched; first they are listened to */
	for (int i = 0; i < CHANNELS; i++)
	{
		char		channel[24];

		snprintf(channel, sizeof(channel), "taskq_runs_%d", i);
		listening_add(channel);
	}
	watched->run_id = waiter->run_id;
	batch_add(&watch_kind, waiter->call->role, watched);
	loop_set_timer(&waiter->next, loop_now() + LOOK_EVERY, look, waiter);
}

/* ------------------------------------------------------------------------
 * Being touched
 * ------------------------------------------------------------------------
 */

static void
touch_run(const uint8_t *run, bool has_completed, Temporal__Payloads *result)
{
	MapLink    *next;

	fresh_run_forget(run);
	for (MapLink *link = map_find(&by_run, run, 16); link != NULL; link = next)
	{
		RunWaiter  *waiter = (RunWaiter *) ((char *) link - offsetof(RunWaiter, by_run));

		next = map_next(link);
		waiter->is_ours = true;
		/* what is looking ends with that */
		if (waiter->is_looking || !has_completed || waiter->completed == NULL ||
			!waiter->completed(waiter, result))
			look(waiter);
	}
}

/*
 * Something has happened to a run, by a commit of our own.
 */
void
run_touched(const uint8_t *run)
{
	touch_run(run, false, NULL);
}

/*
 * A run has completed, by a commit of our own; NULL: without a result.
 */
void
run_completed(const uint8_t *run, Temporal__Payloads *result)
{
	touch_run(run, true, result);
}

/*
 * Something has happened to a run, by a notification; NULL: perhaps to any.
 */
void
run_waiters_notified(const char *payload)
{
	char	   *status;
	int64_t		run_id;

	if (payload != NULL)
	{
		run_id = strtoll(payload, &status, 10);
		touch_run_id(run_id, false, strcmp(status, " " STATUS_RUNNING) != 0 &&
					 strcmp(status, " " STATUS_PAUSED) != 0);
		return;
	}
	/* what was watched may be forgotten */
	for (RunWaiter *waiter = all; waiter != NULL; waiter = waiter->behind)
	{
		waiter->is_watched = false;
		look(waiter);
	}
}

/*
 * Give all of them up, at the end of the program.
 */
void
run_waiters_give_up(void)
{
	RunWaiter  *next;

	for (RunWaiter *waiter = all; waiter != NULL; waiter = next)
	{
		next = waiter->behind;
		on_end(waiter);
	}
}
