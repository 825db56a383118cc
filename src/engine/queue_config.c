/*
 * queue_config.c
 *		What is configured for a task queue: the backend's copy of
 *		taskq.queue_config.
 *
 * Only queues that somebody configured have a row, so a backend keeps all of
 * them, parsed.  A change invalidates the relation cache entry of the table:
 * every backend, the worker included, drops its copy when the change commits
 * and reads it again when it needs it next.  No lock, no shared memory, and a
 * rollback is as if nothing had been.  Where very many queues are configured a
 * backend looks each up by its name when it needs it, and keeps that, or that it
 * has no row, so that a change costs nobody more than the queues it works on.
 *
 * What configure_queue() has stored can be read again.  A row that was written
 * by hand maybe cannot: then its queue counts as paused and has the defaults
 * otherwise, so that nothing is handed out beyond a limit that nobody can read,
 * while tasks are scheduled, reported and timed out as ever.  Each session
 * warns once; no other queue is concerned.
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/memutils.h"

#include "base/caught.h"
#include "base/settings.h"
#include "base/texts.h"
#include "common/lengths.h"
#include "engine/queue_config.h"
#include "model/queue_settings.h"
#include "store/catalog.h"
#include "store/config_rows.h"
#include "task/queue_keys.h"

#define MAX_CACHED		1000	/* queues */

/* One queue. */
typedef struct CachedConfig
{
	uint64		hash;			/* of the name; hash key */
	bool		configured;		/* else it has no row */
	QueueConfig config;
} CachedConfig;

static MemoryContext cache_context = NULL;
static HTAB *cache = NULL;
static bool cache_valid = false;	/* it was begun, and read to the end if it is
									 * to have all ... */
static bool cache_stale = false;	/* ... and has changed since it was begun */
static bool cache_all = true;		/* whoever is not in it has no row */
static Oid	cache_relation = InvalidOid;
static bool callback_registered = false;

static void
forget_configs(Datum arg, Oid relation)
{
	if (relation == InvalidOid || relation == cache_relation)
		cache_stale = true;
}

/* once per session and queue */
static void
warn_unreadable(const char *task_queue, const ErrorData *error)
{
	static HTAB *warned = NULL;
	char		name[MAX_QUEUE_NAME_LENGTH + 1] = {0};
	bool		found;

	if (warned == NULL)
	{
		HASHCTL		info = {0};

		info.keysize = info.entrysize = MAX_QUEUE_NAME_LENGTH + 1;
		info.hcxt = CacheMemoryContext;
		warned = hash_create("taskq unreadable configurations", 16, &info,
							 HASH_ELEM | HASH_STRINGS | HASH_CONTEXT);
	}
	strlcpy(name, task_queue, sizeof(name));
	(void) hash_search(warned, name, HASH_ENTER, &found);
	if (found)
		return;
	ereport(WARNING,
			(errcode(error->sqlerrcode),
			 errmsg("configuration of task queue \"%s\" cannot be read: %s",
					task_queue, error->message),
			 errdetail("The task queue counts as paused."),
			 errhint("Set that setting again with taskq.configure_queue(), or correct the row of taskq.queue_config.")));
}

/*
 * queue_config_read: parse what is stored, as polls take it; what is wrong with
 * it, if it cannot be read.  That only computes, in memory that goes with the
 * caller's: there is nothing to undo.
 */
ErrorData *
queue_config_read(Jsonb *stored, QueueConfig *config)
{
	MemoryContext context = CurrentMemoryContext;
	uint32		holdoff = QueryCancelHoldoffCount;
	ErrorData  *volatile problem = NULL;

	PG_TRY();
	{
		queue_settings_parse(stored, config);
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		if (ERRCODE_TO_CATEGORY(error->sqlerrcode) != ERRCODE_DATA_EXCEPTION)
			PG_RE_THROW();
		error_forget(holdoff);
		queue_settings_defaults(config);
		config->unreadable = config->paused = true;
		problem = error;
	}
	PG_END_TRY();
	return problem;
}

/* in cache_context, as what is stored is (NULL = nothing) */
static CachedConfig *
cache_config(const text *task_queue, Jsonb *stored)
{
	QueueKey	key = queue_key(task_queue);
	QueueConfig config = {0};
	ErrorData  *problem = NULL;
	CachedConfig *entry;

	if (stored != NULL)
		problem = queue_config_read(stored, &config);
	if (problem != NULL)
		warn_unreadable(text_to_cstring(task_queue), problem);
	entry = hash_search(cache, &key.hash, HASH_ENTER, NULL);
	entry->configured = stored != NULL;
	entry->config = config;
	return entry;
}

/* false when there are too many */
static bool
cache_row(const text *task_queue, Jsonb *stored)
{
	if (hash_get_num_entries(cache) >= MAX_CACHED)
		return false;
	(void) cache_config(task_queue, stored);
	return true;
}

