/*
 * pending_table.h
 *		Tables of fixed size in shared memory for what somebody wants to hear of.
 */
#ifndef TASKQ_PENDING_TABLE_H
#define TASKQ_PENDING_TABLE_H

#include "datatype/timestamp.h"

#include "base/shared_table.h"

struct PendingState;

typedef struct PendingTable
{
	SharedTable *entries;		/* NULL = there is no shared memory */
	struct PendingState *state;
} PendingTable;

/* May the entry go, since nobody wants to hear of it any more? */
typedef bool (*PendingOver) (const void *entry, TimestampTz real_now);

extern Size pending_table_size(int entries, Size entry_size);
extern void pending_table_init(PendingTable *table, const char *name,
							   int entries, Size key_size, Size entry_size);

/* caller holds the lock of the table, exclusively to change it */
extern void *pending_find(const PendingTable *table, const void *key,
						  Size key_size);
extern void *pending_add(const PendingTable *table, const void *key,
						 Size key_size);
extern void pending_remove(const PendingTable *table, void *entry);
extern bool pending_is_full(const PendingTable *table);
extern void pending_swept(const PendingTable *table, TimestampTz real_now);
extern int	pending_sweep(const PendingTable *table, PendingOver over,
						  TimestampTz real_now);
extern bool pending_may_sweep(const PendingTable *table, TimestampTz real_now,
							  int64 interval);
extern void *pending_oldest(const PendingTable *table);
extern void pending_set(const PendingTable *table, const void *entry);
extern void pending_clear(const PendingTable *table, const void *entry);
extern void *pending_next(const PendingTable *table, int *place);

/* without a lock */
extern bool pending_any(const PendingTable *table);

#endif							/* TASKQ_PENDING_TABLE_H */
