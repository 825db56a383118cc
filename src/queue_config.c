/*
 * queue_config.c
 *		Configuration of task queues: the backend's copy of taskq.queue_config,
 *		and taskq.configure_queue.
 *
 * Only queues that somebody configured have a row, so a backend keeps all of
 * them, parsed.  A change invalidates the relation cache entry of the table:
 * every backend, the worker included, drops its copy when the change commits
 * and reads it again when it needs it next.  No lock, no shared memory, and a
 * rollback is as if nothing had been.
 *
 * Those who wait for the queue are woken once the invalidation was sent, which
 * comes after the commit callbacks: earlier they might look at the old one.
 */
#include "postgres.h"

#include <math.h>

#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/timestamp.h"

#include "args.h"
#include "catalog.h"
#include "clock.h"
#include "compat.h"
#include "guc.h"
#include "json.h"
#include "listen.h"
#include "options.h"
#include "queue_config.h"
#include "store_row.h"
#include "wait.h"

#define MAX_WEIGHT_OVERRIDES	1000

/* columns of taskq.queue_config, zero-based */
enum
{
	COL_TASK_QUEUE,
	COL_CONFIG,
	COL_REASON,
	COL_IDENTITY,
	COL_UPDATE_TIME,
	COL_REVISION,
	COLUMNS
};

/* ------------------------------------------------------------------------
 * Parsing
 * ------------------------------------------------------------------------
 */

static void
invalid(const char *key, const char *wanted)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid value for queue setting \"%s\"", key),
			 errdetail("It must be %s or null.", wanted)));
}

static double
read_number(const char *key, const JsonbValue *value, const char *wanted)
{
	double		number;

	if (value->type == jbvNull)
		return -1;
	if (value->type != jbvNumeric)
		invalid(key, wanted);
	number = DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow,
												NumericGetDatum(value->val.numeric)));
	if (isnan(number) || isinf(number) || number < 0)
		invalid(key, wanted);
	return number;
}

static int
read_count(const char *key, const JsonbValue *value)
{
	double		number = read_number(key, value, "a non-negative integer");

	if (number > PG_INT32_MAX || number != floor(number))
		invalid(key, "a non-negative integer");
	return Max((int) number, 0);
}

static int64
read_retention(const JsonbValue *value)
{
	if (value->type == jbvNull)
		return -1;
	if (value->type != jbvString)
		invalid("retention", "a string that is an interval");
	return duration_from_text(pnstrdup(value->val.string.val,
									   value->val.string.len), "retention");
}

static void
read_weights(const JsonbValue *value, QueueConfig *config)
{
	JsonbIterator *it;
	JsonbValue	item;
	JsonbIteratorToken token;
	char	   *key = NULL;

	config->nweights = 0;
	if (value->type == jbvNull)
		return;
	if (value->type != jbvBinary ||
		!JsonContainerIsObject(value->val.binary.data))
		invalid("fairness_weights", "an object of weights by fairness key");
	config->weights = palloc(sizeof(WeightOverride) *
							 Max(JsonContainerSize(value->val.binary.data), 1));
	it = JsonbIteratorInit(value->val.binary.data);
	while ((token = JsonbIteratorNext(&it, &item, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			key = pnstrdup(item.val.string.val, item.val.string.len);
		else if (token == WJB_VALUE)
		{
			double		weight = read_number("fairness_weights", &item,
											 "an object of weights greater than zero by fairness key");

			if (key[0] == '\0' || strlen(key) > MAX_FAIRNESS_KEY_LENGTH)
				ereport(ERROR,
						(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						 errmsg("invalid fairness key in queue setting \"fairness_weights\""),
						 errdetail("A fairness key has 1 to %d bytes.",
								   MAX_FAIRNESS_KEY_LENGTH)));
			if (weight == 0)
				invalid("fairness_weights",
						"an object of weights greater than zero by fairness key");
			if (weight < 0)
				continue;		/* null removes, when merged */
			config->weights[config->nweights].key = key;
			config->weights[config->nweights].weight = weight;
			config->nweights++;
		}
	}
}

static void
read_setting(QueueConfig *config, const char *key, const JsonbValue *value)
{
	if (strcmp(key, "queue_rate_limit") == 0)
		config->rate_limit = read_number(key, value, "a non-negative number");
	else if (strcmp(key, "fairness_key_rate_limit") == 0)
		config->key_rate_limit = read_number(key, value, "a non-negative number");
	else if (strcmp(key, "fairness_weights") == 0)
		read_weights(value, config);
	else if (strcmp(key, "paused") == 0)
	{
		if (value->type != jbvBool && value->type != jbvNull)
			invalid(key, "true, false");
		config->paused = value->type == jbvBool && value->val.boolean;
	}
	else if (strcmp(key, "max_started") == 0)
		config->max_started = read_count(key, value);
	else if (strcmp(key, "max_backlog") == 0)
		config->max_backlog = read_count(key, value);
	else if (strcmp(key, "retention") == 0)
		config->retention = read_retention(value);
	else
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unrecognized queue setting \"%s\"", key),
				 errhint("Settings are queue_rate_limit, fairness_key_rate_limit, fairness_weights, paused, max_started, max_backlog and retention.")));
}

