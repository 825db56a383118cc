/*
 * run_sticky.c
 *		Sticky queues: workers that have runs cached, and those that have gone.
 *
 * Stickiness saves the transfer of a history, and decides nothing.
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "base/clock.h"
#include "base/texts.h"
#include "engine/run_lock.h"
#include "engine/run_sticky.h"
#include "engine/run_world.h"
#include "engine/run_write.h"
#include "model/run_task.h"
#include "shared/pollers.h"
#include "store/find_run.h"

static text *
queue_of(const text *sticky_queue)
{
	return cstring_to_text(psprintf(STICKY_QUEUE_PREFIX "%s", text_to_cstring(sticky_queue)));
}

/* the task that waits for the worker waits for any */
static void
move(int64 run_id, const text *queue)
{
	RunWritten	written = {0};
	Run			before;
	Run			run;
	RunStep		step;

	if (run_lock(run_id, RUN_LOCK_STEP, true, &before) != RUN_LOCKED ||
		before.task.state != STATE_SCHEDULED || !text_equal(before.task.queue, queue))
		return;
	run = before;
	run_step_begin(&step, &run, &run_world, clock_now(), NULL);
	run_move_home(&step);
	run_write(&step, &before, &written);
}

/*
 * run_sticky_gone: the worker polls its queue no more: it is forgotten, and what waits
 * there goes to the queues of its workflows.
 */
void
run_sticky_gone(const text *sticky_queue)
{
	text	   *queue = queue_of(sticky_queue);
	QueueKey	key = queue_key(queue);
	int64	   *run_ids;
	int			n;

	pollers_forget(&key);
	n = find_runs_in_queue(queue, &run_ids);
	for (int i = 0; i < n; i++)
		move(run_ids[i], queue);
}

/* run_sticky_reset: the run is cached nowhere; false: there is no such open run. */
bool
run_sticky_reset(int64 run_id)
{
	RunWritten	written = {0};
	Run			before;
	Run			run;
	RunStep		step;

	if (run_lock(run_id, RUN_LOCK_STEP, true, &before) != RUN_LOCKED)
		return false;
	run = before;
	run_step_begin(&step, &run, &run_world, clock_now(), NULL);
	run_reset_sticky(&step);
	run_write(&step, &before, &written);
	return true;
}
