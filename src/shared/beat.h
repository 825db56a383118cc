/*
 * beat.h
 *		A heartbeat in memory.
 */
#ifndef TASKQ_BEAT_H
#define TASKQ_BEAT_H

#include "datatype/timestamp.h"

/* Largest details that a slot takes, in bytes, without the varlena header. */
#define SLOT_DETAILS		256

/* An attempt's last heartbeat. */
typedef struct Beat
{
	int64		run_id;
	int64		nonce;			/* of the attempt */
	TimestampTz last_time;
	int64		count;
	uint16		length;			/* of the details, 0 = NULL */
	char		details[SLOT_DETAILS];
} Beat;

/* beats_counted: so many more; a count that is full stays so. */
static inline int64
beats_counted(int64 count, int64 beats)
{
	return count > PG_INT64_MAX - beats ? PG_INT64_MAX : count + beats;
}

StaticAssertDecl(SLOT_DETAILS <= PG_UINT16_MAX, "length has room for it");

#endif							/* TASKQ_BEAT_H */
