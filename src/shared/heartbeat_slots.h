/*
 * heartbeat_slots.h
 *		Last heartbeats of running attempts, in shared memory.
 */
#ifndef TASKQ_HEARTBEAT_SLOTS_H
#define TASKQ_HEARTBEAT_SLOTS_H

#include "datatype/timestamp.h"
#include "storage/lock.h"

#include "shared/beat.h"
#include "shared/directory.h"

/* A slot that a transaction holds; stale once the slot has another use. */
typedef struct SlotRef
{
	int32		slot;			/* -1 = none */
	uint32		generation;
} SlotRef;

typedef enum HoldResult
{
	HOLD_OK,
	HOLD_TAKEN,					/* by another transaction */
	HOLD_FULL					/* no room for one more slot */
} HoldResult;

/* How another transaction holds a slot. */
typedef enum Hold
{
	HOLD_NONE,
	HOLD_LOOSE,					/* it has not seen the attempt's row yet */
	HOLD_FIRM
} Hold;

/* for heartbeat.c; of this database */
extern HoldResult heartbeat_slot_hold(int64 run_id, int64 nonce, SlotRef *ref,
									  bool *ask_row,
									  VirtualTransactionId *holder);
extern Hold heartbeat_slot_held(int64 run_id, int64 nonce,
								VirtualTransactionId *holder);
extern bool heartbeat_slot_refuse(int64 run_id, int64 nonce,
								  VirtualTransactionId *holder);
extern bool heartbeat_slot_confirm(SlotRef ref);
extern void heartbeat_slot_release(SlotRef ref);
extern void heartbeat_slot_beat(SlotRef ref, int64 beats, int64 base,
								const Beat *beat, bool saved);
extern void heartbeat_slot_ask_row(int64 run_id, int64 nonce);
extern void heartbeat_slot_written(int64 run_id, int64 nonce, int64 count);
extern void heartbeat_slot_over(int64 run_id, int64 nonce);
extern bool heartbeat_slot_read(int64 run_id, int64 nonce, Beat *beat);
extern TimestampTz heartbeat_slot_time(int64 run_id, int64 nonce);
extern struct varlena *heartbeat_slot_details(const Beat *beat);

/* for heartbeat_flush.c; of this database */
extern int	heartbeat_slots_unsaved(int *position, Beat *beats, int limit);
extern void heartbeat_slot_saved(const Beat *beat);

extern void heartbeat_flush_wanted(DatabaseSlot *slot);
extern void heartbeat_slots_drop(Oid database);
extern void heartbeat_slots_forget(Oid database);

#endif							/* TASKQ_HEARTBEAT_SLOTS_H */
