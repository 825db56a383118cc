/*
 * catalog_shape.c
 *		What the install script makes: names and columns, and whether they are so.
 *
 * An administrator may drop an index, or make another one of its name.  Rows
 * that are looked for through that would not be found, so it is looked at
 * before.  Nothing here is remembered, and no lock of taskq's relations taken.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "catalog/pg_index.h"
#include "catalog/pg_trigger.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "store/catalog_shape.h"

#define MAX_INDEX_COLUMNS	READY_COLUMNS

/* What the install script makes an index of. */
typedef struct IndexShape
{
	const char *name;			/* NULL = of a leaf, see shape_index_name() */
	bool		unique;
	bool		partial;
	int			ncolumns;
	const char *columns[MAX_INDEX_COLUMNS];
} IndexShape;

/* Indexes that each leaf has. */
typedef struct LeafShape
{
	TaskqIndex	first;
	int			leaves;			/* before the one whose name is no number */
	const char *table;
	const char *suffix;
	IndexShape	shape;
} LeafShape;

static const LeafShape leaf_shapes[] = {
	{CLOSED_PKEY, CLOSED_LEAVES, "closed", "pkey",
	{NULL, true, false, 1, {"run_id"}}},
	{CLOSED_ACTIVITY_ID, CLOSED_LEAVES, "closed", "activity_id",
	{NULL, false, true, 2, {"activity_id", "run_id"}}},
	{CLOSED_RUN_PKEY, CLOSED_LEAVES, "closed_run", "pkey",
	{NULL, true, false, 1, {"run_id"}}},
	{CLOSED_RUN_WORKFLOW_ID, CLOSED_LEAVES, "closed_run", "workflow_id",
	{NULL, false, false, 2, {"workflow_id", "run_id"}}},
	{HISTORY_PKEY, HISTORY_LEAVES, "history", "pkey",
	{NULL, true, false, 2, {"run_id", "first_event_id"}}},
};

/* those that the index of a leaf is one of */
static const LeafShape *
leaf_shape_of(TaskqIndex which)
{
	int			i = lengthof(leaf_shapes) - 1;

	Assert(which >= CLOSED_PKEY && which < TASKQ_INDEXES);
	while (leaf_shapes[i].first > which)
		i--;
	return &leaf_shapes[i];
}

static const IndexShape *
shape_of(TaskqIndex which)
{
	static const IndexShape shapes[] = {
		[OPEN_PKEY] = {"open_pkey", true, false, 1, {"run_id"}},
		[OPEN_READY] = {"open_ready", false, false, READY_COLUMNS,
		{"task_queue", "level", "fairness_key", "dispatch_time", "run_id"}},
		[OPEN_ALARM] = {"open_alarm", false, true, 2, {"alarm", "run_id"}},
		[OPEN_ACTIVITY_ID] = {"open_activity_id", true, true, 2, {"scope", "activity_id"}},
		[HEARTBEAT_PKEY] = {"heartbeat_state_pkey", true, false, 1, {"run_id"}},
		[INSTANCE_PKEY] = {"instance_pkey", true, false, 1, {"id"}},
		[QUEUE_CONFIG_PKEY] = {"queue_config_pkey", true, false, 1, {"task_queue"}},
		[FUNCTION_PKEY] = {"registered_function_pkey", true, false, 2, {"task_queue", "activity_type"}},
		[INBOX_PKEY] = {"run_inbox_pkey", true, false, 2, {"run_id", "seq"}},
		[TIMER_PKEY] = {"run_timer_pkey", true, false, 2, {"run_id", "timer_id"}},
		[TIMER_FIRE_TIME] = {"run_timer_fire_time", false, false, 2, {"run_id", "fire_time"}},
		[REQUEST_PKEY] = {"run_request_pkey", true, false, 2, {"run_id", "request_id"}},
		[SEARCH_ATTRIBUTE_PKEY] = {"search_attribute_pkey", true, false, 1, {"name"}},
	};

	StaticAssertStmt(lengthof(shapes) == CLOSED_PKEY, "each has a shape");
	return which < CLOSED_PKEY ? &shapes[which] : &leaf_shape_of(which)->shape;
}

/* shape_index_name: the name of an index of taskq. */
const char *
shape_index_name(TaskqIndex which)
{
	const LeafShape *leaves;

	if (which < CLOSED_PKEY)
		return shape_of(which)->name;
	leaves = leaf_shape_of(which);
	if (which == leaves->first + leaves->leaves)
		return psprintf("%s_long_%s", leaves->table, leaves->suffix);
	return psprintf("%s_%d_%s", leaves->table, which - leaves->first,
					leaves->suffix);
}

