/*
 * run_retire.c
 *		A run's history has left a leaf.
 */
#include "postgres.h"

#include "engine/run_retire.h"
#include "engine/tasks.h"
#include "store/find_run.h"

/*
 * run_left_leaf: an open run has no appends in the leaf any more: its row says so
 * from now on, and who reads the history need not look there.  One that somebody
 * holds is left as it is, since looking is all that it costs; a closed one, too.
 */
void
run_left_leaf(int64 run_id, int leaf)
{
	Run			run;
	QueueRef	queue;

	if (!find_run(run_id, &run) || !(run.history_leaves & 1 << leaf))
		return;
	run.history_leaves &= ~(1 << leaf);
	queue = queue_ref(run.task.queue);
	(void) task_touch(&run.task, &queue, false);
}
