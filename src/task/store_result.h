/*
 * store_result.h
 *		What becomes of a write to the tables.
 */
#ifndef TASKQ_STORE_RESULT_H
#define TASKQ_STORE_RESULT_H

/* rows that are written in one go: collected, inserted, reported on */
#define STORE_BATCH		64

/* What became of a write. */
typedef enum StoreResult
{
	STORE_OK,
	STORE_CHANGED,				/* somebody else was faster: read again */
	STORE_BUSY					/* somebody else holds the row, not waited for */
} StoreResult;

#endif							/* TASKQ_STORE_RESULT_H */
