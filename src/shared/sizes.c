/*
 * sizes.c
 *		The sizes of what lies in shared memory, and when they were exceeded.
 *
 * What does not fit is forgotten, goes to a table instead, or waits; that is
 * slower, less exact or late, so somebody should hear of it.  Who finds no room
 * says so here, taskq.health tells for a while, and the launcher writes it to the
 * log: once, and again when it has begun anew, or goes on for an hour.  (Not who
 * finds no room: he may hold locks, or be in the middle of a commit.)
 *
 * The sizes are of the whole server.  Where 0 means that nothing is kept at all,
 * nothing is exceeded.  All times are by taskq's clock.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "base/settings.h"
#include "shared/directory.h"
#include "shared/sizes.h"

/* taskq.health tells for so long that a size was exceeded; then it is over */
#define REMEMBERED			(10 * SECS_PER_MINUTE * USECS_PER_SEC)

/* one that goes on being exceeded is logged that often */
#define LOG_INTERVAL		USECS_PER_HOUR

typedef struct SizeState
{
	pg_atomic_uint64 exceeded_at;	/* last; 0 = never */
	pg_atomic_uint64 logged_at; /* likewise; or it is about to be */
	pg_atomic_uint32 to_be_logged;
} SizeState;

static SizeState *states = NULL;	/* SIZES of them */

static const int max_events = MAX_PENDING_EVENTS;

static const SizeRule rules[] = {
	[SIZE_DATABASES] = {
		"databases", "databases", "taskq.max_databases", &taskq_max_databases,
		"Some databases have no taskq worker: no timeout fires there, and nothing is notified.",
	},
	[SIZE_WORKERS] = {
		"worker_processes", "worker processes", "max_worker_processes", &max_worker_processes,
		"Some databases have no taskq worker: no timeout fires there, and nothing is notified.",
		"Consider increasing the configuration parameter \"max_worker_processes\"; taskq needs one for its launcher and one for each database that has the extension.",
	},
	[SIZE_QUEUES] = {
		"queues", "task queues", "taskq.max_queues", &taskq_max_queues,
		"Queues that were not used for longest are forgotten: their statistics begin anew, and who needs their numbers counts them in the table.",
	},
	[SIZE_LANES] = {
		"fairness_keys", "fairness keys", "taskq.max_lanes", &taskq_max_lanes,
		"Fairness keys take turns less exactly, and their rates may be exceeded.",
	},
	[SIZE_POLLERS] = {
		"pollers", "pollers", "taskq.max_pollers", &taskq_max_pollers,
		"Those that have not polled for longest are missing in taskq.pollers.",
	},
	[SIZE_DELAYS] = {
		"delays", "delays", "taskq.max_delays", &taskq_max_delays,
		"The views of queues count delayed tasks in the table.",
	},
	[SIZE_CHANNELS] = {
		"channels", "channels", "taskq.max_listened_queues", &taskq_max_listened_queues,
		"Channels that nobody listens to are given up; while all are listened to, asking for another one, or listening, is an error.",
	},
	[SIZE_EVENTS] = {
		"worker_events", "events of one worker", "events kept for a worker", &max_events,
		"The oldest are not sent: a worker learns of them by its heartbeats and reports.",
		"Consider several identities for the worker, or decreasing the configuration parameter \"taskq.notify_interval\".",
	},
	[SIZE_WATCHED_RUNS] = {
		"watched_runs", "watched runs", "taskq.max_watched_runs", &taskq_max_watched_runs,
		"The oldest are forgotten: nobody is told what becomes of them.",
	},
	[SIZE_LISTENED_QUEUES] = {
		"listener_queues", "queues of listeners", "taskq.max_listener_queues", &taskq_max_listener_queues,
		"The oldest are forgotten: their listeners are told nothing of them.",
	},
	[SIZE_HEARTBEAT_SLOTS] = {
		"heartbeat_slots", "heartbeats", "taskq.heartbeat_slots", &taskq_heartbeat_slots,
		"Heartbeats are written to the table at once.",
	},
	[SIZE_TIMER_BUFFER] = {
		"timer_buffer", "deadlines", "taskq.timer_buffer", &taskq_timer_buffer,
		"Deadlines are written to the rows of attempts at once.",
	},
};

StaticAssertDecl(lengthof(rules) == SIZES, "each size has a rule");

/* sizes_shmem_size: for the request hook. */
Size
sizes_shmem_size(void)
{
	return SIZES * sizeof(SizeState);
}

/* sizes_shmem_init: caller holds AddinShmemInitLock. */
void
sizes_shmem_init(LWLockPadded *locks)
{
	bool		found;

	Assert(LWLockHeldByMe(AddinShmemInitLock));
	states = ShmemInitStruct("taskq sizes", sizes_shmem_size(), &found);
	for (int i = 0; i < SIZES && !found; i++)
	{
		pg_atomic_init_u64(&states[i].exceeded_at, 0);
		pg_atomic_init_u64(&states[i].logged_at, 0);
		pg_atomic_init_u32(&states[i].to_be_logged, 0);
	}
}

/* us between then and now, in whatever order, since clocks can be set back */
static int64
distance(uint64 then, TimestampTz now)
{
	return Max(now, (int64) then) - Min(now, (int64) then);
}

/*
 * size_exceeded: something that is in use does not fit.  Cannot fail; locks may
 * be held.
 */
void
size_exceeded(SizeKind kind)
{
	SizeState  *state = &states[kind];
	TimestampTz now = clock_now();
	uint64		logged = pg_atomic_read_u64(&state->logged_at);
	uint64		last = pg_atomic_exchange_u64(&state->exceeded_at, (uint64) now);

	if (last != 0 && distance(last, now) <= REMEMBERED &&
		distance(logged, now) < LOG_INTERVAL)
		return;
	if (!pg_atomic_compare_exchange_u64(&state->logged_at, &logged, (uint64) now))
		return;					/* somebody else sees to it */
	pg_atomic_write_u32(&state->to_be_logged, 1);
	directory_wake_launcher();
}

/* size_rule: what is to be said of the size. */
const SizeRule *
size_rule(SizeKind kind)
{
	return &rules[kind];
}

/* size_hint: what to do when it is exceeded; may be palloc'd. */
const char *
size_hint(SizeKind kind)
{
	if (rules[kind].remedy != NULL)
		return rules[kind].remedy;
	return psprintf("Consider increasing the configuration parameter \"%s\".",
					rules[kind].name);
}

/*
 * size_exceeded_ago: for how many microseconds it has fitted again, at most;
 * -1 when it was not exceeded lately.
 */
int64
size_exceeded_ago(SizeKind kind)
{
	uint64		when = pg_atomic_read_u64(&states[kind].exceeded_at);
	int64		ago = when == 0 ? -1 : distance(when, clock_now());

	return ago <= REMEMBERED ? ago : -1;
}

/*
 * sizes_log: write to the log which sizes were exceeded since the last call, of
 * those that are worth a line.  For the launcher.
 */
void
sizes_log(void)
{
	for (SizeKind kind = 0; kind < SIZES; kind++)
	{
		const SizeRule *rule = &rules[kind];

		if (pg_atomic_exchange_u32(&states[kind].to_be_logged, 0) == 0)
			continue;
		ereport(LOG,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("taskq has no room for more %s", rule->things),
				 errdetail("%s = %d was exceeded. %s", rule->name,
						   *rule->value, rule->beyond),
				 errhint("%s", size_hint(kind))));
	}
}
