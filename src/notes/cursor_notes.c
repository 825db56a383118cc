/*
 * cursor_notes.c
 *		What the transaction in progress has to announce to cursors.
 *
 * One note a lane: the least place of the tasks that it gets, to be announced
 * when the transaction commits, and the least place of those that it is about
 * to lose, to be announced when that is rolled back.  To announce more than is
 * needed, or what is gone, does no harm, so notes are not undone when a
 * savepoint is rolled back.
 *
 * A lane gets its note before the row is written, so that memory for it cannot
 * run out when it is too late.
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "base/grow.h"
#include "notes/cursor_notes.h"
#include "shared/cursor_table.h"
#include "shared/cursors.h"
#include "task/queue_keys.h"

typedef struct Note
{
	LaneName	lane;
	Candidate	comes;			/* at commit */
	Oid			file;			/* of its tuple id */
	ReadyKey	goes;			/* at abort */
	SubTransactionId subid;		/* that has written it last */
} Note;

#define FIXED_NOTES		8		/* that need no allocation */
#define MERGE_WINDOW	8		/* notes back that the same lane is looked for */
#define MAX_NOTES		65536	/* more: all of the database is forgotten */

static Note fixed_notes[FIXED_NOTES];
static Note *notes = fixed_notes;	/* or in TopTransactionContext */
static int	nnotes = 0;
static int	max_notes = FIXED_NOTES;
static bool too_many = false;

/* the note of a lane, found or made; NULL when there are too many */
static Note *
note_of(const QueueKey *queue, int level, const text *fairness_key)
{
	LaneName	lane;
	Note	   *note;

	if (!cursors_name_lane(queue, level, fairness_key, &lane))
		too_many = true;		/* written by hand */
	if (too_many)
		return NULL;
	for (int i = nnotes - 1; i >= Max(nnotes - MERGE_WINDOW, 0); i--)
		if (memcmp(&notes[i].lane.key, &lane.key, sizeof(LaneKey)) == 0)
		{
			notes[i].subid = GetCurrentSubTransactionId();
			return &notes[i];
		}
	too_many = nnotes == MAX_NOTES;
	if (too_many)
		return NULL;
	notes = grow(notes, fixed_notes, &max_notes, nnotes + 1, sizeof(Note),
				 TopTransactionContext);
	note = &notes[nnotes];
	note->lane = lane;
	note->comes.place = READY_KEY_LAST;
	ItemPointerSetInvalid(&note->comes.tid);
	note->file = InvalidOid;
	note->goes = READY_KEY_LAST;
	note->subid = GetCurrentSubTransactionId();
	nnotes++;
	return note;
}

/*
 * cursor_notes_comes: a task is put into a lane, or moved there; "tid" is where
 * its row is, in that file of taskq.open, NULL when that is not known.
 */
void
cursor_notes_comes(const Task *task, const ItemPointerData *tid, Oid file)
{
	QueueKey	queue = queue_key(task->queue);
	Note	   *note = note_of(&queue, task->level, task->fairness_key);
	ReadyKey	place = {task->dispatch_time, task->run_id};
	bool		first;

	if (note == NULL)
		return;
	first = note->comes.place.dispatch_time == DT_NOEND;
	note->comes.place = ready_key_least(note->comes.place, place);
	if (first && tid != NULL)
	{
		note->comes.tid = *tid;
		note->file = file;
	}
	else
		ItemPointerSetInvalid(&note->comes.tid);
}

/*
 * cursor_notes_goes: a task is about to be taken from its lane, where it is
 * again if that is rolled back.
 */
void
cursor_notes_goes(const QueueKey *queue, int level, const text *fairness_key,
				  ReadyKey place)
{
	Note	   *note = note_of(queue, level, fairness_key);

	if (note != NULL)
		note->goes = ready_key_least(note->goes, place);
}

static void
announce_place(const Note *note, ReadyKey place)
{
	Candidate	candidate = {.place = place};

	ItemPointerSetInvalid(&candidate.tid);
	cursors_announce(&note->lane, &candidate, InvalidOid);
}

/*
 * cursor_notes_announce: the transaction's own tasks are there for itself
 * already.
 */
void
cursor_notes_announce(const QueueKey *queue)
{
	for (int i = 0; i < nnotes; i++)
		if (notes[i].lane.key.queue_hash == queue->hash)
			announce_place(&notes[i], notes[i].comes.place);
}

/* cursor_notes_any: has the transaction done anything to lanes of the queue? */
bool
cursor_notes_any(const QueueKey *queue)
{
	for (int i = 0; i < nnotes; i++)
		if (notes[i].lane.key.queue_hash == queue->hash)
			return true;
	return too_many;
}

/* cursor_notes_forget: a transaction begins, or is prepared. */
void
cursor_notes_forget(void)
{
	notes = fixed_notes;
	nnotes = 0;
	max_notes = FIXED_NOTES;
	too_many = false;
}

/* cursor_notes_commit: what came is there; cannot fail. */
void
cursor_notes_commit(void)
{
	if (too_many)
		cursors_forget_database(MyDatabaseId);
	for (int i = 0; i < nnotes; i++)
		cursors_announce(&notes[i].lane, &notes[i].comes, notes[i].file);
	cursor_notes_forget();
}

/*
 * cursor_notes_abort_sub: what a savepoint took is there again; cannot fail.  It
 * has written the last notes, and some of the MERGE_WINDOW before: all those
 * that were written by it or by a later one, which can only be one inside it.
 */
void
cursor_notes_abort_sub(SubTransactionId mine)
{
	int			others = 0;

	if (too_many)
		cursors_forget_database(MyDatabaseId);
	for (int i = nnotes - 1; i >= 0 && others < MERGE_WINDOW; i--)
		if (notes[i].subid >= mine)
			announce_place(&notes[i], notes[i].goes);
		else
			others++;
}

/* cursor_notes_abort: what the transaction took is there again; cannot fail. */
void
cursor_notes_abort(void)
{
	if (too_many)
		cursors_forget_database(MyDatabaseId);
	for (int i = 0; i < nnotes; i++)
		announce_place(&notes[i], notes[i].goes);
	cursor_notes_forget();
}
