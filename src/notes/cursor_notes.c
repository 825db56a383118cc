/*
 * cursor_notes.c
 *		What the transaction in progress has to announce to cursors.
 *
 * One note a lane, and savepoint: the least place of the tasks that it gets, to
 * be announced when the transaction commits, and the least place of those that it
 * is about to lose, to be announced when that, or the savepoint, is rolled back.
 * The newest note of a lane has the former of all of them.  To announce more than
 * is needed, or what is gone, does no harm.
 *
 * Notes of a savepoint come last (marks.c), and go when it is rolled back.  When
 * it is kept, a few of them are added to what its parent has noted of the lanes.
 *
 * A lane gets its note before the row is written, so that memory for it cannot
 * run out when it is too late.
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "base/grow.h"
#include "notes/chains.h"
#include "notes/cursor_notes.h"
#include "notes/marks.h"
#include "shared/cursor_table.h"
#include "shared/cursors.h"
#include "task/queue_keys.h"

typedef struct Note
{
	LaneName	lane;
	Candidate	comes;			/* at commit, of older notes, too */
	Oid			file;			/* of its tuple id */
	ReadyKey	goes;			/* at abort */
} Note;

#define FIXED_NOTES		8		/* that need no allocation */
#define MAX_NOTES		65536	/* more: all of the database is forgotten */
#define MERGED			8		/* notes of a savepoint that may be added up */

static Note fixed_notes[FIXED_NOTES];
static Note *notes = fixed_notes;	/* or in TopTransactionContext */
static int	nnotes = 0;
static int	max_notes = FIXED_NOTES;
static Marks marks;
static Chains lanes;			/* of notes, by lane */
static Chains queues;			/* of "firsts", by queue */
static int	firsts[MAX_NOTES];	/* the oldest note of each lane */
static bool too_many = false;
static SubTransactionId lost_in;	/* has noted less than it did, last */

static ChainKey
lane_chain(const LaneKey *lane)
{
	return (ChainKey) {lane->queue_hash + (uint64) lane->level, lane->key_hash};
}

static ChainKey
queue_chain(uint64 queue_hash)
{
	return (ChainKey) {queue_hash, 0};
}

/* add a note, for which there is room */
static void
add_note(const Note *note)
{
	ChainKey	lane = lane_chain(&note->lane.key);

	notes[nnotes] = *note;
	if (chains_newest(&lanes, lane) < 0)
	{
		firsts[queues.n] = nnotes;
		chains_add(&queues, queue_chain(note->lane.key.queue_hash));
	}
	chains_add(&lanes, lane);
	nnotes++;
}

/* the last note goes */
static void
drop_note(void)
{
	chains_cut(&lanes);
	nnotes--;
	if (queues.n > 0 && firsts[queues.n - 1] == nnotes)
		chains_cut(&queues);
}

/* there is no note of the lane */
static Note *
lose(void)
{
	too_many = true;
	lost_in = GetCurrentSubTransactionId();
	return NULL;
}

