/*
 * lengths.h
 *		How long names and texts may be, in bytes.
 *
 * Client programs include it too: it needs no header of PostgreSQL.
 */
#ifndef TASKQ_LENGTHS_H
#define TASKQ_LENGTHS_H

#define MAX_NAME_LENGTH			1000	/* queues, types, ids, identities */
#define MAX_QUEUE_NAME_LENGTH	(MAX_NAME_LENGTH + 8)	/* with the prefix of its kind */
#define MAX_SUMMARY_LENGTH		400
#define MAX_FAIRNESS_KEY_LENGTH	64

/* of a payload as text: several of them have to fit into one row of a result, which has 1 GB at most */
#define MAX_PAYLOAD_TEXT		(128 * 1024 * 1024)

#endif							/* TASKQ_LENGTHS_H */
