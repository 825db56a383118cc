/*
 * queue_config.c
 *		What is configured for a task queue: the backend's copy of
 *		taskq.queue_config.
 *
 * Only queues that somebody configured have a row, so a backend keeps all of
 * them, parsed.  A change invalidates the relation cache entry of the table:
 * every backend, the worker included, drops its copy when the change commits
 * and reads it again when it needs it next.  No lock, no shared memory, and a
 * rollback is as if nothing had been.
 *
 * What configure_queue() has stored can be read again.  A row that was written
 * by hand maybe cannot: then its queue counts as paused and has the defaults
 * otherwise, so that nothing is handed out beyond a limit that nobody can read,
 * while tasks are scheduled, reported and timed out as ever.  Each session
 * warns once; no other queue is concerned.
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/memutils.h"

#include "base/settings.h"
#include "base/texts.h"
#include "common/lengths.h"
#include "engine/queue_config.h"
#include "model/queue_settings.h"
#include "store/catalog.h"
#include "store/config_rows.h"
#include "task/queue_keys.h"

/* One configured queue. */
typedef struct CachedConfig
{
	uint64		hash;			/* of the name; hash key */
	char	   *task_queue;
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

/* once per session and queue */
static void
warn_unreadable(const char *task_queue, const ErrorData *error)
{
	static HTAB *warned = NULL;
	char		name[MAX_NAME_LENGTH + 1] = {0};
	bool		found;

	if (warned == NULL)
	{
		HASHCTL		info = {0};

		info.keysize = info.entrysize = MAX_NAME_LENGTH + 1;
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
	ErrorData  *volatile problem = NULL;

	PG_TRY();
	{
		queue_config_parse(stored, config);
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		if (ERRCODE_TO_CATEGORY(error->sqlerrcode) != ERRCODE_DATA_EXCEPTION)
			PG_RE_THROW();
		FlushErrorState();
		queue_config_defaults(config);
		config->unreadable = config->paused = true;
		problem = error;
	}
	PG_END_TRY();
	return problem;
}

static void
cache_config(const text *task_queue, Jsonb *stored)
{
	QueueKey	key = queue_key(task_queue);
	CachedConfig *entry;
	ErrorData  *problem;

	entry = hash_search(cache, &key.hash, HASH_ENTER, NULL);
	entry->task_queue = text_to_cstring(task_queue);
	problem = queue_config_read(stored, &entry->config);
	if (problem != NULL)
		warn_unreadable(entry->task_queue, problem);
}

static void
load_configs(void)
{
	HASHCTL		info = {0};
	MemoryContext old_context;

	cache_relation = catalog()->queue_config;
	if (cache_context == NULL)
		cache_context = AllocSetContextCreate(CacheMemoryContext,
											  "taskq queue configurations",
											  ALLOCSET_SMALL_SIZES);
	cache_complete = false;
	MemoryContextReset(cache_context);
	info.keysize = sizeof(uint64);
	info.entrysize = sizeof(CachedConfig);
	info.hcxt = cache_context;
	cache = hash_create("taskq queue configurations", 16, &info,
						HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	cache_stale = false;		/* before reading: a change meanwhile counts */

	old_context = MemoryContextSwitchTo(cache_context);
	config_rows_each(cache_config);
	MemoryContextSwitchTo(old_context);
	cache_complete = true;
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
	if (!cache_complete || cache_stale)
		load_configs();
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
	if (hash_get_num_entries(cache) == 0)
		return NULL;
	entry = hash_search(cache, &queue->key.hash, HASH_FIND, NULL);
	return entry ? &entry->config : NULL;
}

/*
 * queue_config_unreadable: how many queues have a stored configuration that
 * cannot be read; *task_queue becomes the name of one of them, NULL without
 * any.  Valid until the next catalog access.  Reads taskq.queue_config, with
 * AccessShareLock, if it has changed.
 */
int
queue_config_unreadable(const char **task_queue)
{
	HASH_SEQ_STATUS scan;
	CachedConfig *entry;
	int			n = 0;

	be_current();
	*task_queue = NULL;
	hash_seq_init(&scan, cache);
	while ((entry = hash_seq_search(&scan)) != NULL)
	{
		if (!entry->config.unreadable)
			continue;
		*task_queue = entry->task_queue;
		n++;
	}
	return n;
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
		if (text_is(key, config->weights[i].key,
					strlen(config->weights[i].key)))
			weight = config->weights[i].weight;
	return Min(Max(weight, 0.001), 1000);
}
