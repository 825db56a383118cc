/*
 * queue_keys.c
 *		The keys of queues, and of what belongs to them.
 *
 * A queue is known by its database and a hash of its name, and so is what
 * belongs to it: lanes, pollers, spans of time in which tasks are due.  Two
 * names with one hash are taken for one queue, which is as unlikely as a fault
 * of the memory.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "miscadmin.h"

#include "base/compat.h"
#include "task/queue_keys.h"

/* names up to this length are compared faster than hashed */
#define LAST_NAME_LENGTH	128

/*
 * name_digest: a hash of a name, the same in all databases.  The names of
 * channels have it in them, so that who knows one of those knows the key.
 */
uint64
name_digest(const char *name, int length)
{
	return hash_bytes_extended((const unsigned char *) name, length, 0);
}

/*
 * digest_hash: name_hash() of the name with that digest.
 */
uint64
digest_hash(uint64 digest, NameKind kind)
{
	uint64		hash = digest ^ hash_bytes_uint32_extended(MyDatabaseId,
														   kind);

	return hash == 0 ? 1 : hash;
}

/*
 * name_hash: by which a queue of this database, a worker or a listener is found.  Never 0.
 */
uint64
name_hash(const char *name, int length, NameKind kind)
{
	return digest_hash(name_digest(name, length), kind);
}

/*
 * queue_key: of a queue of this database.  Remembers the last one, since a
 * call asks again and again.
 */
QueueKey
queue_key(const text *task_queue)
{
	static QueueKey last = {0};
	static int	last_length = -1;
	static char last_name[LAST_NAME_LENGTH];
	const char *name = VARDATA_ANY(task_queue);
	int			length = VARSIZE_ANY_EXHDR(task_queue);

	if (length == last_length && memcmp(name, last_name, length) == 0)
		return last;
	last.database = MyDatabaseId;
	last.hash = name_hash(name, length, NAME_OF_QUEUE);
	last_length = length <= LAST_NAME_LENGTH ? length : -1;
	memcpy(last_name, name, Min(length, LAST_NAME_LENGTH));
	return last;
}

static bool
is_private(const text *task_queue)
{
	const char *name = VARDATA_ANY(task_queue);
	size_t		prefix = strlen(PRIVATE_QUEUE_PREFIX);

	return VARSIZE_ANY_EXHDR(task_queue) >= prefix &&
		name[0] == PRIVATE_QUEUE_PREFIX[0] &&
		memcmp(name, PRIVATE_QUEUE_PREFIX, prefix) == 0;
}

/* queue_ref: likewise, with the name, which is not copied. */
QueueRef
queue_ref(const text *task_queue)
{
	QueueRef	queue = {queue_key(task_queue), task_queue, is_private(task_queue)};

	return queue;
}

/* lane_key: of a lane of a queue; the level is 0 for the key on all levels. */
LaneKey
lane_key(const QueueKey *queue, int level, const char *fairness_key,
		 int length)
{
	LaneKey		key = {0};

	key.database = queue->database;
	key.level = level;
	key.queue_hash = queue->hash;
	key.key_hash = hash_bytes_extended((const unsigned char *) fairness_key,
									   length, 0);
	return key;
}
