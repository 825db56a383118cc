/*
 * catalog.h
 *		taskq's own relations and types.
 */
#ifndef TASKQ_CATALOG_H
#define TASKQ_CATALOG_H

#include "storage/lockdefs.h"
#include "utils/relcache.h"

#include "model/activity.h"
#include "model/run.h"
#include "store/catalog_shape.h"
#include "task/task.h"

/*
 * The OIDs that stay as long as the extension does.  Indexes are not among
 * them: theirs may change whenever the table is not locked.
 */
typedef struct Catalog
{
	Oid			namespace;
	Oid			open;
	Oid			heartbeat;
	Oid			closed[CLOSED_LEAVES + 1];
	Oid			closed_run[CLOSED_LEAVES + 1];
	Oid			history[HISTORY_LEAVES + 1];
	Oid			run_inbox;
	Oid			run_timer;
	Oid			run_request;
	Oid			search_attribute;
	Oid			instance;
	Oid			queue_config;
	Oid			registered_function;
	Oid			run_id_seq;
	Oid			run_inbox_seq;
	Oid			retry_policy;	/* composite types */
	Oid			history_event;
	Oid			status[STATE_LAST + 1]; /* enum labels; of closed states */
	Oid			status_running;
	Oid			status_paused;
	Oid			retry_state[RETRY_STATE_LAST + 1];
	Oid			reuse_allow;	/* labels of id policies */
	Oid			reuse_failed_only;
	Oid			reuse_reject;
	Oid			conflict_fail;
	Oid			conflict_use_existing;
	Oid			workflow_status[RUN_STATUS_LAST + 1];
	Oid			workflow_conflict_fail;
	Oid			workflow_conflict_use_existing;
	Oid			conflict_terminate_existing;
	Oid			task_kind[2];	/* labels, in their order */
} Catalog;

extern const Catalog *catalog(void);
extern bool catalog_exists(void);
extern const char *catalog_missing(void);
extern const char *catalog_broken_index(void);
extern const char *catalog_idle_trigger(const char **table);
extern Oid	catalog_unlogged(void);
extern Oid	catalog_status(State state);
extern Oid	catalog_index(Relation table, TaskqIndex which);
extern void catalog_lock_table(Oid table, LOCKMODE lock);
extern Relation catalog_open_table(Oid table, LOCKMODE lock);
extern bool catalog_lock_at_once(Oid table, TaskqIndex which);
extern Relation catalog_open_index(Relation table, TaskqIndex which);
extern void catalog_close_index(Relation index);

#endif							/* TASKQ_CATALOG_H */