/* the note of a lane, found or made; NULL when there are too many */
static Note *
note_of(const QueueKey *queue, int level, const text *fairness_key)
{
	Note		note;
	int			newest;

	if (too_many || !cursors_name_lane(queue, level, fairness_key, &note.lane))
		return lose();			/* the latter was written by hand */
	newest = chains_newest(&lanes, lane_chain(&note.lane.key));
	if (newest >= 0 && newest >= marks_current(&marks, nnotes))
		return &notes[newest];
	if (nnotes == MAX_NOTES)
		return lose();
	marks_note(&marks, nnotes);
	chains_reserve(&lanes);
	chains_reserve(&queues);
	notes = grow(notes, fixed_notes, &max_notes, nnotes + 1, sizeof(Note),
				 TopTransactionContext);
	note.comes.place = READY_KEY_LAST;
	ItemPointerSetInvalid(&note.comes.tid);
	note.file = InvalidOid;
	note.goes = READY_KEY_LAST;
	if (newest >= 0)
	{
		note.comes = notes[newest].comes;
		note.file = notes[newest].file;
	}
	add_note(&note);
	return &notes[nnotes - 1];
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

/*
 * cursor_notes_passed: the transaction has walked along a lane, and of the tasks
 * that it has itself put there none can be started from "from" to "end".  So it
 * need not walk there again, nor anybody else.
 */
void
cursor_notes_passed(const QueueKey *queue, int level, const text *fairness_key,
					ReadyKey from, ReadyKey end)
{
	Note	   *note;
	LaneName	lane;
	int			newest;

	if (nnotes == 0 || too_many ||
		!cursors_name_lane(queue, level, fairness_key, &lane))
		return;
	newest = chains_newest(&lanes, lane_chain(&lane.key));
	if (newest < 0 || ready_key_before(notes[newest].comes.place, from) ||
		!ready_key_before(notes[newest].comes.place, end))
		return;
	note = note_of(queue, level, fairness_key);
	if (note == NULL)
		return;
	note->comes.place = end;
	ItemPointerSetInvalid(&note->comes.tid);
}

static void
announce_place(const Note *note, ReadyKey place)
{
	Candidate	candidate = {.place = place};

	notes_steps++;
	ItemPointerSetInvalid(&candidate.tid);
	cursors_announce(&note->lane, &candidate, InvalidOid);
}

/* the note that has what comes to the lane of this one */
static const Note *
newest_of(int i)
{
	return &notes[chains_newest(&lanes, lane_chain(&notes[i].lane.key))];
}

/*
 * cursor_notes_announce: the transaction's own tasks are there for itself
 * already.
 */
void
cursor_notes_announce(const QueueKey *queue)
{
	int			i = chains_newest(&queues, queue_chain(queue->hash));

	for (; i >= 0; i = chains_older(&queues, i))
	{
		const Note *note = newest_of(firsts[i]);

		announce_place(note, note->comes.place);
	}
}

/* cursor_notes_any: has the transaction done anything to lanes of the queue? */
bool
cursor_notes_any(const QueueKey *queue)
{
	return too_many ||
		chains_newest(&queues, queue_chain(queue->hash)) >= 0;
}

/* cursor_notes_forget: a transaction begins, or is prepared. */
void
cursor_notes_forget(void)
{
	chains_forget(&lanes);
	chains_forget(&queues);
	marks_forget(&marks);
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
	for (int i = 0; i < queues.n; i++)
	{
		const Note *note = newest_of(firsts[i]);

		notes_steps++;
		cursors_announce(&note->lane, &note->comes, note->file);
	}
	cursor_notes_forget();
}

/* what those from "first" on took is there again */
static void
give_back_from(int first)
{
	for (; nnotes > first; drop_note())
		announce_place(&notes[nnotes - 1], notes[nnotes - 1].goes);
}

/* is there anything to be added up? */
static bool
has_alike(int first, int parents)
{
	for (int i = first; i < nnotes; i++)
		if (chains_older(&lanes, i) >= parents)
			return true;
	return false;
}

/*
 * The notes from "first" on, a few, are for the parent to add to its own, which
 * begin at "parents".
 */
static void
hand_up(int first, int parents)
{
	Note		own[MERGED];
	int			n = nnotes - first;

	if (!has_alike(first, parents))
		return;
	memcpy(own, &notes[first], n * sizeof(Note));
	while (nnotes > first)
		drop_note();
	for (int i = 0; i < n; i++, notes_steps++)
	{
		int			newest = chains_newest(&lanes, lane_chain(&own[i].lane.key));

		if (newest < parents)
			add_note(&own[i]);
		else
		{
			own[i].goes = ready_key_least(notes[newest].goes, own[i].goes);
			notes[newest] = own[i];
		}
	}
}

/* cursor_notes_subtransaction: a savepoint ends; cannot fail. */
void
cursor_notes_subtransaction(SubXactEvent event, SubTransactionId mine,
							SubTransactionId parent)
{
	int			first = marks_end(&marks, event, mine, parent, nnotes);
	int			parents = marks_last(&marks);

	if (event == SUBXACT_EVENT_ABORT_SUB)
	{
		if (too_many && lost_in >= mine)
			cursors_forget_database(MyDatabaseId);
		give_back_from(first);
	}
	else if (parents < first && nnotes - first <= MERGED)
		hand_up(first, parents);
}

/* cursor_notes_abort: what the transaction took is there again; cannot fail. */
void
cursor_notes_abort(void)
{
	if (too_many)
		cursors_forget_database(MyDatabaseId);
	give_back_from(0);
	cursor_notes_forget();
}
