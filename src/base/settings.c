/*
 * settings.c
 *		The settings of taskq.
 *
 * Sizes of what lives in shared memory are fixed at server start and exist
 * only when the library is preloaded.  Everything else can be changed by a
 * reload, and what a single call is judged by can be set per session, role or
 * database as well.
 */
#include "postgres.h"

#include <float.h>
#include <limits.h>

#include "miscadmin.h"
#include "utils/guc.h"

#include "base/settings.h"

#define DAY_SECONDS				(24 * 60 * 60)
#define MAX_RETENTION			(50 * 365 * DAY_SECONDS)
#define DEFAULT_RETENTION		(3 * DAY_SECONDS)

/* a jsonb value cannot be larger than 256 MB */
#define DEFAULT_PAYLOAD_KB		(2 * 1024)
#define MAX_PAYLOAD_KB			(256 * 1024 - 1)

#define DEFAULT_NOTIFY_MS		20
#define MAX_NOTIFY_MS			(60 * 1000)

#define DEFAULT_ARM_AFTER_MS	5000
#define DEFAULT_CHECK_S			60
#define MAX_CHECK_S				DAY_SECONDS
#define MAX_ARM_AFTER_MS		(60 * 60 * 1000)

#define DEFAULT_FLUSH_MS		10000
#define MIN_FLUSH_MS			100
#define MAX_FLUSH_MS			(60 * 60 * 1000)

#define DEFAULT_NAPTIME			60
#define MAX_NAPTIME				3600

#define DEFAULT_FUNCTION_WORKERS	2
#define MAX_FUNCTION_WORKERS	1000
#define DEFAULT_IDLE_S			60
#define DEFAULT_FUNCTION_MB		512

#define DEFAULT_DATABASES		32
#define MAX_DATABASES			10000
#define DEFAULT_TIMER_BUFFER	4096
#define MIN_TIMER_BUFFER		16
#define MAX_TIMER_BUFFER		(1024 * 1024)
#define DEFAULT_QUEUES			1024
#define DEFAULT_LANES			4096
#define DEFAULT_POLLERS			1024
#define DEFAULT_DELAYS			8192
#define MAX_TABLE				1000000
#define DEFAULT_LISTENED		256
#define DEFAULT_WATCHED			16384
#define DEFAULT_LISTENER_QUEUES	16384
#define DEFAULT_HEARTBEAT_SLOTS	16384
#define MAX_LISTENED			65536

/*
 * taskq.clock_offset: milliseconds added to the wall clock wherever taskq asks
 * for the time.  For tests: timeouts of hours fire without waiting for them.
 * To move the worker's clock too, set it in the configuration and reload.
 */
double		taskq_clock_offset = 0;

/*
 * taskq.retention: how long a closed activity can be seen in the views and by
 * the id policies, unless its queue is configured otherwise.  Decided when the
 * activity closes; a later change moves nothing that is closed already.  0 =
 * closed activities are not kept at all.
 */
int			taskq_retention = DEFAULT_RETENTION;

/*
 * taskq.max_payload_size: largest input, header, search attributes, result or
 * details of one activity, as the size of the detoasted jsonb.
 */
int			taskq_max_payload_size = DEFAULT_PAYLOAD_KB;

/* taskq.max_history_page: how much of a history comes with a workflow task, about. */
int			taskq_max_history_page = DEFAULT_PAYLOAD_KB;

/*
 * taskq.notify_interval: after a NOTIFY on a channel the worker collects what
 * happens for this long before it sends the next one there.  The first one is
 * sent at once.  0 = never wait.
 */
int			taskq_notify_interval = DEFAULT_NOTIFY_MS;

/*
 * taskq.arm_after: an attempt that runs longer than this gets its deadline
 * written to its row, where a crash of the server cannot lose it.  Shorter
 * attempts, the bulk, never pay for that.
 */
int			taskq_arm_after = DEFAULT_ARM_AFTER_MS;

/*
 * taskq.launcher_naptime: how often the launcher looks for databases that were
 * created or dropped without taskq's being told.
 */
int			taskq_launcher_naptime = DEFAULT_NAPTIME;

/*
 * taskq.function_workers: processes that run functions as activities, of all
 * databases and roles together.  0 = none are started.
 */
int			taskq_function_workers = DEFAULT_FUNCTION_WORKERS;

/* taskq.function_idle_timeout: one that has nothing to do ends after that. */
int			taskq_function_idle_timeout = DEFAULT_IDLE_S;

/* taskq.function_memory: how much one may allocate. */
int			taskq_function_memory = DEFAULT_FUNCTION_MB;

