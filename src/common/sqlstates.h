/*
 * sqlstates.h
 *		The SQLSTATEs of taskq's own class, for clients to branch on.
 *
 * Client programs include it too: it needs no header of PostgreSQL.
 */
#ifndef TASKQ_SQLSTATES_H
#define TASKQ_SQLSTATES_H

#define SQLSTATE_NOT_FOUND				"TQ001"
#define SQLSTATE_ALREADY_STARTED		"TQ002"
#define SQLSTATE_FAILED_PRECONDITION	"TQ003"
#define SQLSTATE_RESOURCE_EXHAUSTED		"TQ004"

/* of taskq.execute: how the activity has ended, or that it has not */
#define SQLSTATE_FAILED					"TQ010"
#define SQLSTATE_CANCELED				"TQ011"
#define SQLSTATE_TERMINATED				"TQ012"
#define SQLSTATE_TIMED_OUT				"TQ013"
#define SQLSTATE_WAIT_OVER				"TQ014"

/* of functions that are activities: how they want to end */
#define SQLSTATE_NON_RETRYABLE			"TQ020"
#define SQLSTATE_SNOOZE					"TQ021"

#endif							/* TASKQ_SQLSTATES_H */
