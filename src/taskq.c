/*
 * taskq.c
 *		Entry point of the library, which only wires.
 *
 * taskq keeps activities in tables: one row per open activity, which is also
 * the entry of its task queue.  Tables are the truth; shared memory only holds
 * hints that shorten the way to it, and may be lost at any moment.  A call
 * goes one way: SQL function -> options -> state machine -> store.  What a
 * transaction has to tell others is collected while it runs and published by
 * a callback at its end.
 *
 * Files lie in folders, each of which uses those before it alone:
 *
 *	common/		names and numbers, for client programs as well
 *	base/		PostgreSQL and C
 *	task/		what every kind of task has
 *	model/		what an activity is, and what may happen to it
 *	shared/		what processes know of each other
 *	notes/		what a transaction owes the others until it ends
 *	store/		tables and columns
 *	engine/		events, carried out
 *	worker/		background processes and their chores
 *	calls/		the SQL functions; neither of these two knows the other
 *
 * docs/internals.md says of each what it knows, what it never knows, and which
 * locks it takes.  The head of a file says what the file is for.
 *
 * Everything that needs shared memory needs shared_preload_libraries.  When
 * the library is loaded later, by the first call of a function, no hook is
 * installed and "control" stays NULL: the functions can be created (pg_restore
 * has to work) and raise an error when they are called.
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"

#include "base/settings.h"
#include "engine/activity_kind.h"
#include "engine/run_kind.h"
#include "engine/transaction.h"
#include "shared/layout.h"
#include "worker/launcher.h"
#include "worker/lifecycle.h"

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
	activity_kind_init();
	run_kinds_init();

	if (!process_shared_preload_libraries_in_progress)
		return;

	layout_install_hooks();
	transaction_init();
	lifecycle_install_hook();
	if (!IsBinaryUpgrade)
		launcher_register();
}
