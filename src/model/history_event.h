/*
 * history_event.h
 *		One event of a run's history.
 */
#ifndef TASKQ_HISTORY_EVENT_H
#define TASKQ_HISTORY_EVENT_H

#include "datatype/timestamp.h"
#include "utils/jsonb.h"

typedef struct HistoryEvent
{
	int64		event_id;
	TimestampTz time;
	int			type;			/* a ProtoEventType */
	Jsonb	   *attributes;
	Jsonb	   *user_metadata;	/* NULL = none */
	Jsonb	   *extra;			/* NULL = none */
} HistoryEvent;

#endif							/* TASKQ_HISTORY_EVENT_H */
