/*
 * inbox.c
 *		Mail of runs: events that have no number yet.
 *
 * Whoever may not lock the run, or its events, puts mail there and keeps the
 * run's row from being deleted (store_share()).  Who has locked the run takes all
 * that is committed.  The order is that of a sequence: of what two transactions
 * put there at once either may come first.
 */
#include "postgres.h"

#include "access/table.h"
#include "commands/sequence.h"
#include "utils/fmgroids.h"

#include "store/catalog.h"
#include "store/inbox.h"
#include "store/keyed_rows.h"
#include "store/write.h"

/* columns of taskq.run_inbox, zero-based */
enum
{
	COL_RUN_ID,
	COL_SEQ,
	COL_MAIL,
	COLUMNS
};

StaticAssertDecl(COLUMNS == INBOX_COLUMNS, "all columns are known");

/*
 * inbox_put: the mail is the last one, so far.  The caller has the run's row, or
 * keeps it from being deleted.
 */
void
inbox_put(int64 run_id, Jsonb *mail)
{
	Datum		values[COLUMNS];
	bool		nulls[COLUMNS] = {false};

	/* locked first: so the sequence is there as long as the table is */
	table_close(catalog_open_table(catalog()->run_inbox, RowExclusiveLock), NoLock);
	values[COL_RUN_ID] = Int64GetDatum(run_id);
	values[COL_SEQ] = Int64GetDatum(nextval_internal(catalog()->run_inbox_seq, false));
	values[COL_MAIL] = JsonbPGetDatum(mail);
	(void) target_insert(catalog()->run_inbox, values, nulls, NULL);
}

static void
make_row(void *element, TupleTableSlot *slot)
{
	InboxRow   *row = element;

	slot_getallattrs(slot);
	row->tid = slot->tts_tid;
	row->seq = DatumGetInt64(slot->tts_values[COL_SEQ]);
	row->mail = DatumGetJsonbPCopy(slot->tts_values[COL_MAIL]);
}

/* inbox_read: the run's mail that is committed, or our own, in order; how many. */
int
inbox_read(int64 run_id, InboxRow **rows)
{
	ScanKeyData key;
	int			n;

	keyed_rows_run_key(&key, run_id);
	*rows = keyed_rows_collect(catalog()->run_inbox, INBOX_PKEY, &key, 1,
							   sizeof(InboxRow), make_row, &n);
	return n;
}

/* What this session has counted: of which run, up to which mail. */
static struct
{
	int64		run_id;
	int64		seq;
	int64		n;
}			counted;

static bool
count_one(void *arg, TupleTableSlot *slot)
{
	bool		null;

	counted.seq = DatumGetInt64(slot_getattr(slot, COL_SEQ + 1, &null));
	counted.n++;
	return true;
}

/*
 * inbox_estimate: how much mail the run has, that is committed or our own, but perhaps less:
 * of what this session has counted before, some may be gone.  "anew": that is counted again.
 */
int64
inbox_estimate(int64 run_id, bool anew)
{
	ScanKeyData keys[2];

	if (anew || counted.run_id != run_id)
	{
		counted.run_id = run_id;
		counted.seq = PG_INT64_MIN;
		counted.n = 0;
	}
	keyed_rows_run_key(&keys[0], run_id);
	ScanKeyInit(&keys[1], 2, BTGreaterStrategyNumber, F_INT8GT, Int64GetDatum(counted.seq));
	keyed_rows_read(catalog()->run_inbox, INBOX_PKEY, keys, 2, count_one, NULL);
	return counted.n;
}

static bool
note_one(void *arg, TupleTableSlot *slot)
{
	*(bool *) arg = true;
	return false;
}

/* inbox_any: does the run have mail? */
bool
inbox_any(int64 run_id)
{
	ScanKeyData key;
	bool		any = false;

	keyed_rows_run_key(&key, run_id);
	keyed_rows_read(catalog()->run_inbox, INBOX_PKEY, &key, 1, note_one, &any);
	return any;
}

/* inbox_remove: what inbox_read() has read, by whoever has the run's row. */
void
inbox_remove(const InboxRow *rows, int n)
{
	for (int i = 0; i < n; i++)
	{
		ItemPointerData tid = rows[i].tid;

		if (target_delete(catalog()->run_inbox, &tid, true) != STORE_OK)
			elog(ERROR, "mail " INT64_FORMAT " of a run is gone", rows[i].seq);
	}
}

/* inbox_remove_run: all of a run's mail. */
void
inbox_remove_run(int64 run_id)
{
	ScanKeyData key;

	keyed_rows_run_key(&key, run_id);
	(void) keyed_rows_delete(catalog()->run_inbox, INBOX_PKEY, &key, 1);
}

static bool
note_run(void *arg, TupleTableSlot *slot)
{
	bool		null;

	*(int64 *) arg = DatumGetInt64(slot_getattr(slot, COL_RUN_ID + 1, &null));
	return false;
}

/* inbox_next_run: the first run after that one that has mail; false = none. */
bool
inbox_next_run(int64 after, int64 *run_id)
{
	ScanKeyData key;

	*run_id = after;
	ScanKeyInit(&key, 1, BTGreaterStrategyNumber, F_INT8GT, Int64GetDatum(after));
	keyed_rows_read(catalog()->run_inbox, INBOX_PKEY, &key, 1, note_run, run_id);
	return *run_id != after;
}
