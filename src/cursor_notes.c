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

#include "miscadmin.h"
#include "utils/memutils.h"

#include "cursors.h"

typedef struct Note
{
	LaneName	lane;
	Candidate	comes;			/* at commit */
	ReadyKey	goes;			/* at abort */
} Note;

#define FIXED_NOTES		8		/* that need no allocation */
#define MERGE_WINDOW	8		/* notes back that the same lane is looked for */
#define MAX_NOTES		65536	/* more: all of the database is forgotten */

static Note fixed_notes[FIXED_NOTES];
static Note *notes = fixed_notes;	/* or in TopTransactionContext */
static int	nnotes = 0;
static int	max_notes = FIXED_NOTES;
static bool too_many = false;

static void
grow_notes(void)
{
	Note	   *more;

	more = MemoryContextAllocHuge(TopTransactionContext,
								  sizeof(Note) * max_notes * 2);
	memcpy(more, notes, sizeof(Note) * nnotes);
	if (notes != fixed_notes)
		pfree(notes);
	notes = more;
	max_notes *= 2;
}

/* the note of a lane, found or made; NULL when there are too many */
static Note *
note_of(const text *task_queue, int level, const text *fairness_key)
{
	QueueKey	queue = queue_key(task_queue);
	LaneName	lane;
	Note	   *note;

	if (!cursors_name_lane(&queue, level, fairness_key, &lane))
		too_many = true;		/* written by hand */
	if (too_many)
		return NULL;
	for (int i = nnotes - 1; i >= Max(nnotes - MERGE_WINDOW, 0); i--)
		if (memcmp(&notes[i].lane.key, &lane.key, sizeof(LaneKey)) == 0)
			return &notes[i];
	if (nnotes == max_notes)
	{
		too_many = max_notes >= MAX_NOTES;
		if (too_many)
			return NULL;
		grow_notes();
	}
	note = &notes[nnotes];
	note->lane = lane;
	note->comes.place = READY_KEY_LAST;
	ItemPointerSetInvalid(&note->comes.tid);
	note->goes = READY_KEY_LAST;
	nnotes++;
	return note;
}

/*
 * cursor_notes_comes: a task is put into a lane, or moved there; "tid" is where
 * its row is, NULL when that is not known.
 */
void
cursor_notes_comes(const Activity *activity, const ItemPointerData *tid)
{
	Note	   *note = note_of(activity->options.task_queue, activity->level,
							   activity->options.fairness_key);
	ReadyKey	place = {activity->dispatch_time, activity->run_id};
	bool		first;

	if (note == NULL)
		return;
	first = note->comes.place.dispatch_time == DT_NOEND;
	note->comes.place = ready_key_least(note->comes.place, place);
	if (first && tid != NULL)
		note->comes.tid = *tid;
	else
		ItemPointerSetInvalid(&note->comes.tid);
}

/*
 * cursor_notes_goes: a task is about to be taken from its lane, where it is
 * again if that is rolled back.
 */
void
cursor_notes_goes(const text *task_queue, int level, const text *fairness_key,
				  ReadyKey place)
{
	Note	   *note = note_of(task_queue, level, fairness_key);

	if (note != NULL)
		note->goes = ready_key_least(note->goes, place);
}

static void
announce(const Note *note, ReadyKey place)
{
	Candidate	candidate = {.place = place};

	ItemPointerSetInvalid(&candidate.tid);
	cursors_announce(&note->lane, &candidate);
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
			announce(&notes[i], notes[i].comes.place);
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
		cursors_announce(&notes[i].lane, &notes[i].comes);
	cursor_notes_forget();
}

/* cursor_notes_abort_sub: what a savepoint took is there again; cannot fail. */
void
cursor_notes_abort_sub(void)
{
	if (too_many)
		cursors_forget_database(MyDatabaseId);
	for (int i = 0; i < nnotes; i++)
		announce(&notes[i], notes[i].goes);
}

/* cursor_notes_abort: what the transaction took is there again; cannot fail. */
void
cursor_notes_abort(void)
{
	cursor_notes_abort_sub();
	cursor_notes_forget();
}
