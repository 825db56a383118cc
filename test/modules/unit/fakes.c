/*
 * fakes.c
 *		What the files under test find in place of the rest of taskq.
 *
 * Shared memory is memory of the running function.  Locks are held always,
 * those of other parts unless a test says that somebody else has them.
 */
#include "postgres.h"

#include "storage/shmem.h"

#include "base/clock.h"
#include "base/settings.h"
#include "base/shared_table.h"
#include "shared/directory.h"
#include "shared/queue_locks.h"
#include "shared/sizes.h"

#include "fakes.h"

/* ---- shared memory ---- */

#define AREAS			8
#define GUARD			64
#define GUARD_BYTE		0x5a

typedef struct Area
{
	char		name[40];
	Size		size;
	char	   *start;
} Area;

static Area areas[AREAS];
static int	nareas;

extern void *__wrap_ShmemInitStruct(const char *name, Size size, bool *found);

/* fake_memory_lost: from now on nothing is there. */
void
fake_memory_lost(void)
{
	nareas = 0;
}

/* fake_memory_size: as much as was asked for. */
Size
fake_memory_size(void)
{
	Size		size = 0;

	for (int i = 0; i < nareas; i++)
		size += areas[i].size;
	return size;
}

/* fake_memory_intact: has nobody written behind what is his? */
bool
fake_memory_intact(void)
{
	for (int i = 0; i < nareas; i++)
		for (int j = 0; j < GUARD; j++)
			if (areas[i].start[areas[i].size + j] != GUARD_BYTE)
				return false;
	return true;
}

/* stands for ShmemInitStruct: memory that is not zero at first */
void *
__wrap_ShmemInitStruct(const char *name, Size size, bool *found)
{
	Area	   *area;

	for (int i = 0; i < nareas; i++)
		if (strcmp(areas[i].name, name) == 0)
		{
			*found = true;
			return areas[i].start;
		}
	if (nareas == AREAS)
		elog(ERROR, "no room for \"%s\"", name);
	area = &areas[nareas++];
	strlcpy(area->name, name, sizeof(area->name));
	area->size = size;
	area->start = palloc(size + GUARD);
	memset(area->start, GUARD_BYTE, size + GUARD);
	*found = false;
	return area->start;
}

/* ---- queues and their locks ---- */

QueueState	fake_queues[FAKE_QUEUES];
uint32		fake_locked;

int
queue_state_part(const QueueKey *key)
{
	return (int) (key->hash % TABLE_PARTS);
}

bool
queue_state_is_locked(int part, LWLockMode mode)
{
	return true;
}

bool
queue_state_lock_more(int part, bool *taken)
{
	*taken = true;
	return (fake_locked & part_bit(part)) == 0;
}

void
queue_state_unlock_part(int part)
{
}

/* ---- the database, and its worker ---- */

#define FAKE_LOCKS		16

static LWLockPadded locks[FAKE_LOCKS];
static LWLock control_lock;
static Control fake_control = {.lock = &control_lock};

Control    *control = &fake_control;
DatabaseSlot fake_slot;
int			fake_wakes;
TimestampTz fake_now;

/* fake_locks: some that nobody else has. */
LWLockPadded *
fake_locks(void)
{
	for (int i = 0; i < FAKE_LOCKS; i++)
		LWLockInitialize(&locks[i].lock, LWTRANCHE_FIRST_USER_DEFINED);
	LWLockInitialize(&control_lock, LWTRANCHE_FIRST_USER_DEFINED);
	return locks;
}

DatabaseSlot *
directory_slot(Oid database, bool create)
{
	return &fake_slot;
}

DatabaseSlot *
directory_slot_of(Oid database)
{
	return &fake_slot;
}

DatabaseSlot *
directory_my_slot(void)
{
	return &fake_slot;
}

int
directory_slot_number(const DatabaseSlot *slot)
{
	return 1;
}

bool
errand_ask(DatabaseSlot *slot, Errand *errand)
{
	errand->asked++;
	return true;
}

void
directory_wake_worker(DatabaseSlot *slot)
{
	fake_wakes++;
}

TimestampTz
clock_now(void)
{
	return fake_now;
}

/* ---- settings and sizes ---- */

int			taskq_max_delays;
int			taskq_heartbeat_slots;
int			taskq_max_databases;
int			taskq_max_listener_queues;
int			taskq_timer_buffer;
int			fake_exceeded;

void
size_exceeded(SizeKind kind)
{
	fake_exceeded++;
}
