/*
 * taskq.c
 *		Entry point of the library, and the map of its files.
 *
 * taskq keeps activities in tables: one row per open activity, which is also
 * the entry of its task queue.  Tables are the truth; shared memory only holds
 * hints that shorten the way to it, and may be lost at any moment.  A call
 * goes one way: SQL function -> options -> state machine -> store.  What a
 * transaction has to tell others is collected while it runs and published by
 * a callback at its end.
 *
 *	calls, by what they do:
 *	schedule.c		schedule, schedule_many, retry's new run
 *	schedule_args.c	their arguments
 *	poll.c			poll: the start of attempts
 *	report.c		complete, fail, heartbeat, report_canceled
 *	report_batch.c	the same for many attempts, and complete_and_poll
 *	operate.c		cancel, terminate, pause, unpause, reset, options, delete
 *	wait.c			wait_for_task, wait_for_close
 *	channel.c		channel, worker_channel
 *	queue_config.c	configure_queue, and the backend's copy of the settings
 *	read.c			describe, outcome
 *	queue_counts.c	how many activities are open: reading the numbers
 *	queue_views.c	what else the views of queues show of shared memory
 *	args.c			arguments, results and errors of all of them
 *
 *	what an activity is:
 *	activity.c		the struct; its deadlines
 *	options.c		options: validation, defaults; options_json.c as jsonb
 *	failure.c		failures as jsonb; json.c helps
 *	machine.c		the state machine: states x events, attempts, timers
 *	machine_control.c	its actions for control operations
 *	machine_parts.c	what actions are made of
 *	execute.c		an event, carried out: row, machine, row, effects
 *	heartbeat.c		the last heartbeat: slot in shared memory, and row
 *	heartbeat_log.c	what a transaction has done to heartbeats
 *
 *	the tables:
 *	catalog.c		their OIDs, and how single rows are read
 *	target.c		how rows are written
 *	store_open.c, store_find.c, store_ready.c, store_lane.c, store_scan.c,
 *	store_sweep.c, store_closed.c, store_heartbeat.c, store_row.c
 *	instance.c		key and tokens
 *
 *	what others hear, and shared memory:
 *	effects.c		what a transaction publishes when it ends
 *	ledger.c		what it has done to limits and counters of queues
 *	limits.c		rates, max_started; limiter.c is one rate limiter
 *	fairness.c		which fairness key comes next
 *	cursors.c		where live work begins in each lane; lane_cursor.c in one;
 *					cursor_notes.c what a transaction has to say about it
 *	counts.c		how many activities are open: keeping the numbers
 *	delays.c		of tasks that wait, those that are due later
 *	queue_state.c	shared memory: queues, lanes, pollers
 *	shared_table.c	tables in shared memory that are locked in parts
 *	heartbeat_slots.c	shared memory: heartbeats that the table does not have
 *	stat_file.c		statistics across a clean restart
 *	shmem.c			shared memory: databases, their workers, hints
 *
 *	processes:
 *	launcher.c		finds databases, starts their workers, starts them again
 *	worker.c		the worker of one database: a loop over chores
 *	timers.c		chore: timeouts
 *	recount.c		chore: counting open activities whose number is not known
 *	listen.c		chore: coalesced NOTIFY
 *	heartbeat_flush.c	chore: heartbeats from shared memory to the table
 *	retention.c		chore: rotation and expiry of closed activities
 *	cursor_check.c	chore: do polls pass over a task?
 *	lifecycle.c		DROP DATABASE and its kin while a worker is connected
 *	extension.c		is taskq installed in this database, and who owns it
 *
 *	forget.c		for tests: losing what shared memory knows
 *	guc.c			the settings
 *	clock.c			the one clock
 *	recent.h		what a session knew last: a small cache
 *	compat.h		differences between versions of PostgreSQL
 *
 * Everything that needs shared memory needs shared_preload_libraries.  When
 * the library is loaded later, by the first call of a function, no hook is
 * installed and "control" stays NULL: the functions can be created (pg_restore
 * has to work) and raise an error when they are called.
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"

#include "effects.h"
#include "guc.h"
#include "launcher.h"
#include "lifecycle.h"
#include "shmem.h"

PG_MODULE_MAGIC;

void		_PG_init(void);

/*
 * _PG_init: define the settings; in the postmaster, plug in everything else.
 * pg_upgrade must find no worker connected to its databases.
 */
void
_PG_init(void)
{
	guc_define();

	if (!process_shared_preload_libraries_in_progress)
		return;

	shmem_install_hooks();
	effects_init();
	lifecycle_install_hook();
	if (!IsBinaryUpgrade)
		launcher_register();
}