/*
 * taskq.max_databases: databases of this server that can be served.  Each has
 * a slot in shared memory, mostly made of its timer buffer.
 */
int			taskq_max_databases = DEFAULT_DATABASES;

/*
 * taskq.timer_buffer: per database, attempts whose deadline can be on its way
 * to the worker.  When it is full, deadlines are written to the rows at once.
 */
int			taskq_timer_buffer = DEFAULT_TIMER_BUFFER;

/*
 * taskq.cursor_check_interval: seconds between two looks of the worker at
 * whether polls pass over a task.
 */
int			taskq_cursor_check_interval = DEFAULT_CHECK_S;

/*
 * taskq.max_listened_queues: channels, of all databases together, that can be
 * notified.  A channel counts as long as a session listens to it, and for an
 * hour after somebody asked for it.
 */
int			taskq_max_listened_queues = DEFAULT_LISTENED;

/*
 * taskq.max_watched_runs: runs, of all databases together, of which somebody
 * hears what becomes of them.  Beyond it the oldest ones are forgotten.
 */
int			taskq_max_watched_runs = DEFAULT_WATCHED;

/*
 * taskq.max_listener_queues: queues, of all listeners and databases together, of
 * which a listener is told.  Beyond it the oldest ones are forgotten.
 */
int			taskq_max_listener_queues = DEFAULT_LISTENER_QUEUES;

/*
 * taskq.max_queues: task queues, of all databases together, whose limits and
 * statistics fit into shared memory.  Beyond it those that were not used for
 * longest are forgotten.
 */
int			taskq_max_queues = DEFAULT_QUEUES;

/*
 * taskq.max_lanes: fairness keys per level, likewise.
 */
int			taskq_max_lanes = DEFAULT_LANES;

/*
 * taskq.max_pollers: pollers that taskq.pollers can list.
 */
int			taskq_max_pollers = DEFAULT_POLLERS;

/*
 * taskq.max_delays: spans of time, of all queues together, for which delayed
 * tasks are counted.  Where they are not enough the views count delayed tasks
 * in the table.
 */
int			taskq_max_delays = DEFAULT_DELAYS;

/*
 * taskq.heartbeat_slots: running attempts, of all databases together, whose
 * heartbeats can wait in shared memory to be written with many others.  When
 * all slots are in use, heartbeats are written to the table at once; with 0
 * always.
 */
int			taskq_heartbeat_slots = DEFAULT_HEARTBEAT_SLOTS;

/*
 * taskq.heartbeat_flush: how often heartbeats are written from shared memory
 * to the table, hence of how long a crash may lose them.
 */
int			taskq_heartbeat_flush = DEFAULT_FLUSH_MS;

/*
 * taskq.queue_rate_limit: tasks per second that any one queue hands out at
 * most, whatever its configuration or its workers say.  0 = no such limit.
 */
double		taskq_system_rate_limit = 0;

/*
 * taskq.default_initial_interval: delay before the second attempt, when the
 * retry policy of the activity does not say.
 */
int			taskq_default_initial_interval = 1000;

/*
 * taskq.default_backoff_coefficient: factor by which the delay grows from
 * attempt to attempt, when the retry policy does not say.
 */
double		taskq_default_backoff_coefficient = 2.0;

/*
 * taskq.default_maximum_interval: longest delay between two attempts, when the
 * retry policy does not say.  0 = a hundred times the initial interval.
 */
int			taskq_default_maximum_interval = 0;

/*
 * taskq.default_maximum_attempts: attempts, the first one included, when the
 * retry policy does not say.  0 = no limit.
 */
int			taskq_default_maximum_attempts = 0;

/*
 * define_sizes: settings that size shared memory.  The server refuses to
 * define those once it has started.
 */
static void
define_sizes_of_notifications(void)
{
	DefineCustomIntVariable("taskq.max_listened_queues",
							"Sets the number of channels that can be notified.",
							"A channel counts while a session listens to it, and for an hour after somebody asked for it.",
							&taskq_max_listened_queues,
							DEFAULT_LISTENED, 1, MAX_LISTENED,
							PGC_POSTMASTER, 0, NULL, NULL, NULL);

	DefineCustomIntVariable("taskq.max_listener_queues",
							"Sets the number of queues that listeners can be told of.",
							"A queue counts for each of its listeners, for an hour after that has asked for it.",
							&taskq_max_listener_queues,
							DEFAULT_LISTENER_QUEUES, 16, MAX_TABLE,
							PGC_POSTMASTER, 0, NULL, NULL, NULL);

	DefineCustomIntVariable("taskq.max_watched_runs",
							"Sets the number of runs that can be watched.",
							"A run counts until its end was told, at most for an hour after somebody asked for it.",
							&taskq_max_watched_runs,
							DEFAULT_WATCHED, 16, MAX_TABLE,
							PGC_POSTMASTER, 0, NULL, NULL, NULL);
}

