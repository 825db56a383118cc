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

#endif							/* TASKQ_SQLSTATES_H */
