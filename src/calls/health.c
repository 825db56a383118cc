/*
 * health.c
 *		What taskq.health says of the worker, its timers, expiry and sizes.
 *
 * Somebody who asks whether all is well mostly suspects that it is not, so
 * nothing here waits, for a lock or for a process: where a table is locked, the
 * answer is that one cannot look.  Judged is what the tables say, not what
 * the worker believes.  What is said of backlogs and of workflows is in files of its own
 * (health_backlogs.c, health_workflows.c).  The remaining checks of the view read PostgreSQL's own
 * catalogs and are SQL.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xlog.h"
#include "catalog/pg_database.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "base/settings.h"
#include "calls/health_backlogs.h"
#include "calls/health_report.h"
#include "calls/health_workflows.h"
#include "calls/queue_counts.h"
#include "engine/heartbeat.h"
#include "engine/queue_config.h"
#include "shared/directory.h"
#include "shared/function_pool.h"
#include "shared/sizes.h"
#include "store/catalog.h"
#include "store/extension.h"
#include "store/overdue.h"

/* a worker that should run by now is critical after that */
#define MISSED				(5 * USECS_PER_SEC)

/* one that is in one transaction for so long is busy, or critical */
#define BUSY				(5 * USECS_PER_SEC)
#define STUCK				(60 * USECS_PER_SEC)

/* a timeout may be late by that much, and by that before it is critical */
#define LATE				(5 * USECS_PER_SEC)
#define VERY_LATE			(60 * USECS_PER_SEC)

/* a leaf that cannot be emptied is reported after that */
#define BLOCKED				(10 * USECS_PER_SEC)

/* What the slot says of the worker, copied. */
typedef struct WorkerView
{
	WorkerState state;
	int			pid;
	TimestampTz wake_at;
	TimestampTz ticked_at;
	TimestampTz called_at;
	LeafHints	leaves[LEAF_KINDS];
	PutOffRuns	put_off[PUT_OFF_KINDS];
} WorkerView;

/* ------------------------------------------------------------------------
 * The worker
 * ------------------------------------------------------------------------
 */

static bool
in_template(void)
{
	HeapTuple	tuple = SearchSysCache1(DATABASEOID,
										ObjectIdGetDatum(MyDatabaseId));
	bool		is_template;

	if (!HeapTupleIsValid(tuple))
		return false;
	is_template = ((Form_pg_database) GETSTRUCT(tuple))->datistemplate;
	ReleaseSysCache(tuple);
	return is_template;
}

static void
view_worker(DatabaseSlot *slot, WorkerView *view)
{
	LWLockAcquire(control->lock, LW_SHARED);
	view->state = slot->state;
	view->pid = (int) slot->worker_pid;
	LWLockRelease(control->lock);
	SpinLockAcquire(&slot->mutex);
	view->wake_at = slot->timers.wake_at;
	view->ticked_at = slot->ticked_at;
	view->called_at = slot->timers.called_at;
	memcpy(view->leaves, slot->leaves.of, sizeof(view->leaves));
	memcpy(view->put_off, slot->put_off, sizeof(view->put_off));
	SpinLockRelease(&slot->mutex);
}

/* a worker that runs: does it come when it should? */
static void
check_tick(FunctionCallInfo fcinfo, const WorkerView *view)
{
	TimestampTz now = GetCurrentTimestamp();
	int64		missed = 0;
	int64		busy = 0;

	if (view->wake_at != DT_NOBEGIN)
		missed = clock_now() - view->wake_at;	/* asleep */
	else if (view->called_at > view->ticked_at)
		missed = now - view->called_at;
	else if (view->ticked_at != DT_NOBEGIN)
		busy = now - view->ticked_at;

	if (missed > MISSED)
		health_report(fcinfo, "background_worker", HEALTH_CRITICAL,
					  psprintf("pid %d should have woken up %s ago", view->pid,
							   health_span(missed)),
					  "Is the process stopped, or the machine overloaded?");
	else if (busy > BUSY)
		health_report(fcinfo, "background_worker",
					  busy > STUCK ? HEALTH_CRITICAL : HEALTH_WARNING,
					  psprintf("pid %d has been in one transaction for %s", view->pid,
							   health_span(busy)),
					  "See pg_stat_activity for what it waits for.");
	else
		health_report(fcinfo, "background_worker", HEALTH_OK,
					  psprintf("running with pid %d", view->pid), NULL);
}

