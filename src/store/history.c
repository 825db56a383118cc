/*
 * history.c
 *		The events of runs, as they are stored: appends, one for each step.
 *
 * An append is a row of the history leaf that is being filled: the events of one
 * step in an array, numbered from first_event_id on.  So where an event is
 * follows from the index, (run_id, first_event_id), in each leaf: in the last
 * append that begins no later.  Which leaves a run has written to is in its row;
 * history_long is where appends go when their leaf is emptied.
 *
 * Rows are never changed, only moved from a leaf to history_long, once
 * (worker/history_retention.c).  Readers have all leaves open at once, and take of
 * each the append that comes first, so that they see the events in order wherever
 * they are.  They see what is committed now, whatever their transaction's
 * snapshot: an old one does not show what was moved since, and the leaf that it
 * was in is empty.  Nothing else could differ, since who has seen the run's row
 * knows how many events it had.  A leaf is emptied when nobody has locked it, so
 * the snapshot is taken after the locks: what is not in a leaf any more was moved
 * before.
 *
 * A leaf that is not filled any more must not grow while it is emptied.  So who
 * appends looks again which leaf is filled when he has locked it.  The worker has
 * said that it is another one before it looks whether anybody has a lock; nobody
 * who comes later stays.
 *
 * The last append of a run that is closed says when its history expires.  Nothing
 * else says that a history is needed no more, in particular not that there is no
 * row of the run: the tables of a dump are restored one after the other.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/array.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

#include "base/compat.h"
#include "store/catalog.h"
#include "store/history.h"
#include "store/instance.h"
#include "store/keyed_rows.h"
#include "store/row.h"
#include "store/write.h"

StaticAssertDecl(HISTORY_COL_EVENTS + 1 == HISTORY_COLUMNS, "all columns are known");

/* fields of taskq.history_event, in order; zero-based */
enum
{
	FIELD_EVENT_TIME,
	FIELD_EVENT_TYPE,
	FIELD_ATTRIBUTES,
	FIELD_USER_METADATA,
	FIELD_EXTRA,
	FIELDS
};

#define ALL_LEAVES		((1 << (HISTORY_LONG + 1)) - 1)

/* ------------------------------------------------------------------------
 * Appending
 * ------------------------------------------------------------------------
 */

/* nothing in an array may be kept elsewhere */
static void
set_field(Datum *value, bool *null, Jsonb *jsonb)
{
	*null = jsonb == NULL;
	if (jsonb != NULL)
		*value = PointerGetDatum(PG_DETOAST_DATUM(PointerGetDatum(jsonb)));
}

static Datum
event_datum(TupleDesc desc, const HistoryEvent *event)
{
	Datum		values[FIELDS];
	bool		nulls[FIELDS] = {false};

	values[FIELD_EVENT_TIME] = TimestampTzGetDatum(event->time);
	values[FIELD_EVENT_TYPE] = Int16GetDatum(event->type);
	set_field(&values[FIELD_ATTRIBUTES], &nulls[FIELD_ATTRIBUTES], event->attributes);
	set_field(&values[FIELD_USER_METADATA], &nulls[FIELD_USER_METADATA], event->user_metadata);
	set_field(&values[FIELD_EXTRA], &nulls[FIELD_EXTRA], event->extra);
	return HeapTupleGetDatum(heap_form_tuple(desc, values, nulls));
}

/* the leaf to append to, locked for that */
static int
lock_current_leaf(void)
{
	for (;;)
	{
		int			leaf = instance_history_leaf();

		CHECK_FOR_INTERRUPTS();
		LockRelationOid(catalog()->history[leaf], RowExclusiveLock);
		if (instance_history_leaf() == leaf)
			return leaf;
	}
}

/*
 * history_append: add events of the run, whose numbers follow one another; with
 * the last ones comes when they expire (DT_NOEND = there will be more).  *bytes
 * becomes what they take, before compression.  Returns the number of the leaf: the
 * caller, who has the run's row, notes it there.
 */
int
history_append(int64 run_id, const HistoryEvent *events, int n,
			   TimestampTz expire_time, Size *bytes)
{
	int			leaf = lock_current_leaf();
	Oid			type = catalog()->history_event;
	TupleDesc	desc = lookup_rowtype_tupdesc(type, -1);
	Datum	   *elements = palloc(n * sizeof(Datum));
	Datum		values[HISTORY_COLUMNS];
	bool		nulls[HISTORY_COLUMNS] = {false};
	ArrayType  *array;

	Assert(n > 0 && desc->natts == FIELDS);
	for (int i = 0; i < n; i++)
	{
		Assert(events[i].event_id == events[0].event_id + i);
		elements[i] = event_datum(desc, &events[i]);
	}
	ReleaseTupleDesc(desc);
	array = construct_array(elements, n, type, -1, false, TYPALIGN_DOUBLE);
	values[HISTORY_COL_RUN_ID] = Int64GetDatum(run_id);
	values[HISTORY_COL_FIRST_EVENT_ID] = Int64GetDatum(events[0].event_id);
	row_set_instant(&values[HISTORY_COL_EXPIRE_TIME],
					&nulls[HISTORY_COL_EXPIRE_TIME], expire_time);
	values[HISTORY_COL_COUNT] = Int32GetDatum(n);
	values[HISTORY_COL_EVENTS] = PointerGetDatum(array);
	(void) target_insert(catalog()->history[leaf], values, nulls, NULL);
	*bytes = VARSIZE(array);
	return leaf;
}

