/*
 * forget.c
 *		Losing what shared memory knows, for tests.
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

#include "fmgr.h"
#include "miscadmin.h"

#include "counts.h"
#include "cursors.h"
#include "heartbeat_slots.h"
#include "limits.h"
#include "listen.h"
#include "shmem.h"
#include "timers.h"

PG_FUNCTION_INFO_V1(taskq_forget_hints);

/* forget_hints(): all that is known of this database is gone, as in a crash */
Datum
taskq_forget_hints(PG_FUNCTION_ARGS)
{
	DatabaseSlot *slot = shmem_my_slot();

	shmem_require();
	cursors_forget_database(MyDatabaseId);
	queue_state_forget_database(MyDatabaseId);
	counts_forget_all();
	heartbeat_slots_forget(MyDatabaseId);
	if (slot != NULL)
		timers_forget(slot);
	listen_all_queues();
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(taskq_scramble_cursors);

/* scramble_cursors(): cursors point anywhere */
Datum
taskq_scramble_cursors(PG_FUNCTION_ARGS)
{
	shmem_require();
	cursors_scramble();
	PG_RETURN_VOID();
}