static void
check_worker(FunctionCallInfo fcinfo, DatabaseSlot *slot,
			 const WorkerView *view)
{
	static const char check[] = "background_worker";
	static const char see_log[] =
		"See the server log; max_worker_processes and taskq.max_databases may be too low.";

	if (control == NULL)
		health_report(fcinfo, check, HEALTH_CRITICAL, "not running: not loaded",
					  "Add taskq to shared_preload_libraries and restart the server.");
	else if (RecoveryInProgress())
		health_report(fcinfo, check, HEALTH_OK,
					  "this server is a standby; timers fire on the primary", NULL);
	else if (slot != NULL && view->state == WORKER_RUNNING)
		check_tick(fcinfo, view);
	else if (in_template())
		health_report(fcinfo, check, HEALTH_WARNING,
					  "not running: this is a template database",
					  "Timeouts do not fire here; make it an ordinary database with ALTER DATABASE ... IS_TEMPLATE false.");
	else if (slot == NULL)
		health_report(fcinfo, check, HEALTH_CRITICAL, "not running: no slot", see_log);
	else if (view->state == WORKER_FAILED)
		health_report(fcinfo, check, HEALTH_CRITICAL, "not running: failed", see_log);
	else
		health_report(fcinfo, check, HEALTH_WARNING, "not running: starting",
					  see_log);
}

/* ------------------------------------------------------------------------
 * What it does
 * ------------------------------------------------------------------------
 */

static void
report_unlogged(FunctionCallInfo fcinfo, const char *check, Oid unlogged)
{
	const char *name = get_rel_name(unlogged);

	health_report(fcinfo, check, HEALTH_CRITICAL,
				  psprintf("\"taskq.%s\" is unlogged, so that a crash would empty it",
						   name),
				  psprintf("Use ALTER %s taskq.%s SET LOGGED.",
						   unlogged == catalog()->run_id_seq ? "SEQUENCE" : "TABLE",
						   name));
}

/* false: one is missing, and nothing can look at any */
static bool
check_tables(FunctionCallInfo fcinfo)
{
	static const char check[] = "tables";
	const char *missing = catalog_missing();
	const char *trigger;
	const char *table;
	Oid			unlogged;

	if (missing != NULL)
	{
		health_report(fcinfo, check, HEALTH_CRITICAL,
					  psprintf("\"taskq.%s\" does not exist", missing),
					  HOW_TO_GET_BACK);
		return false;
	}
	unlogged = catalog_unlogged();
	trigger = catalog_idle_trigger(&table);
	if (OidIsValid(unlogged))
		report_unlogged(fcinfo, check, unlogged);
	else if (trigger != NULL)
		health_report(fcinfo, check, HEALTH_CRITICAL,
					  psprintf("trigger \"%s\" of \"taskq.%s\" is not always enabled, so that changes by hand go unnoticed",
							   trigger, table),
					  psprintf("Use ALTER TABLE taskq.%s ENABLE ALWAYS TRIGGER %s.",
							   table, trigger));
	else
		health_report(fcinfo, check, HEALTH_OK, "all survive a crash", NULL);
	return true;
}

/* false: what reads tables cannot look */
static bool
check_indexes(FunctionCallInfo fcinfo)
{
	static const char check[] = "indexes";
	const char *broken = catalog_broken_index();

	if (broken == NULL)
		health_report(fcinfo, check, HEALTH_OK, "all are as taskq makes them", NULL);
	else
		health_report(fcinfo, check, HEALTH_CRITICAL,
					  psprintf("\"taskq.%s\" is missing, not valid, or not as taskq makes it",
							   broken),
					  "Create the index as it was; docs/operations.md has the definitions.");
	return broken == NULL;
}

static void
check_timers(FunctionCallInfo fcinfo)
{
	static const char check[] = "timer_lateness";
	TimestampTz now = clock_now();
	Overdue		worst;
	int64		late;

	if (!store_overdue(now, queue_counts_started(), &worst))
	{
		health_cannot_look(fcinfo, check);
		return;
	}
	if (worst.run_id == 0)
	{
		health_report(fcinfo, check, HEALTH_OK, "no timeout is overdue", NULL);
		return;
	}
	late = now - worst.since;
	health_report(fcinfo, check,
				  late > VERY_LATE ? HEALTH_CRITICAL :
				  late > LATE ? HEALTH_WARNING : HEALTH_OK,
				  psprintf("oldest overdue timeout (%s of run " INT64_FORMAT ") is late by %s",
						   worst.name, worst.run_id, health_span(late)),
				  "Is the background worker running, and not kept waiting by a lock?");
}

static void
check_put_off(FunctionCallInfo fcinfo, const WorkerView *view, PutOffKind kind)
{
	static const struct
	{
		const char *check;
		const char *all;
		const char *failed;
		const char *hint;
	}			kinds[] = {
		[PUT_OFF_TIMEOUT] = {
			"failed_timeouts", "every timeout could be fired",
			"timeouts of %d run(s) could not be fired, one of them " INT64_FORMAT,
			"The server log says what is wrong with each; mend its row in taskq.open, or delete it."
		},
		[PUT_OFF_HEARTBEAT] = {
			"failed_heartbeats", "every heartbeat could be saved",
			"heartbeats of %d run(s) could not be saved, one of them " INT64_FORMAT,
			"The server log says what is wrong with each; a crash loses those that are not in taskq.heartbeat_state."
		},
	};
	int			n = view->put_off[kind].n;

	StaticAssertStmt(lengthof(kinds) == PUT_OFF_KINDS, "each kind is checked");
	if (n == 0)
		health_report(fcinfo, kinds[kind].check, HEALTH_OK, kinds[kind].all, NULL);
	else
		health_report(fcinfo, kinds[kind].check, HEALTH_WARNING,
					  psprintf(kinds[kind].failed, n, view->put_off[kind].one),
					  kinds[kind].hint);
}

