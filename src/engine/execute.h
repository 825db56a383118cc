/*
 * execute.h
 *		Carrying an event out: row, state machine, row.
 */
#ifndef TASKQ_EXECUTE_H
#define TASKQ_EXECUTE_H

#include "model/event.h"
#include "shared/channels.h"
#include "task/store_result.h"

/* Which run an event is for. */
typedef struct Address
{
	int64		run_id;
	bool		by_token;
	int64		nonce;			/* by_token: of the attempt */
} Address;

/* A heartbeat that comes with another event, stored before it. */
typedef struct Checkpoint
{
	bool		given;
	struct varlena *details;
} Checkpoint;

extern Verdict execute(const Address *address, Event event, EventData *data,
					   const Checkpoint *checkpoint, Activity *activity);
extern Verdict execute_control(int64 run_id, Event event, EventData *data,
						   Activity *activity);
extern Verdict execute_delete(int64 run_id, Activity *activity);
extern bool execute_delete_open(int64 run_id, WorkerEvent event);
extern StoreResult execute_store(Activity *activity, const Activity *before,
								 bool wait);

#endif							/* TASKQ_EXECUTE_H */
