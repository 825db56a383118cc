/*
 * catalog.h
 *		OIDs of taskq's own relations and types, and how single rows are read.
 */
#ifndef TASKQ_CATALOG_H
#define TASKQ_CATALOG_H

#include "access/genam.h"
#include "access/relscan.h"
#include "access/skey.h"
#include "access/tableam.h"
#include "executor/executor.h"
#include "nodes/execnodes.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "retention.h"
#include "store.h"
#include "target.h"

typedef struct Catalog
{
	Oid			namespace;
	Oid			open;
	Oid			open_pkey;
	Oid			open_ready;
	Oid			open_alarm;
	Oid			open_activity_id;
	Oid			heartbeat;
	Oid			heartbeat_pkey;
	Oid			closed[CLOSED_LEAVES + 1];
	Oid			closed_pkey[CLOSED_LEAVES + 1];
	Oid			closed_activity_id[CLOSED_LEAVES + 1];
	Oid			instance;
	Oid			run_id_seq;
	Oid			retry_policy;	/* composite type */
	Oid			status[STATE_LAST + 1]; /* enum labels; of closed states */
	Oid			status_running;
	Oid			status_paused;
	Oid			retry_state[RETRY_STATE_LAST + 1];
	Oid			reuse_allow;	/* labels of id policies */
	Oid			reuse_failed_only;
	Oid			reuse_reject;
	Oid			conflict_fail;
	Oid			conflict_use_existing;
} Catalog;

extern const Catalog *catalog(void);
extern Oid	catalog_status(State state);

extern HeapTuple index_copy_found(TupleTableSlot *slot);
extern HeapTuple index_fetch(Relation table, Oid index, Snapshot snapshot,
							 ScanKey keys, int nkeys, ScanDirection direction);
extern HeapTuple index_fetch_one(Oid relation, Oid index, Snapshot snapshot,
								 ScanKey keys, int nkeys, ScanDirection direction);
extern Snapshot fresh_snapshot(void);

#endif							/* TASKQ_CATALOG_H */
