/*
 * sizes.c
 *		The sizes of what lies in shared memory, and when they were exceeded.
 *
 * What does not fit is forgotten, or goes to a table instead; that is slower or
 * less exact, so somebody should hear of it.  Who finds no room says so here,
 * taskq.health tells.  The sizes are of the whole server.  Where 0 means that
 * nothing is kept at all, nothing is exceeded.
 */
#include "postgres.h"

#include "port/atomics.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "utils/timestamp.h"

#include "shared/sizes.h"

static pg_atomic_uint64 *exceeded_at = NULL;	/* SIZES of them; 0 = never */

/* sizes_shmem_size: for the request hook. */
Size
sizes_shmem_size(void)
{
	return SIZES * sizeof(pg_atomic_uint64);
}

/* sizes_shmem_init: caller holds AddinShmemInitLock. */
void
sizes_shmem_init(LWLockPadded *locks)
{
	bool		found;

	Assert(LWLockHeldByMe(AddinShmemInitLock));
	exceeded_at = ShmemInitStruct("taskq sizes", sizes_shmem_size(), &found);
	for (int i = 0; i < SIZES && !found; i++)
		pg_atomic_init_u64(&exceeded_at[i], 0);
}

/*
 * size_exceeded: something that is in use does not fit.  True for the first
 * time since the server has started: worth a line in the log.  Cannot fail;
 * locks may be held.
 */
bool
size_exceeded(SizeKind kind)
{
	uint64		now = (uint64) GetCurrentTimestamp();

	return pg_atomic_exchange_u64(&exceeded_at[kind], now) == 0;
}

/*
 * size_exceeded_at: when that happened last, on the real clock; DT_NOBEGIN =
 * never since the server has started.
 */
TimestampTz
size_exceeded_at(SizeKind kind)
{
	uint64		when = pg_atomic_read_u64(&exceeded_at[kind]);

	return when == 0 ? DT_NOBEGIN : (TimestampTz) when;
}