static void
define_sizes(void)
{
	DefineCustomIntVariable("taskq.max_databases",
							"Sets the number of databases that taskq can serve.",
							NULL,
							&taskq_max_databases,
							DEFAULT_DATABASES, 1, MAX_DATABASES,
							PGC_POSTMASTER, 0, NULL, NULL, NULL);

	DefineCustomIntVariable("taskq.timer_buffer",
							"Sets the number of deadlines per database that can be on their way to the worker.",
							NULL,
							&taskq_timer_buffer,
							DEFAULT_TIMER_BUFFER, MIN_TIMER_BUFFER, MAX_TIMER_BUFFER,
							PGC_POSTMASTER, 0, NULL, NULL, NULL);

	DefineCustomIntVariable("taskq.max_queues",
							"Sets the number of task queues that shared memory can know.",
							NULL,
							&taskq_max_queues,
							DEFAULT_QUEUES, 16, MAX_TABLE,
							PGC_POSTMASTER, 0, NULL, NULL, NULL);

	DefineCustomIntVariable("taskq.max_lanes",
							"Sets the number of fairness keys that shared memory can know.",
							NULL,
							&taskq_max_lanes,
							DEFAULT_LANES, 16, MAX_TABLE,
							PGC_POSTMASTER, 0, NULL, NULL, NULL);

	DefineCustomIntVariable("taskq.max_pollers",
							"Sets the number of pollers that can be listed.",
							NULL,
							&taskq_max_pollers,
							DEFAULT_POLLERS, 16, MAX_TABLE,
							PGC_POSTMASTER, 0, NULL, NULL, NULL);

	DefineCustomIntVariable("taskq.max_delays",
							"Sets the number of time spans for which delayed tasks are counted.",
							NULL,
							&taskq_max_delays,
							DEFAULT_DELAYS, 16, MAX_TABLE,
							PGC_POSTMASTER, 0, NULL, NULL, NULL);

	DefineCustomIntVariable("taskq.heartbeat_slots",
							"Sets the number of running attempts whose heartbeats can wait in shared memory.",
							"0 has every heartbeat written at once.",
							&taskq_heartbeat_slots,
							DEFAULT_HEARTBEAT_SLOTS, 0, MAX_TABLE,
							PGC_POSTMASTER, 0, NULL, NULL, NULL);
}

/*
 * define_functions: settings of those who run functions.
 */
static void
define_functions(void)
{
	DefineCustomIntVariable("taskq.function_workers",
							"Sets the most processes that run functions as activities.",
							"0 means that none are started.",
							&taskq_function_workers,
							DEFAULT_FUNCTION_WORKERS, 0, MAX_FUNCTION_WORKERS,
							PGC_SIGHUP, 0, NULL, NULL, NULL);

	DefineCustomIntVariable("taskq.function_idle_timeout",
							"Sets the time after which a function worker without a task ends.",
							NULL,
							&taskq_function_idle_timeout,
							DEFAULT_IDLE_S, 1, DAY_SECONDS,
							PGC_SIGHUP, GUC_UNIT_S, NULL, NULL, NULL);

	DefineCustomIntVariable("taskq.function_memory",
							"Sets the memory that a function worker may allocate.",
							"0 means that there is no limit.",
							&taskq_function_memory,
							DEFAULT_FUNCTION_MB, 0, INT_MAX,
							PGC_SIGHUP, GUC_UNIT_MB, NULL, NULL, NULL);
}

/*
 * define_operation: settings of the worker and the launcher.
 */