static void
begin_cache(void)
{
	HASHCTL		info = {0};

	cache_relation = catalog()->queue_config;
	if (cache_context == NULL)
		cache_context = AllocSetContextCreate(CacheMemoryContext,
											  "taskq queue configurations",
											  ALLOCSET_SMALL_SIZES);
	cache_valid = false;
	MemoryContextReset(cache_context);
	info.keysize = sizeof(uint64);
	info.entrysize = sizeof(CachedConfig);
	info.hcxt = cache_context;
	cache = hash_create("taskq queue configurations", 16, &info,
						HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	cache_stale = false;		/* before reading: a change meanwhile counts */
}

/* once there were too many of them the session does not try to read all again */
static void
load_configs(void)
{
	begin_cache();
	if (cache_all)
	{
		MemoryContext old_context = MemoryContextSwitchTo(cache_context);

		cache_all = config_rows_each(cache_row);
		MemoryContextSwitchTo(old_context);
	}
	cache_valid = true;
}

static void
be_current(void)
{
	if (!callback_registered)
	{
		CacheRegisterRelcacheCallback(forget_configs, (Datum) 0);
		callback_registered = true;
	}
	AcceptInvalidationMessages();	/* also in the middle of a transaction */
	if (!cache_valid || cache_stale)
		load_configs();
}

/* read what one queue has, and keep it */
static CachedConfig *
load_one(const QueueRef *queue)
{
	Jsonb	   *stored = config_row_now(queue->name);
	MemoryContext old_context;
	CachedConfig *entry;

	if (hash_get_num_entries(cache) >= MAX_CACHED)
	{
		begin_cache();
		cache_valid = true;
	}
	old_context = MemoryContextSwitchTo(cache_context);
	if (stored != NULL)
		stored = (Jsonb *) DatumGetPointer(datumCopy(JsonbPGetDatum(stored), false, -1));
	entry = cache_config(queue->name, stored);
	MemoryContextSwitchTo(old_context);
	return entry;
}

/*
 * queue_config: the configuration of a queue, NULL when it has none.  Valid
 * until the next catalog access.
 */
const QueueConfig *
queue_config(const QueueRef *queue)
{
	CachedConfig *entry;

	be_current();
	if (cache_all && hash_get_num_entries(cache) == 0)
		return NULL;
	entry = hash_search(cache, &queue->key.hash, HASH_FIND, NULL);
	if (entry == NULL && !cache_all)
		entry = load_one(queue);
	return entry != NULL && entry->configured ? &entry->config : NULL;
}

/* What is unreadable. */
static int	unreadable;
static char *unreadable_queue;

static bool
look_for_unreadable(const text *task_queue, Jsonb *stored)
{
	QueueConfig config;

	if (queue_config_read(stored, &config) == NULL)
		return true;
	if (unreadable++ == 0)
		unreadable_queue = text_to_cstring(task_queue);
	return true;
}

/*
 * queue_config_unreadable: how many queues have a stored configuration that
 * cannot be read; *task_queue becomes the name of one of them, NULL without
 * any.  Reads taskq.queue_config, with AccessShareLock.
 */
int
queue_config_unreadable(const char **task_queue)
{
	unreadable = 0;
	unreadable_queue = NULL;
	(void) config_rows_each(look_for_unreadable);
	*task_queue = unreadable_queue;
	return unreadable;
}

/*
 * queue_config_retention: how long closed activities of the queue are kept,
 * in microseconds.
 */
int64
queue_config_retention(const QueueRef *queue)
{
	const QueueConfig *config = queue_config(queue);

	if (config != NULL && config->retention >= 0)
		return config->retention;
	return taskq_retention * USECS_PER_SEC;
}

static int
compare_weights(const void *a, const void *b)
{
	const char *x = ((const WeightOverride *) a)->key;
	const char *y = ((const WeightOverride *) b)->key;
	int			longer = (int) strlen(x) - (int) strlen(y);

	return longer != 0 ? longer : strcmp(x, y);
}

/*
 * queue_config_override: the weight that the queue's settings give to a fairness
 * key, 0 = none.  "config" may be NULL.
 */
double
queue_config_override(const QueueConfig *config, const text *key)
{
	char		name[MAX_FAIRNESS_KEY_LENGTH + 1];
	WeightOverride wanted = {.key = name};
	const WeightOverride *found;

	if (config == NULL || config->nweights == 0 ||
		VARSIZE_ANY_EXHDR(key) > MAX_FAIRNESS_KEY_LENGTH)
		return 0;
	memcpy(name, VARDATA_ANY(key), VARSIZE_ANY_EXHDR(key));
	name[VARSIZE_ANY_EXHDR(key)] = '\0';
	found = bsearch(&wanted, config->weights, config->nweights,
					sizeof(WeightOverride), compare_weights);
	return found == NULL ? 0 : found->weight;
}

/*
 * fairness_weight: the weight of a fairness key: the queue's, else the task's
 * (0 = not given), else 1; between 0.001 and 1000.
 */
double
fairness_weight(double override, double task_weight)
{
	double		weight = override != 0 ? override :
		task_weight != 0 ? task_weight : 1;

	return Min(Max(weight, 0.001), 1000);
}

/* queue_config_weight: likewise, of that key. */
double
queue_config_weight(const QueueConfig *config, const text *key,
					double task_weight)
{
	return fairness_weight(queue_config_override(config, key), task_weight);
}
