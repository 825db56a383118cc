/*
 * statuses.h
 *		Labels of the enums that clients see.
 *
 * Client programs include it too: it needs no header of PostgreSQL.
 */
#ifndef TASKQ_STATUSES_H
#define TASKQ_STATUSES_H

/* taskq.activity_status: the first two are open */
#define STATUS_RUNNING				"running"
#define STATUS_PAUSED				"paused"
#define STATUS_COMPLETED			"completed"
#define STATUS_FAILED				"failed"
#define STATUS_CANCELED				"canceled"
#define STATUS_TERMINATED			"terminated"
#define STATUS_TIMED_OUT			"timed_out"

/* taskq.watch() tells these besides: it is gone, or may have changed */
#define WATCH_DELETED				"deleted"
#define WATCH_UNKNOWN				"unknown"

/* taskq.run_state: of an open run */
#define RUN_STATE_SCHEDULED			"scheduled"
#define RUN_STATE_STARTED			"started"
#define RUN_STATE_CANCEL_REQUESTED	"cancel_requested"
#define RUN_STATE_PAUSE_REQUESTED	"pause_requested"
#define RUN_STATE_PAUSED			"paused"

#endif							/* TASKQ_STATUSES_H */