static void
define_operation(void)
{
	DefineCustomIntVariable("taskq.notify_interval",
							"Sets the time for which notifications on a channel are collected.",
							"The first notification is sent at once.",
							&taskq_notify_interval,
							DEFAULT_NOTIFY_MS, 0, MAX_NOTIFY_MS,
							PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);

	DefineCustomIntVariable("taskq.arm_after",
							"Sets the time after which the deadline of a running attempt is written to its row.",
							NULL,
							&taskq_arm_after,
							DEFAULT_ARM_AFTER_MS, 0, MAX_ARM_AFTER_MS,
							PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);

	DefineCustomIntVariable("taskq.cursor_check_interval",
							"Sets the time between two checks that polls pass over no task.",
							NULL,
							&taskq_cursor_check_interval,
							DEFAULT_CHECK_S, 1, MAX_CHECK_S,
							PGC_SIGHUP, GUC_UNIT_S, NULL, NULL, NULL);

	DefineCustomIntVariable("taskq.heartbeat_flush",
							"Sets the time between two writes of the heartbeats in shared memory.",
							"A crash of the server loses heartbeats of at most this time.",
							&taskq_heartbeat_flush,
							DEFAULT_FLUSH_MS, MIN_FLUSH_MS, MAX_FLUSH_MS,
							PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);

	DefineCustomIntVariable("taskq.launcher_naptime",
							"Sets the time between two looks for new databases.",
							NULL,
							&taskq_launcher_naptime,
							DEFAULT_NAPTIME, 1, MAX_NAPTIME,
							PGC_SIGHUP, GUC_UNIT_S, NULL, NULL, NULL);

	DefineCustomRealVariable("taskq.queue_rate_limit",
							 "Sets the most tasks per second that any task queue hands out.",
							 "0 means that there is no such limit.",
							 &taskq_system_rate_limit,
							 0.0, 0.0, 1e9,
							 PGC_SIGHUP, 0, NULL, NULL, NULL);

	DefineCustomRealVariable("taskq.clock_offset",
							 "Shifts the clock of taskq, for tests.",
							 NULL,
							 &taskq_clock_offset,
							 0.0, -1e14, 1e14,
							 PGC_SUSET, GUC_UNIT_MS | GUC_NOT_IN_SAMPLE,
							 NULL, NULL, NULL);
}

/*
 * define_retention_and_limits: what is kept, and how large it may be.
 */
static void
define_retention_and_limits(void)
{
	DefineCustomIntVariable("taskq.retention",
							"Sets how long closed activities are kept.",
							"Queues can be configured otherwise; 0 keeps none.",
							&taskq_retention,
							DEFAULT_RETENTION, 0, MAX_RETENTION,
							PGC_SIGHUP, GUC_UNIT_S, NULL, NULL, NULL);

	DefineCustomIntVariable("taskq.max_history_page",
							"Sets how much of its history comes with a workflow task.",
							"What follows is read with taskq.workflow_history().",
							&taskq_max_history_page,
							DEFAULT_PAYLOAD_KB, 1, MAX_PAYLOAD_KB,
							PGC_USERSET, GUC_UNIT_KB, NULL, NULL, NULL);

	DefineCustomIntVariable("taskq.max_payload_size",
							"Sets the largest payload of an activity.",
							NULL,
							&taskq_max_payload_size,
							DEFAULT_PAYLOAD_KB, 1, MAX_PAYLOAD_KB,
							PGC_SUSET, GUC_UNIT_KB, NULL, NULL, NULL);
}

/*
 * define_retry_policy: defaults for the fields of a retry policy.
 */
static void
define_retry_policy(void)
{
	DefineCustomIntVariable("taskq.default_initial_interval",
							"Sets the default delay before the first retry.",
							NULL,
							&taskq_default_initial_interval,
							1000, 1, INT_MAX,
							PGC_USERSET, GUC_UNIT_MS, NULL, NULL, NULL);

	DefineCustomRealVariable("taskq.default_backoff_coefficient",
							 "Sets the default factor by which retry delays grow.",
							 NULL,
							 &taskq_default_backoff_coefficient,
							 2.0, 1.0, DBL_MAX,
							 PGC_USERSET, 0, NULL, NULL, NULL);

	DefineCustomIntVariable("taskq.default_maximum_interval",
							"Sets the default maximum delay between retries.",
							"0 means a hundred times the initial interval.",
							&taskq_default_maximum_interval,
							0, 0, INT_MAX,
							PGC_USERSET, GUC_UNIT_MS, NULL, NULL, NULL);

	DefineCustomIntVariable("taskq.default_maximum_attempts",
							"Sets the default maximum number of attempts.",
							"0 means that there is no limit.",
							&taskq_default_maximum_attempts,
							0, 0, INT_MAX,
							PGC_USERSET, 0, NULL, NULL, NULL);
}

/*
 * guc_define: define all settings; once, from _PG_init.
 */
void
guc_define(void)
{
	if (process_shared_preload_libraries_in_progress)
	{
		define_sizes();
		define_sizes_of_notifications();
	}
	define_functions();
	define_operation();
	define_retention_and_limits();
	define_retry_policy();

	MarkGUCPrefixReserved("taskq");
}