/* ------------------------------------------------------------------------
 * Reading
 * ------------------------------------------------------------------------
 */

/* One leaf that is being read. */
typedef struct LeafReader
{
	Relation	table;
	Relation	index;
	IndexScanDesc scan;
	TupleTableSlot *slot;
	bool		has_append;		/* in the slot */
	int64		first;			/* its first event */
} LeafReader;

/* All leaves that are being read. */
typedef struct Reading
{
	const HistoryRange *range;
	LeafReader	leaves[HISTORY_LONG + 1];
	int			n;
	Snapshot	snapshot;
	TupleDesc	desc;			/* of an event */
	MemoryContext context;		/* of one append */
} Reading;

/* the leaves that may have appends of a run; those for long always may */
static int
wanted_leaves(int leaves)
{
	return leaves == 0 ? ALL_LEAVES : leaves | 1 << HISTORY_LONG;
}

static void
open_leaves(Reading *reading)
{
	int			wanted = wanted_leaves(reading->range->leaves);

	for (int leaf = 0; leaf <= HISTORY_LONG; leaf++)
	{
		LeafReader *reader = &reading->leaves[reading->n];

		if (!(wanted & 1 << leaf))
			continue;
		reader->table = catalog_open_table(catalog()->history[leaf], AccessShareLock);
		reader->index = catalog_open_index(reader->table, HISTORY_PKEY + leaf);
		reader->slot = table_slot_create(reader->table, NULL);
		reading->n++;
	}
	reading->snapshot = RegisterSnapshot(GetLatestSnapshot());	/* after the locks */
}

static void
close_leaves(Reading *reading)
{
	for (int i = 0; i < reading->n; i++)
	{
		LeafReader *reader = &reading->leaves[i];

		if (reader->scan != NULL)
			index_endscan(reader->scan);
		ExecDropSingleTupleTableSlot(reader->slot);
		catalog_close_index(reader->index);
		table_close(reader->table, NoLock);
	}
	UnregisterSnapshot(reading->snapshot);
}

/* the next append of a leaf */
static void
advance(LeafReader *reader, ScanDirection direction)
{
	bool		null;

	reader->has_append = index_getnext_slot(reader->scan, direction, reader->slot);
	if (reader->has_append)
		reader->first = DatumGetInt64(slot_getattr(reader->slot,
												   HISTORY_COL_FIRST_EVENT_ID + 1, &null));
}

static void
begin_scan(const Reading *reading, LeafReader *reader, ScanKey keys, int nkeys)
{
	if (reader->scan != NULL)
		index_endscan(reader->scan);
	reader->scan = compat_index_beginscan(reader->table, reader->index,
										  reading->snapshot, nkeys);
	index_rescan(reader->scan, keys, nkeys, NULL, 0);
}

/* where the append begins that has the event, if there is one */
static int64
append_of(Reading *reading, int64 event_id)
{
	ScanKeyData keys[2];
	int64		first = 0;

	keyed_rows_run_key(&keys[0], reading->range->run_id);
	ScanKeyInit(&keys[1], 2, BTLessEqualStrategyNumber, F_INT8LE,
				Int64GetDatum(event_id));
	for (int i = 0; i < reading->n; i++)
	{
		LeafReader *reader = &reading->leaves[i];

		begin_scan(reading, reader, keys, 2);
		advance(reader, BackwardScanDirection);
		if (reader->has_append)
			first = Max(first, reader->first);
	}
	return first;
}

/* begin to read in each leaf; the first append of each is there then */
static void
begin_reading(Reading *reading, ScanDirection direction)
{
	const HistoryRange *range = reading->range;
	int64		first = range->after > 0 ? append_of(reading, range->after + 1) : 0;
	ScanKeyData keys[3];
	int			nkeys = 2;

	keyed_rows_run_key(&keys[0], range->run_id);
	ScanKeyInit(&keys[1], 2, BTGreaterEqualStrategyNumber, F_INT8GE,
				Int64GetDatum(first));
	if (range->until > 0)
		ScanKeyInit(&keys[nkeys++], 2, BTLessEqualStrategyNumber, F_INT8LE,
					Int64GetDatum(range->until));
	for (int i = 0; i < reading->n; i++)
	{
		begin_scan(reading, &reading->leaves[i], keys, nkeys);
		advance(&reading->leaves[i], direction);
	}
}

/* the leaf whose append is next; NULL at the end */
static LeafReader *
next_leaf(Reading *reading)
{
	bool		newest_first = reading->range->newest_first;
	LeafReader *next = NULL;

	for (int i = 0; i < reading->n; i++)
	{
		LeafReader *reader = &reading->leaves[i];

		if (reader->has_append &&
			(next == NULL || (reader->first > next->first) == newest_first))
			next = reader;
	}
	return next;
}

