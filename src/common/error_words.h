/*
 * error_words.h
 *		The words that errors of class TQ carry in the field of the constraint's
 *		name, for programs to branch on where the SQLSTATE is too coarse.
 *
 * They never change.  docs/reference.md says what each means.  Client programs
 * include this file too: it needs no header of PostgreSQL.
 */
#ifndef TASKQ_ERROR_WORDS_H
#define TASKQ_ERROR_WORDS_H

/* TQ001 */
#define WORD_UNKNOWN					"activity_not_found"
#define WORD_CLOSED						"activity_closed"	/* TQ002, TQ003 too */
#define WORD_ATTEMPT_OVER				"attempt_over"
#define WORD_NO_ATTEMPT					"no_attempt"
#define WORD_WORKFLOW_UNKNOWN			"workflow_not_found"
#define WORD_WORKFLOW_CLOSED			"workflow_closed"	/* TQ002, TQ003 too */
#define WORD_TASK_STALE					"task_stale"
#define WORD_NOT_AN_ACTIVITY			"not_an_activity"	/* the run is a workflow's */

/* TQ002, TQ003 */
#define WORD_RUNNING					"activity_running"
#define WORD_WORKFLOW_RUNNING			"workflow_running"
#define WORD_OF_WORKFLOW				"activity_of_workflow"

/* TQ003 */
#define WORD_COMPLETED					"activity_completed"
#define WORD_NOT_PAUSABLE				"not_pausable"
#define WORD_NOT_UNPAUSABLE				"not_unpausable"
#define WORD_NOT_UPDATABLE				"not_updatable"
#define WORD_CANCEL_ALREADY_REQUESTED	"cancel_already_requested"
#define WORD_ALREADY_TERMINATED			"already_terminated"
#define WORD_CANCEL_PENDING				"cancel_pending"
#define WORD_RESET_PENDING				"reset_pending"
#define WORD_ALREADY_DISPATCHED			"already_dispatched"
#define WORD_INSTALLATION_NOT_EMPTY		"installation_not_empty"	/* set_node */

/* TQ004 */
#define WORD_MAX_BACKLOG				"max_backlog"
#define WORD_TOO_MANY_RESTARTS			"too_many_restarts"

/* TQ010 to TQ014: how an activity has ended, for who executes it */
#define WORD_FAILED						"activity_failed"
#define WORD_CANCELED					"activity_canceled"
#define WORD_TERMINATED					"activity_terminated"
#define WORD_TIMED_OUT					"activity_timed_out"
#define WORD_WAIT_OVER					"wait_over"

#endif							/* TASKQ_ERROR_WORDS_H */