static bool
has_shape(Form_pg_index index, const IndexShape *shape)
{
	if (index->indisunique != shape->unique ||
		index->indnkeyatts != shape->ncolumns)
		return false;
	for (int i = 0; i < shape->ncolumns; i++)
	{
		char	   *name = index->indkey.values[i] == 0 ? NULL :
			get_attname(index->indrelid, index->indkey.values[i], true);

		if (name == NULL || strcmp(name, shape->columns[i]) != 0)
			return false;
	}
	return true;
}

static bool
is_btree(Oid oid)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(oid));
	bool		result = HeapTupleIsValid(tuple) &&
		((Form_pg_class) GETSTRUCT(tuple))->relam == BTREE_AM_OID;

	if (HeapTupleIsValid(tuple))
		ReleaseSysCache(tuple);
	return result;
}

/*
 * shape_is_ours: is that index of the table the one that the install script
 * makes?  Somebody may have made another one of that name.  Reads the caches
 * only.
 */
bool
shape_is_ours(Oid oid, Oid table, TaskqIndex which)
{
	const IndexShape *shape = shape_of(which);
	HeapTuple	tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(oid));
	Form_pg_index index;
	bool		result;

	if (!HeapTupleIsValid(tuple))
		return false;
	index = (Form_pg_index) GETSTRUCT(tuple);
	result = index->indrelid == table && has_shape(index, shape) &&
		heap_attisnull(tuple, Anum_pg_index_indpred, NULL) != shape->partial &&
		is_btree(oid);
	ReleaseSysCache(tuple);
	return result;
}

/* the row that a unique index of a catalog shows, copied; NULL without one */
static HeapTuple
read_catalog(Oid catalog, Oid index, Snapshot snapshot, ScanKey keys, int nkeys)
{
	Relation	relation = table_open(catalog, AccessShareLock);
	SysScanDesc scan = systable_beginscan(relation, index, true, snapshot,
										  nkeys, keys);
	HeapTuple	tuple = systable_getnext(scan);

	if (HeapTupleIsValid(tuple))
		tuple = heap_copytuple(tuple);
	systable_endscan(scan);
	table_close(relation, AccessShareLock);
	return tuple;
}

/* the index of that name, and whether it is valid */
static Oid
find_name(const char *name, Oid schema, Snapshot snapshot, bool *valid)
{
	ScanKeyData keys[2];
	HeapTuple	tuple;
	Oid			oid = InvalidOid;

	*valid = false;
	ScanKeyInit(&keys[0], Anum_pg_class_relname, BTEqualStrategyNumber,
				F_NAMEEQ, CStringGetDatum(name));
	ScanKeyInit(&keys[1], Anum_pg_class_relnamespace, BTEqualStrategyNumber,
				F_OIDEQ, ObjectIdGetDatum(schema));
	tuple = read_catalog(RelationRelationId, ClassNameNspIndexId, snapshot,
						 keys, 2);
	if (tuple != NULL)
		oid = ((Form_pg_class) GETSTRUCT(tuple))->oid;
	ScanKeyInit(&keys[0], Anum_pg_index_indexrelid, BTEqualStrategyNumber,
				F_OIDEQ, ObjectIdGetDatum(oid));
	tuple = read_catalog(IndexRelationId, IndexRelidIndexId, snapshot, keys, 1);
	if (tuple != NULL)
		*valid = ((Form_pg_index) GETSTRUCT(tuple))->indisvalid;
	return oid;
}

/*
 * shape_find_index: the index in taskq's schema, and whether it is valid;
 * InvalidOid without one.
 *
 * Name and validity come from one snapshot of the catalogs, not from caches:
 * those hear of a swap by REINDEX CONCURRENTLY a little after it can be seen,
 * and not of both indexes at once.
 */
Oid
shape_find_index(TaskqIndex which, Oid schema, bool *valid)
{
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	Oid			oid = find_name(shape_index_name(which), schema, snapshot, valid);

	UnregisterSnapshot(snapshot);
	return oid;
}

/* shape_trigger_enabled: pg_trigger.tgenabled; 0 without such a trigger. */
char
shape_trigger_enabled(Oid table, const char *name)
{
	ScanKeyData keys[2];
	HeapTuple	tuple;

	ScanKeyInit(&keys[0], Anum_pg_trigger_tgrelid, BTEqualStrategyNumber,
				F_OIDEQ, ObjectIdGetDatum(table));
	ScanKeyInit(&keys[1], Anum_pg_trigger_tgname, BTEqualStrategyNumber,
				F_NAMEEQ, CStringGetDatum(name));
	tuple = read_catalog(TriggerRelationId, TriggerRelidNameIndexId, NULL,
						 keys, 2);
	return tuple == NULL ? 0 : ((Form_pg_trigger) GETSTRUCT(tuple))->tgenabled;
}