static Jsonb *
get_field(Datum value, bool null)
{
	return null ? NULL : DatumGetJsonbP(value);
}

static void
event_from_datum(TupleDesc desc, Datum datum, HistoryEvent *event)
{
	HeapTupleHeader header = DatumGetHeapTupleHeader(datum);
	HeapTupleData tuple = {0};
	Datum		values[FIELDS];
	bool		nulls[FIELDS];

	tuple.t_len = HeapTupleHeaderGetDatumLength(header);
	tuple.t_data = header;
	heap_deform_tuple(&tuple, desc, values, nulls);
	event->time = DatumGetTimestampTz(values[FIELD_EVENT_TIME]);
	event->type = DatumGetInt16(values[FIELD_EVENT_TYPE]);
	event->attributes = get_field(values[FIELD_ATTRIBUTES], nulls[FIELD_ATTRIBUTES]);
	event->user_metadata = get_field(values[FIELD_USER_METADATA], nulls[FIELD_USER_METADATA]);
	event->extra = get_field(values[FIELD_EXTRA], nulls[FIELD_EXTRA]);
}

/* give the events of an append to who reads; false when he has enough */
static bool
read_append(Reading *reading, LeafReader *reader, HistoryReader callback, void *arg)
{
	const HistoryRange *range = reading->range;
	MemoryContext caller = MemoryContextSwitchTo(reading->context);
	bool		go_on = true;
	bool		null;
	Datum	   *elements;
	int			n;
	ArrayType  *array = DatumGetArrayTypeP(slot_getattr(reader->slot,
														HISTORY_COL_EVENTS + 1, &null));

	deconstruct_array(array, catalog()->history_event, -1, false,
					  TYPALIGN_DOUBLE, &elements, NULL, &n);
	for (int i = 0; i < n && go_on; i++)
	{
		int			place = range->newest_first ? n - 1 - i : i;
		HistoryEvent event = {.event_id = reader->first + place};

		if (event.event_id <= range->after ||
			(range->until > 0 && event.event_id > range->until))
			continue;
		event_from_datum(reading->desc, elements[place], &event);
		MemoryContextSwitchTo(caller);
		go_on = callback(arg, &event);
		MemoryContextSwitchTo(reading->context);
	}
	MemoryContextSwitchTo(caller);
	MemoryContextReset(reading->context);
	return go_on;
}

/*
 * history_read: call back for each event of the range, in order, that is there
 * now.  An event is valid during the call.
 */
void
history_read(const HistoryRange *range, HistoryReader callback, void *arg)
{
	ScanDirection direction = range->newest_first ? BackwardScanDirection :
		ForwardScanDirection;
	Reading		reading = {.range = range};
	LeafReader *reader;

	open_leaves(&reading);
	reading.desc = lookup_rowtype_tupdesc(catalog()->history_event, -1);
	reading.context = AllocSetContextCreate(CurrentMemoryContext, "taskq history",
											ALLOCSET_DEFAULT_SIZES);
	begin_reading(&reading, direction);
	while ((reader = next_leaf(&reading)) != NULL)
	{
		CHECK_FOR_INTERRUPTS();
		if (!read_append(&reading, reader, callback, arg))
			break;
		advance(reader, direction);
	}
	MemoryContextDelete(reading.context);
	ReleaseTupleDesc(reading.desc);
	close_leaves(&reading);
}

static Jsonb *
copy_field(Jsonb *jsonb)
{
	return jsonb == NULL ? NULL : DatumGetJsonbPCopy(JsonbPGetDatum(jsonb));
}

/* keep one event */
static bool
keep_event(void *arg, const HistoryEvent *event)
{
	HistoryEvent *kept = arg;

	*kept = *event;
	kept->attributes = copy_field(event->attributes);
	kept->user_metadata = copy_field(event->user_metadata);
	kept->extra = copy_field(event->extra);
	return false;
}

/*
 * history_event: one event, copied; false when the run does not have it.  The
 * leaves are those of HistoryRange.
 */
bool
history_event(int64 run_id, int leaves, int64 event_id, HistoryEvent *event)
{
	HistoryRange range = {.run_id = run_id, .after = event_id - 1,
		.until = event_id, .leaves = leaves};

	event->event_id = 0;
	history_read(&range, keep_event, event);
	return event->event_id == event_id;
}

/*
 * history_delete: all events of a run.  What is being moved to those for long is
 * waited for, and found there, since they come last.
 */
void
history_delete(int64 run_id, int leaves)
{
	ScanKeyData key;
	int			wanted = wanted_leaves(leaves);

	keyed_rows_run_key(&key, run_id);
	for (int leaf = 0; leaf <= HISTORY_LONG; leaf++)
		if (wanted & 1 << leaf)
			(void) keyed_rows_delete(catalog()->history[leaf],
									 HISTORY_PKEY + leaf, &key, 1);
}
