/*
 * test_hooks.c
 *		Losing what shared memory knows, and counting work, for tests.
 *
 * The extension does not declare these functions; a test does:
 *
 *		CREATE FUNCTION forget_hints() RETURNS void
 *			LANGUAGE c AS 'taskq', 'taskq_forget_hints';
 *
 * Whatever a test does with them under load, no task may be lost, or handed out
 * twice.
 */
#include "postgres.h"

#include <sys/stat.h>

#include "access/xact.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "notes/marks.h"
#include "shared/counts.h"
#include "shared/cursor_table.h"
#include "shared/delays.h"
#include "shared/directory.h"
#include "shared/heartbeat_slots.h"
#include "shared/layout.h"
#include "shared/queue_locks.h"
#include "shared/queue_state.h"
#include "shared/queues.h"
#include "task/task.h"

/*
 * Put nonsense in the place of the numbers of this database, and let it be
 * known that they are not known.
 */
static void
forget_counts(void)
{
	QueueState *state = NULL;

	counts_forget();
	if (control == NULL)
		return;
	queue_state_lock_all(LW_EXCLUSIVE);
	while ((state = queue_state_next(state)) != NULL)
		if (state->key.database == MyDatabaseId && !state->known &&
			!state->being_counted)
		{
			state->started = 12345;
			state->paused = -6789;
			for (int i = 0; i < LEVELS; i++)
				state->waiting[i] = 1000 * i - 2000;
			delays_forget(state);
		}
	queue_state_unlock();
}

PG_FUNCTION_INFO_V1(taskq_forget_hints);

/* forget_hints(): all that is known of this database is gone, as in a crash */
Datum
taskq_forget_hints(PG_FUNCTION_ARGS)
{
	directory_require();
	shared_forget_database(MyDatabaseId);
	forget_counts();
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(taskq_scramble_cursors);

/* scramble_cursors(): cursors point anywhere */
Datum
taskq_scramble_cursors(PG_FUNCTION_ARGS)
{
	directory_require();
	cursors_scramble();
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(taskq_counts_forget_all);

/* counts_forget_all(): open activities have to be counted again */
Datum
taskq_counts_forget_all(PG_FUNCTION_ARGS)
{
	forget_counts();
	PG_RETURN_VOID();
}

/* the file that keeps transactions of this session from ending */
static char *linger_while = NULL;

/* is called before taskq's own callback, since it came later */
static void
linger(XactEvent event, void *arg)
{
	struct stat state;

	while (event == XACT_EVENT_COMMIT && linger_while != NULL &&
		   stat(linger_while, &state) == 0)
		pg_usleep(1000);
}

PG_FUNCTION_INFO_V1(taskq_linger);

/*
 * linger(file): each commit of this session stops between being seen by others
 * and telling them, while the file exists
 */
Datum
taskq_linger(PG_FUNCTION_ARGS)
{
	if (linger_while == NULL)
		RegisterXactCallback(linger, NULL);
	linger_while = MemoryContextStrdup(TopMemoryContext,
									   text_to_cstring(PG_GETARG_TEXT_PP(0)));
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(taskq_forget_heartbeats);

/* forget_heartbeats(): those that are not in the table are lost */
Datum
taskq_forget_heartbeats(PG_FUNCTION_ARGS)
{
	directory_require();
	heartbeat_slots_forget(MyDatabaseId);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(taskq_notes_steps);

/* notes_steps(): how many notes this session has looked at or told of so far */
Datum
taskq_notes_steps(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64((int64) notes_steps);
}
