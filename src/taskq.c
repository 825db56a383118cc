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
 *	guc.c			the settings
 *	clock.c			the one clock
 *	shmem.c			shared memory: databases, their workers, hints
 *	extension.c		is taskq installed in this database, and who owns it
 *	launcher.c		finds databases, starts their workers, starts them again
 *	worker.c		the worker of one database: a loop over chores
 *	timers.c		chore: timeouts
 *	listen.c		chore: coalesced NOTIFY; the channels of queues and workers
 *	retention.c		chore: rotation and expiry of closed activities
 *	lifecycle.c		DROP DATABASE and its kin while a worker is connected
 *	effects.c		what a transaction publishes when it ends
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
