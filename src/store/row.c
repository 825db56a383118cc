/*
 * row.c
 *		How single rows are read: from the index to C values.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/multixact.h"
#include "access/tableam.h"
#include "access/transam.h"
#include "access/xact.h"
#include "catalog/pg_collation.h"
#include "storage/bufmgr.h"
#include "storage/procarray.h"
#include "utils/snapmgr.h"

#include "base/compat.h"
#include "store/catalog.h"
#include "store/row.h"

/*
 * fresh_snapshot: what is committed now (or the transaction's snapshot, under
 * the isolation levels that have one), registered: the caller unregisters.
 */
Snapshot
fresh_snapshot(void)
{
	return RegisterSnapshot(GetTransactionSnapshot());
}

/* raise_concurrent_update: 40001: the snapshot does not show what is there now. */
void
raise_concurrent_update(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
			 errmsg("could not serialize access due to concurrent update")));
}

/* index_copy_found: a copy of the row in a slot, with its tid. */
HeapTuple
index_copy_found(TupleTableSlot *slot)
{
	HeapTuple	tuple = ExecCopySlotHeapTuple(slot);

	tuple->t_self = slot->tts_tid;
	return tuple;
}

/*
 * index_fetch: a copy of the first row that an index of the table finds, or
 * NULL.  The snapshot has to be taken after the table was locked.
 */
HeapTuple
index_fetch(Relation table, TaskqIndex which, Snapshot snapshot, ScanKey keys,
			int nkeys, ScanDirection direction)
{
	Relation	index = catalog_open_index(table, which);
	TupleTableSlot *slot = table_slot_create(table, NULL);
	IndexScanDesc scan = compat_index_beginscan(table, index, snapshot, nkeys);
	HeapTuple	tuple = NULL;

	index_rescan(scan, keys, nkeys, NULL, 0);
	if (index_getnext_slot(scan, direction, slot))
		tuple = index_copy_found(slot);
	index_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	catalog_close_index(index);
	return tuple;
}

/* row_empty_text: '' */
text *
row_empty_text(void)
{
	static varattrib_4b empty;

	SET_VARSIZE(&empty, VARHDRSZ);
	return (text *) &empty;
}

/*
 * row_text_key: a scan key on a text column, all of which compare by the "C"
 * collation.
 */
void
row_text_key(ScanKey key, AttrNumber attribute, StrategyNumber strategy,
			 RegProcedure procedure, const text *value)
{
	ScanKeyEntryInitialize(key, 0, attribute, strategy, InvalidOid,
						   C_COLLATION_OID, procedure,
						   PointerGetDatum(value));
}

/*
 * What one transaction, or savepoint, means for others: by an update or delete
 * (ROW_CHANGED), or by a lock (ROW_LOCKED, ROW_SHARED).
 */
static RowHolder
holder_of(TransactionId xid, RowHolder by)
{
	if (TransactionIdIsCurrentTransactionId(xid))
		return by == ROW_CHANGED ? ROW_CHANGED_BY_US : ROW_FREE;
	if (TransactionIdIsInProgress(xid))
		return by;
	return by == ROW_CHANGED && TransactionIdDidCommit(xid) ? by : ROW_FREE;
}

static RowHolder
member_holds(MultiXactStatus status)
{
	if (ISUPDATE_from_mxstatus(status))
		return ROW_CHANGED;
	return status == MultiXactStatusForKeyShare ? ROW_SHARED : ROW_LOCKED;
}

/* several hold it, of whom one at most changes it: whose word counts most */
static RowHolder
holder_among(MultiXactId multixact, bool only_locked)
{
	MultiXactMember *members;
	int			n = GetMultiXactIdMembers(multixact, &members, false,
										  only_locked);
	RowHolder	holder = ROW_FREE;

	for (int i = 0; i < n; i++)
		holder = Max(holder, holder_of(members[i].xid,
									   member_holds(members[i].status)));
	if (n > 0)
		pfree(members);
	return holder;
}

/*
 * row_holder: who holds the row version in the slot, which has to be one that a
 * scan has put there.  Takes the lock of its buffer for a moment.
 */
RowHolder
row_holder(TupleTableSlot *slot)
{
	HeapTupleHeader row = ExecFetchSlotHeapTuple(slot, false, NULL)->t_data;
	Buffer		buffer = ((BufferHeapTupleTableSlot *) slot)->buffer;
	TransactionId xmax;
	uint16		infomask;
	bool		only_locked;

	Assert(TTS_IS_BUFFERTUPLE(slot));
	Assert(BufferIsValid(buffer));
	if (row->t_infomask & HEAP_XMAX_INVALID)
		return ROW_FREE;		/* mostly; one flag is read whole */

	/* the flags say what kind of number the other field is */
	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	xmax = HeapTupleHeaderGetRawXmax(row);
	infomask = row->t_infomask;
	LockBuffer(buffer, BUFFER_LOCK_UNLOCK);
	only_locked = HEAP_XMAX_IS_LOCKED_ONLY(infomask);
	if ((infomask & HEAP_XMAX_INVALID) || HEAP_LOCKED_UPGRADED(infomask))
		return ROW_FREE;
	if (infomask & HEAP_XMAX_IS_MULTI)
		return holder_among(xmax, only_locked);
	if (!only_locked)
		return holder_of(xmax, ROW_CHANGED);
	return holder_of(xmax, HEAP_XMAX_IS_KEYSHR_LOCKED(infomask) ?
					 ROW_SHARED : ROW_LOCKED);
}
