/*
 * catalog_shape.h
 *		What the install script makes: names and columns, and whether they are so.
 */
#ifndef TASKQ_CATALOG_SHAPE_H
#define TASKQ_CATALOG_SHAPE_H

/* number of closed_N tables; closed_long has the number after the last */
#define CLOSED_LEAVES		8
#define CLOSED_LONG			CLOSED_LEAVES

/* likewise of history_N, and history_long; closed_run_N are as closed_N */
#define HISTORY_LEAVES		8
#define HISTORY_LONG		HISTORY_LEAVES

/* The indexes through which rows are found. */
typedef enum TaskqIndex
{
	OPEN_PKEY,
	OPEN_READY,
	OPEN_ALARM,
	OPEN_ACTIVITY_ID,
	HEARTBEAT_PKEY,
	INSTANCE_PKEY,
	QUEUE_CONFIG_PKEY,
	FUNCTION_PKEY,
	INBOX_PKEY,
	TIMER_PKEY,
	TIMER_FIRE_TIME,
	REQUEST_PKEY,
	SEARCH_ATTRIBUTE_PKEY,
	CLOSED_PKEY,				/* of leaf 0, followed by those of the others */
	CLOSED_ACTIVITY_ID = CLOSED_PKEY + CLOSED_LEAVES + 1,	/* likewise */
	CLOSED_RUN_PKEY = CLOSED_ACTIVITY_ID + CLOSED_LEAVES + 1,
	CLOSED_RUN_WORKFLOW_ID = CLOSED_RUN_PKEY + CLOSED_LEAVES + 1,
	HISTORY_PKEY = CLOSED_RUN_WORKFLOW_ID + CLOSED_LEAVES + 1,
	TASKQ_INDEXES = HISTORY_PKEY + HISTORY_LEAVES + 1
} TaskqIndex;

/* Columns of the tables, as the install script makes them. */
#define OPEN_COLUMNS			53
#define CLOSED_COLUMNS			36
#define HEARTBEAT_COLUMNS		4
#define INSTANCE_COLUMNS		9
#define QUEUE_CONFIG_COLUMNS	6
#define FUNCTION_COLUMNS		5
#define CLOSED_RUN_COLUMNS		25
#define HISTORY_COLUMNS			5
#define INBOX_COLUMNS			3
#define TIMER_COLUMNS			4
#define REQUEST_COLUMNS			2
#define SEARCH_ATTRIBUTE_COLUMNS	2
#define SEQUENCE_COLUMNS		3

/* Columns of open_ready. */
#define READY_TASK_QUEUE		1
#define READY_LEVEL				2
#define READY_FAIRNESS_KEY		3
#define READY_DISPATCH_TIME		4
#define READY_RUN_ID			5
#define READY_COLUMNS			5

/* Columns of open_alarm. */
#define ALARM_ALARM				1
#define ALARM_RUN_ID			2

extern const char *shape_index_name(TaskqIndex which);
extern bool shape_is_ours(Oid oid, Oid table, TaskqIndex which);
extern Oid	shape_find_index(TaskqIndex which, Oid schema, bool *valid);
extern char shape_trigger_enabled(Oid table, const char *name);

#endif							/* TASKQ_CATALOG_SHAPE_H */
