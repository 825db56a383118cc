/*
 * inbox.h
 *		Mail of runs: events that have no number yet.
 */
#ifndef TASKQ_INBOX_H
#define TASKQ_INBOX_H

#include "storage/itemptr.h"
#include "utils/jsonb.h"

typedef struct InboxRow
{
	ItemPointerData tid;
	int64		seq;			/* in the order in which it was put there */
	Jsonb	   *mail;
} InboxRow;

extern PGDLLEXPORT void inbox_put(int64 run_id, Jsonb *mail);
extern PGDLLEXPORT int inbox_read(int64 run_id, InboxRow **rows);
extern int64 inbox_estimate(int64 run_id, bool anew);
extern PGDLLEXPORT bool inbox_any(int64 run_id);
extern PGDLLEXPORT void inbox_remove(const InboxRow *rows, int n);
extern PGDLLEXPORT void inbox_remove_run(int64 run_id);
extern PGDLLEXPORT bool inbox_next_run(int64 after, int64 *run_id);

#endif							/* TASKQ_INBOX_H */
