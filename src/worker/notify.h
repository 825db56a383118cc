/*
 * notify.h
 *		The worker's chore for coalesced NOTIFY.
 */
#ifndef TASKQ_NOTIFY_H
#define TASKQ_NOTIFY_H

#include "datatype/timestamp.h"

extern void notify_begin(const char *chore);
extern TimestampTz listen_run(void);
extern void listen_stop(void);

#endif							/* TASKQ_NOTIFY_H */