/* parse (and check) a config object */
static void
parse_config(Jsonb *object, QueueConfig *config)
{
	JsonbIterator *it;
	JsonbValue	item;
	JsonbIteratorToken token;
	char	   *key = NULL;

	memset(config, 0, sizeof(QueueConfig));
	config->rate_limit = -1;
	config->key_rate_limit = -1;
	config->retention = -1;
	it = JsonbIteratorInit(&object->root);
	while ((token = JsonbIteratorNext(&it, &item, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			key = pnstrdup(item.val.string.val, item.val.string.len);
		else if (token == WJB_VALUE)
			read_setting(config, key, &item);
	}
}

/* ------------------------------------------------------------------------
 * The backend's copy
 * ------------------------------------------------------------------------
 */

/* One configured queue. */
typedef struct CachedConfig
{
	char		task_queue[MAX_NAME_LENGTH + 1];	/* hash key */
	QueueConfig config;
} CachedConfig;

static MemoryContext cache_context = NULL;
static HTAB *cache = NULL;
static bool cache_complete = false; /* it was read to the end */
static bool cache_stale = false;	/* and has changed since it was begun */
static Oid	cache_relation = InvalidOid;
static bool callback_registered = false;

static void
forget_configs(Datum arg, Oid relation)
{
	if (relation == InvalidOid || relation == cache_relation)
		cache_stale = true;
}

static void
cache_config(Datum *values)
{
	CachedConfig *entry;
	char		name[MAX_NAME_LENGTH + 1] = {0};

	text_to_cstring_buffer(DatumGetTextPP(values[COL_TASK_QUEUE]), name,
						   sizeof(name));
	entry = hash_search(cache, name, HASH_ENTER, NULL);
	parse_config(DatumGetJsonbPCopy(values[COL_CONFIG]), &entry->config);
}

static void
load_configs(void)
{
	HASHCTL		info = {0};
	Oid			oid = get_relname_relid("queue_config", catalog()->namespace);
	Relation	relation = table_open(oid, AccessShareLock);
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	TupleTableSlot *slot = table_slot_create(relation, NULL);
	TableScanDesc scan;
	MemoryContext old_context;

	if (cache_context == NULL)
		cache_context = AllocSetContextCreate(CacheMemoryContext,
											  "taskq queue configurations",
											  ALLOCSET_SMALL_SIZES);
	cache_complete = false;
	MemoryContextReset(cache_context);
	info.keysize = MAX_NAME_LENGTH + 1;
	info.entrysize = sizeof(CachedConfig);
	info.hcxt = cache_context;
	cache = hash_create("taskq queue configurations", 16, &info,
						HASH_ELEM | HASH_STRINGS | HASH_CONTEXT);
	cache_relation = oid;
	cache_stale = false;		/* before reading: a change meanwhile counts */

	old_context = MemoryContextSwitchTo(cache_context);
	scan = table_beginscan(relation, snapshot, 0, NULL);
	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		slot_getallattrs(slot);
		cache_config(slot->tts_values);
	}
	table_endscan(scan);
	MemoryContextSwitchTo(old_context);

	ExecDropSingleTupleTableSlot(slot);
	UnregisterSnapshot(snapshot);
	table_close(relation, AccessShareLock);
	cache_complete = true;
}

/*
 * queue_config: the configuration of a queue, NULL when it has none.  Valid
 * until the next catalog access.
 */
const QueueConfig *
queue_config(const text *task_queue)
{
	char		name[MAX_NAME_LENGTH + 1] = {0};
	CachedConfig *entry;

	if (!callback_registered)
	{
		CacheRegisterRelcacheCallback(forget_configs, (Datum) 0);
		callback_registered = true;
	}
	AcceptInvalidationMessages();	/* also in the middle of a transaction */
	if (!cache_complete || cache_stale)
		load_configs();
	if (hash_get_num_entries(cache) == 0)
		return NULL;
	text_to_cstring_buffer(task_queue, name, sizeof(name));
	entry = hash_search(cache, name, HASH_FIND, NULL);
	return entry ? &entry->config : NULL;
}

/*
 * queue_config_retention: how long closed activities of the queue are kept,
 * in microseconds.
 */
int64
queue_config_retention(const text *task_queue)
{
	const QueueConfig *config = queue_config(task_queue);

	if (config != NULL && config->retention >= 0)
		return config->retention;
	return taskq_retention * USECS_PER_SEC;
}

/*
 * queue_config_weight: the weight of a fairness key: the queue's, else the
 * task's (0 = not given), else 1; between 0.001 and 1000.  "config" may be
 * NULL.
 */
double
queue_config_weight(const QueueConfig *config, const text *key,
					double task_weight)
{
	double		weight = task_weight == 0 ? 1 : task_weight;

	for (int i = 0; config != NULL && i < config->nweights; i++)
		if (strlen(config->weights[i].key) == VARSIZE_ANY_EXHDR(key) &&
			memcmp(config->weights[i].key, VARDATA_ANY(key),
				   VARSIZE_ANY_EXHDR(key)) == 0)
			weight = config->weights[i].weight;
	return Min(Max(weight, 0.001), 1000);
}

/* ------------------------------------------------------------------------
 * Changing it
 * ------------------------------------------------------------------------
 */

/* queues that a transaction can tell of one by one; more = all of them */
#define MAX_CHANGED		16

/* Of the transaction in progress. */
static uint64 changed[MAX_CHANGED];
static int	nchanged = 0;
static bool release_registered = false;

static void
tell_changed(void)
{
	if (nchanged > MAX_CHANGED)
	{
		wait_wake_all();
		listen_all_queues();
		return;
	}
	for (int i = 0; i < nchanged; i++)
	{
		if (wait_anybody())
			wait_wake(changed[i], PG_INT32_MAX);
		if (listen_anybody())
			listen_task_due(changed[i], DT_NOBEGIN);
	}
}

/* the invalidation was sent by now; for an aborted savepoint, too: a hint */
static void
at_release(ResourceReleasePhase phase, bool is_commit, bool is_top_level,
		   void *arg)
{
	if (nchanged == 0 || phase != RESOURCE_RELEASE_AFTER_LOCKS || !is_top_level)
		return;
	if (is_commit)
		tell_changed();
	nchanged = 0;
}

static void
tell_when_released(const text *task_queue)
{
	uint64		hash = listen_hash(VARDATA_ANY(task_queue),
								   VARSIZE_ANY_EXHDR(task_queue), false);

	if (!release_registered)
	{
		RegisterResourceReleaseCallback(at_release, NULL);
		release_registered = true;
	}
	for (int i = 0; i < Min(nchanged, MAX_CHANGED); i++)
		if (changed[i] == hash)
			return;
	if (nchanged < MAX_CHANGED)
		changed[nchanged] = hash;
	nchanged = Min(nchanged + 1, MAX_CHANGED + 1);
}

/* the newest row of a queue; NULL when it has none */
static HeapTuple
read_row(text *task_queue, Datum *values, bool *nulls)
{
	Oid			table = get_relname_relid("queue_config", catalog()->namespace);
	Oid			pkey = get_relname_relid("queue_config_pkey",
										 catalog()->namespace);
	Snapshot	snapshot = fresh_snapshot();
	ScanKeyData key;
	HeapTuple	tuple;
	Relation	relation;

	row_text_key(&key, 1, BTEqualStrategyNumber, F_TEXTEQ, task_queue);
	tuple = index_fetch_one(table, pkey, snapshot, &key, 1,
							ForwardScanDirection);
	UnregisterSnapshot(snapshot);
	if (tuple == NULL)
		return NULL;
	relation = table_open(table, NoLock);
	heap_deform_tuple(tuple, RelationGetDescr(relation), values, nulls);
	table_close(relation, NoLock);
	return tuple;
}

/* members of "before" without those of "changes", then those not null */
static Jsonb *
merge_objects(Jsonb *before, Jsonb *changes, bool nested)
{
	JsonBuilder builder;
	Jsonb	   *both[2] = {before, changes};

	json_begin(&builder);
	for (int i = 0; i < 2; i++)
	{
		JsonbIterator *it;
		JsonbValue	item;
		JsonbIteratorToken token;
		char	   *key = NULL;

		if (both[i] == NULL)
			continue;
		it = JsonbIteratorInit(&both[i]->root);
		while ((token = JsonbIteratorNext(&it, &item, true)) != WJB_DONE)
		{
			if (token == WJB_KEY)
				key = pnstrdup(item.val.string.val, item.val.string.len);
			else if (token == WJB_VALUE &&
					 (i == 1 ? item.type != jbvNull :
					  json_get(changes, key) == NULL))
			{
				Jsonb	   *value = JsonbValueToJsonb(&item);

				if (i == 1 && !nested && strcmp(key, "fairness_weights") == 0)
					value = merge_objects(before ?
										  json_get_object(before, key) : NULL,
										  value, true);
				json_add(&builder, key, value);
			}
		}
	}
	return json_end(&builder);
}

static void
check_config(Jsonb *merged)
{
	QueueConfig config;

	parse_config(merged, &config);
	if (config.nweights > MAX_WEIGHT_OVERRIDES)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("too many fairness weights"),
				 errdetail("A queue can have %d.", MAX_WEIGHT_OVERRIDES)));
}