static void
check_settings(FunctionCallInfo fcinfo)
{
	static const char check[] = "queue_settings";
	const char *queue;
	int			n;

	if (!catalog_lock_at_once(catalog()->queue_config, QUEUE_CONFIG_PKEY))
	{
		health_cannot_look(fcinfo, check);
		return;
	}
	n = queue_config_unreadable(&queue);
	if (n == 0)
		health_report(fcinfo, check, HEALTH_OK, "all can be read", NULL);
	else
		health_report(fcinfo, check, HEALTH_CRITICAL,
					  psprintf("settings of %d task queue(s) cannot be read, one of them \"%s\"",
							   n, queue),
					  "Such a queue counts as paused. Set what is wrong again with taskq.configure_queue(), or correct the row of taskq.queue_config.");
}

static void
check_retention(FunctionCallInfo fcinfo, const WorkerView *view)
{
	static const char check[] = "retention";
	static const char *const tables[LEAF_KINDS] = {
		[LEAVES_CLOSED] = "closed", [LEAVES_HISTORIES] = "history"
	};
	bool		ok = true;

	for (LeafKind kind = 0; kind < LEAF_KINDS; kind++)
	{
		const LeafHints *leaves = &view->leaves[kind];
		int64		blocked = leaves->blocked < 0 ? 0 :
			GetCurrentTimestamp() - leaves->blocked_since;

		if (blocked <= BLOCKED)
			continue;
		ok = false;
		health_report(fcinfo, check, HEALTH_WARNING,
					  psprintf("taskq.%s_%d cannot be emptied since %s",
							   tables[kind], leaves->blocked, health_span(blocked)),
					  kind == LEAVES_CLOSED ?
					  "See pg_locks for who uses that table; if nobody does, it holds activities with a longer retention." :
					  "See pg_locks for who uses that table; if nobody does, pg_stat_activity and pg_prepared_xacts for an old transaction.");
	}
	if (ok)
		health_report(fcinfo, check, HEALTH_OK,
					  "what has expired is being removed", NULL);
}

/* ------------------------------------------------------------------------
 * Sizes
 * ------------------------------------------------------------------------
 */

static void
check_size(FunctionCallInfo fcinfo, SizeKind kind)
{
	const SizeRule *rule = size_rule(kind);
	int64		ago = size_exceeded_ago(kind);

	if (ago < 0)
		health_report(fcinfo, rule->check, HEALTH_OK,
					  psprintf("%s = %d is enough", rule->name, *rule->value), NULL);
	else
		health_report(fcinfo, rule->check, HEALTH_WARNING,
					  psprintf("%s = %d was exceeded %s ago", rule->name,
							   *rule->value, health_span(ago)), size_hint(kind));
}

/* does the server have room for those who run functions? */
static void
check_function_workers(FunctionCallInfo fcinfo)
{
	TimestampTz since = function_pool_refused_since();

	if (since == DT_NOEND)
		health_report(fcinfo, "function_workers", HEALTH_OK,
					  "function workers can be started, or none are needed", NULL);
	else
		health_report(fcinfo, "function_workers", HEALTH_WARNING,
					  psprintf("functions have waited for a background worker slot for %s",
							   health_span(GetCurrentTimestamp() - since)),
					  "Increase max_worker_processes, or decrease taskq.function_workers.");
}

static void
check_database(FunctionCallInfo fcinfo, const WorkerView *view)
{
	if (check_tables(fcinfo) && check_indexes(fcinfo))
	{
		check_timers(fcinfo);
		check_settings(fcinfo);
		health_of_backlogs(fcinfo);
		health_of_workflows(fcinfo);
	}
	for (PutOffKind kind = 0; kind < PUT_OFF_KINDS; kind++)
		check_put_off(fcinfo, view, kind);
	check_retention(fcinfo, view);
	check_function_workers(fcinfo);
}

PG_FUNCTION_INFO_V1(taskq_health_checks);

/*
 * taskq.health_checks() returns setof (check_name, status, detail, hint)
 */
Datum
taskq_health_checks(PG_FUNCTION_ARGS)
{
	DatabaseSlot *slot = NULL;
	WorkerView	view = {.leaves = {{.blocked = -1}, {.blocked = -1}}};

	InitMaterializedSRF(fcinfo, 0);
	if (control != NULL && !RecoveryInProgress())
		slot = directory_my_slot();
	if (slot != NULL)
		view_worker(slot, &view);
	check_worker(fcinfo, slot, &view);
	if (control == NULL || RecoveryInProgress())
		return (Datum) 0;
	if (slot != NULL)
		check_database(fcinfo, &view);
	for (SizeKind kind = 0; kind < SIZES; kind++)
		check_size(fcinfo, kind);
	return (Datum) 0;
}
