/*
 * queue_keys.h
 *		The keys of queues, and of what belongs to them.
 */
#ifndef TASKQ_QUEUE_KEYS_H
#define TASKQ_QUEUE_KEYS_H

#include "datatype/timestamp.h"

/* Names of queues that begin so are not for activities. */
#define RESERVED_QUEUE_PREFIX	"/_sys/"

/*
 * Queues of one worker each.  Nothing is counted, limited or configured there: in shared
 * memory they have their poller, and what finds their tasks.
 */
#define PRIVATE_QUEUE_PREFIX	RESERVED_QUEUE_PREFIX "s/"

typedef struct QueueKey
{
	Oid			database;
	uint32		unused;			/* zero: the key is hashed as bytes */
	uint64		hash;			/* of the queue's name */
} QueueKey;

StaticAssertDecl(sizeof(QueueKey) == 2 * sizeof(uint32) + sizeof(uint64),
				 "keys are compared as bytes, so they have no holes");

typedef struct LaneKey
{
	Oid			database;
	int32		level;			/* 0: the limiter of the key on all levels */
	uint64		queue_hash;
	uint64		key_hash;
} LaneKey;

StaticAssertDecl(sizeof(LaneKey) == 2 * sizeof(uint32) + 2 * sizeof(uint64),
				 "keys are compared as bytes, so they have no holes");

typedef struct PollerKey
{
	Oid			database;
	uint32		unused;
	uint64		queue_hash;
	uint64		identity_hash;
} PollerKey;

StaticAssertDecl(sizeof(PollerKey) == 2 * sizeof(uint32) + 2 * sizeof(uint64),
				 "keys are compared as bytes, so they have no holes");

/* A span of time: what is due in [end - 2^width us, end). */
typedef struct DelayKey
{
	Oid			database;
	int16		level;
	int16		width;
	uint64		queue_hash;
	TimestampTz end;
} DelayKey;

StaticAssertDecl(sizeof(DelayKey) == 2 * sizeof(uint32) + 2 * sizeof(uint64),
				 "keys are compared as bytes, so they have no holes");

/* What has names of its own, apart from the others'. */
typedef enum NameKind
{
	NAME_OF_QUEUE,
	NAME_OF_WORKER,				/* its identity */
	NAME_OF_LISTENER
} NameKind;

#define NAME_KINDS			(NAME_OF_LISTENER + 1)

/* A queue of this database: its name, looked up once. */
typedef struct QueueRef
{
	QueueKey	key;
	const text *name;			/* as long as the reference is used */
	bool		is_private;		/* to a worker, by its name */
} QueueRef;

extern uint64 name_digest(const char *name, int length);
extern uint64 digest_hash(uint64 digest, NameKind kind);
extern uint64 name_hash(const char *name, int length, NameKind kind);
extern QueueKey queue_key(const text *task_queue);
extern LaneKey lane_key(const QueueKey *queue, int level,
						const char *fairness_key, int length);
extern PGDLLEXPORT QueueRef queue_ref(const text *task_queue);

#endif							/* TASKQ_QUEUE_KEYS_H */
