/*
 * run_troubles.h
 *		Which open runs are in trouble.
 */
#ifndef TASKQ_RUN_TROUBLES_H
#define TASKQ_RUN_TROUBLES_H

#include "utils/jsonb.h"

/* Some runs, and the one where it is worst. */
typedef struct RunTrouble
{
	int64		n;
	int64		run_id;
	int64		most;			/* attempts, percent */
} RunTrouble;

typedef struct RunTroubles
{
	/* what is looked for */
	int32		many_attempts;	/* of the task, or more */
	int			near_percent;	/* of one of these, or more */
	int64		most_events;
	int64		most_bytes;
	/* what was found */
	RunTrouble	failing;
	RunTrouble	near_limit;
} RunTroubles;

/* Mail that has waited for longest. */
typedef struct OldestMail
{
	int64		run_id;			/* 0 = there is none */
	Jsonb	   *mail;
} OldestMail;

extern bool store_run_troubles(RunTroubles *troubles);
extern bool store_oldest_mail(OldestMail *oldest);

#endif							/* TASKQ_RUN_TROUBLES_H */
