/*
 * put_off.c
 *		Runs for which the worker could not do something: fire a timeout, write
 *		the last heartbeat.
 *
 * A row that cannot be read, or not be written, keeps no other from its
 * timeout, or from having its heartbeat saved: what was to be done for its run
 * is put off for a second, then two, four, at last ten minutes, and tried
 * alone.  The first failure is logged, later ones are at level DEBUG1.  After
 * rows were changed by hand all are tried at once.
 *
 * The worker remembers them, each kind by itself; how many there are, and one
 * of them, is in the slot of the database for everybody to see.  A new worker
 * finds them again.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "base/back_off.h"
#include "base/clock.h"
#include "worker/put_off.h"

/* longest back-off */
#define LAST_S			600

typedef struct PutOff
{
	int64		run_id;			/* hash key */
	int			failures;
	TimestampTz until;			/* taskq's clock */
	bool		asked;			/* since put_off_forget_unasked() */
} PutOff;

static HTAB *runs[PUT_OFF_KINDS];

/* let everybody see how many there are, and one of them */
static void
show(PutOffKind kind)
{
	DatabaseSlot *slot = directory_my_slot();
	int			n = hash_get_num_entries(runs[kind]);
	int64		run_id = 0;

	if (n > 0)
	{
		HASH_SEQ_STATUS scan;

		hash_seq_init(&scan, runs[kind]);
		run_id = ((PutOff *) hash_seq_search(&scan))->run_id;
		hash_seq_term(&scan);
	}
	SpinLockAcquire(&slot->mutex);
	slot->put_off[kind].n = n;
	slot->put_off[kind].one = run_id;
	SpinLockRelease(&slot->mutex);
}

/* put_off_start: the worker has started, and knows of none. */
void
put_off_start(void)
{
	HASHCTL		info = {0};

	info.keysize = sizeof(int64);
	info.entrysize = sizeof(PutOff);
	info.hcxt = TopMemoryContext;
	for (PutOffKind kind = 0; kind < PUT_OFF_KINDS; kind++)
	{
		runs[kind] = hash_create("taskq runs put off", 16, &info,
								 HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
		show(kind);
	}
}

/*
 * put_off_find: is the run put off?  *until becomes when to try again; the past
 * if the clock was set back.
 */
bool
put_off_find(PutOffKind kind, int64 run_id, TimestampTz *until)
{
	PutOff	   *run;

	if (hash_get_num_entries(runs[kind]) == 0)
		return false;
	run = hash_search(runs[kind], &run_id, HASH_FIND, NULL);
	if (run == NULL)
		return false;
	run->asked = true;
	*until = run->until;
	if (run->until != DT_NOBEGIN &&
		run->until - clock_now() > LAST_S * USECS_PER_SEC)
		*until = DT_NOBEGIN;
	return true;
}

/* the first failure is for the administrator */
static void
warn(PutOffKind kind, const PutOff *run, const ErrorData *error, int seconds)
{
	static const char *const failures[] = {
		[PUT_OFF_TIMEOUT] = "fire a timeout",
		[PUT_OFF_HEARTBEAT] = "save the last heartbeat",
	};

	StaticAssertStmt(lengthof(failures) == PUT_OFF_KINDS, "each has a name");

	if (run->failures > 0)
	{
		elog(DEBUG1, "put off run " INT64_FORMAT " for another %d s: %s",
			 run->run_id, seconds, error->message);
		return;
	}
	ereport(WARNING,
			(errcode(error->sqlerrcode),
			 errmsg("could not %s of run " INT64_FORMAT ": %s",
					failures[kind], run->run_id, error->message),
			 error->detail ? errdetail_internal("%s", error->detail) : 0,
			 errhint("It is tried again, at last every 10 minutes, and at once after rows of taskq.open were changed by hand.")));
}

/*
 * put_off_add: it could not be done for the run; returns when to try again.
 */
TimestampTz
put_off_add(PutOffKind kind, int64 run_id, const ErrorData *error)
{
	bool		found;
	PutOff	   *run = hash_search(runs[kind], &run_id, HASH_ENTER, &found);
	int			seconds;

	if (!found)
		run->failures = 0;
	seconds = back_off_s(run->failures, LAST_S);
	run->until = clock_now() + seconds * USECS_PER_SEC;
	run->asked = true;
	show(kind);
	warn(kind, run, error, seconds);
	run->failures++;
	return run->until;
}

/* put_off_done: there is nothing wrong with the run any more. */
void
put_off_done(PutOffKind kind, int64 run_id)
{
	if (hash_get_num_entries(runs[kind]) > 0 &&
		hash_search(runs[kind], &run_id, HASH_REMOVE, NULL) != NULL)
		show(kind);
}

/*
 * put_off_forget_unasked: forget the runs for which nobody has called
 * put_off_find() since the last time: there is nothing to be done for them any
 * more.
 */
void
put_off_forget_unasked(PutOffKind kind)
{
	HASH_SEQ_STATUS scan;
	PutOff	   *run;

	if (hash_get_num_entries(runs[kind]) == 0)
		return;
	hash_seq_init(&scan, runs[kind]);
	while ((run = hash_seq_search(&scan)) != NULL)
	{
		if (!run->asked)
			(void) hash_search(runs[kind], &run->run_id, HASH_REMOVE, NULL);
		run->asked = false;
	}
	show(kind);
}

/* put_off_try_again: rows have changed; try all of them at once. */
void
put_off_try_again(void)
{
	for (PutOffKind kind = 0; kind < PUT_OFF_KINDS; kind++)
	{
		HASH_SEQ_STATUS scan;
		PutOff	   *run;

		hash_seq_init(&scan, runs[kind]);
		while ((run = hash_seq_search(&scan)) != NULL)
			run->until = DT_NOBEGIN;
	}
}

/* put_off_each: call back for each run that is put off. */
void
put_off_each(PutOffKind kind, void (*callback) (int64 run_id))
{
	HASH_SEQ_STATUS scan;
	PutOff	   *run;

	hash_seq_init(&scan, runs[kind]);
	while ((run = hash_seq_search(&scan)) != NULL)
		callback(run->run_id);
}

/* could the error have met any row? */
static bool
is_general(const ErrorData *error)
{
	int			class = ERRCODE_TO_CATEGORY(error->sqlerrcode);

	return class == ERRCODE_INSUFFICIENT_RESOURCES ||
		class == ERRCODE_OPERATOR_INTERVENTION || class == ERRCODE_SYSTEM_ERROR;
}

/*
 * put_off_one_by_one: do what was to be done for the runs first to end - 1 of
 * a batch, each by try_one(), which returns the error of chore_try(); those
 * that fail are put off by put_off().  One whose error could have met any row
 * is, too, if the next one fares better; otherwise the error is raised.
 */
void
put_off_one_by_one(int first, int end, ErrorData *(*try_one) (int i),
				   void (*put_off) (int i, const ErrorData *error))
{
	ErrorData  *earlier = NULL; /* of the row before */

	for (int i = first; i < end; i++)
	{
		ErrorData  *error = try_one(i);
		bool		general = error != NULL && is_general(error);

		if (earlier != NULL && general)
			ReThrowError(error);
		if (earlier != NULL)
			put_off(i - 1, earlier);
		if (error != NULL && !general)
			put_off(i, error);
		earlier = general ? error : NULL;
	}
	if (earlier != NULL)
		ReThrowError(earlier);
}