/* one try to write the row; false when somebody else was faster */
static bool
write_row(text *task_queue, Jsonb *changes, text *reason, text *identity,
		  Jsonb **merged)
{
	Oid			table = get_relname_relid("queue_config", catalog()->namespace);
	Oid			pkey = get_relname_relid("queue_config_pkey",
										 catalog()->namespace);
	Datum		values[COLUMNS];
	bool		nulls[COLUMNS] = {false};
	HeapTuple	before = read_row(task_queue, values, nulls);
	int64		revision = before ? DatumGetInt64(values[COL_REVISION]) + 1 : 1;

	*merged = merge_objects(before ? DatumGetJsonbP(values[COL_CONFIG]) : NULL,
							changes, false);
	check_config(*merged);
	values[COL_TASK_QUEUE] = PointerGetDatum(task_queue);
	values[COL_CONFIG] = JsonbPGetDatum(*merged);
	row_set_varlena(&values[COL_REASON], &nulls[COL_REASON], reason);
	row_set_varlena(&values[COL_IDENTITY], &nulls[COL_IDENTITY], identity);
	values[COL_UPDATE_TIME] = TimestampTzGetDatum(clock_now());
	values[COL_REVISION] = Int64GetDatum(revision);
	if (before == NULL)
	{
		if (target_insert_unless_duplicate(table, pkey, values, nulls))
			return true;
		if (IsolationUsesXactSnapshot())
			ereport(ERROR,
					(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
					 errmsg("could not serialize access due to concurrent update")));
		return false;
	}
	return target_update(table, &before->t_self, values, nulls, true) == STORE_OK;
}

PG_FUNCTION_INFO_V1(taskq_configure_queue);

/* taskq.configure_queue(task_queue, config, reason, identity) returns jsonb */
Datum
taskq_configure_queue(PG_FUNCTION_ARGS)
{
	text	   *task_queue;
	Jsonb	   *changes;
	Jsonb	   *merged;
	QueueConfig checked;

	begin_writing("taskq.configure_queue()");
	require_arg(fcinfo, 0, "taskQueue");
	task_queue = check_queue_name(arg_text(fcinfo, 0));
	require_arg(fcinfo, 1, "config");
	changes = arg_jsonb(fcinfo, 1);
	(void) arg_identity(fcinfo, 3);
	if (!JB_ROOT_IS_OBJECT(changes))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("config must be a JSON object")));
	parse_config(changes, &checked);
	while (!write_row(task_queue, changes, arg_text(fcinfo, 2),
					  arg_text(fcinfo, 3), &merged))
		CHECK_FOR_INTERRUPTS();
	CacheInvalidateRelcacheByRelid(get_relname_relid("queue_config",
													 catalog()->namespace));
	CommandCounterIncrement();
	tell_when_released(task_queue);
	PG_RETURN_JSONB_P(merged);
}
