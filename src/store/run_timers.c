/*
 * run_timers.c
 *		User timers of runs: written and removed by whoever has the run's row.
 *
 * The run's row has a lower bound of the first one (timer_due), so nobody looks
 * here before there may be something to find.
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/timestamp.h"

#include "store/catalog.h"
#include "store/keyed_rows.h"
#include "store/row.h"
#include "store/run_timers.h"
#include "store/write.h"

/* columns of taskq.run_timer, zero-based */
enum
{
	COL_RUN_ID,
	COL_TIMER_ID,
	COL_STARTED_EVENT_ID,
	COL_FIRE_TIME,
	COLUMNS
};

StaticAssertDecl(COLUMNS == TIMER_COLUMNS, "all columns are known");

/* run_timer_insert: 23505 when the run has one of that id. */
void
run_timer_insert(const RunTimer *timer)
{
	Datum		values[COLUMNS];
	bool		nulls[COLUMNS] = {false};

	values[COL_RUN_ID] = Int64GetDatum(timer->run_id);
	values[COL_TIMER_ID] = CStringGetTextDatum(timer->timer_id);
	values[COL_STARTED_EVENT_ID] = Int64GetDatum(timer->started_event_id);
	values[COL_FIRE_TIME] = TimestampTzGetDatum(timer->fire_time);
	(void) target_insert(catalog()->run_timer, values, nulls, NULL);
}

static void
make_timer(void *element, TupleTableSlot *slot)
{
	RunTimer   *timer = element;

	slot_getallattrs(slot);
	timer->tid = slot->tts_tid;
	timer->run_id = DatumGetInt64(slot->tts_values[COL_RUN_ID]);
	timer->timer_id = TextDatumGetCString(slot->tts_values[COL_TIMER_ID]);
	timer->started_event_id = DatumGetInt64(slot->tts_values[COL_STARTED_EVENT_ID]);
	timer->fire_time = DatumGetTimestampTz(slot->tts_values[COL_FIRE_TIME]);
}

/* run_timer_find: the run's timer of that id. */
bool
run_timer_find(int64 run_id, const char *timer_id, RunTimer *timer)
{
	ScanKeyData keys[2];
	RunTimer   *found;
	int			n;

	keyed_rows_run_key(&keys[0], run_id);
	row_text_key(&keys[1], 2, BTEqualStrategyNumber, F_TEXTEQ,
				 cstring_to_text(timer_id));
	found = keyed_rows_collect(catalog()->run_timer, TIMER_PKEY, keys, 2,
							   sizeof(RunTimer), make_timer, &n);
	if (n > 0)
		*timer = found[0];
	return n > 0;
}

/* of timers that fire at the same instant the one that was started first */
static int
compare(const void *a, const void *b)
{
	const RunTimer *left = a;
	const RunTimer *right = b;

	if (left->fire_time != right->fire_time)
		return left->fire_time < right->fire_time ? -1 : 1;
	return left->started_event_id < right->started_event_id ? -1 : 1;
}

/* run_timers_due: those that fire by "until", in the order in which they do. */
int
run_timers_due(int64 run_id, TimestampTz until, RunTimer **timers)
{
	ScanKeyData keys[2];
	int			n;

	keyed_rows_run_key(&keys[0], run_id);
	ScanKeyInit(&keys[1], 2, BTLessEqualStrategyNumber, F_TIMESTAMPTZ_LE,
				TimestampTzGetDatum(until));
	*timers = keyed_rows_collect(catalog()->run_timer, TIMER_FIRE_TIME, keys, 2,
								 sizeof(RunTimer), make_timer, &n);
	if (n > 1)
		qsort(*timers, n, sizeof(RunTimer), compare);
	return n;
}

static bool
note_first(void *arg, TupleTableSlot *slot)
{
	bool		null;

	*(TimestampTz *) arg =
		DatumGetTimestampTz(slot_getattr(slot, COL_FIRE_TIME + 1, &null));
	return false;
}

/* run_timers_next: when the run's first timer fires; DT_NOEND without one. */
TimestampTz
run_timers_next(int64 run_id)
{
	TimestampTz first = DT_NOEND;
	ScanKeyData key;

	keyed_rows_run_key(&key, run_id);
	keyed_rows_read(catalog()->run_timer, TIMER_FIRE_TIME, &key, 1, note_first,
					&first);
	return first;
}

static bool
count_one(void *arg, TupleTableSlot *slot)
{
	(*(int *) arg)++;
	return true;
}

/* run_timers_count: how many the run has. */
int
run_timers_count(int64 run_id)
{
	int			n = 0;
	ScanKeyData key;

	keyed_rows_run_key(&key, run_id);
	keyed_rows_read(catalog()->run_timer, TIMER_FIRE_TIME, &key, 1, count_one, &n);
	return n;
}

/* run_timer_delete: one that was found. */
void
run_timer_delete(const RunTimer *timer)
{
	ItemPointerData tid = timer->tid;

	if (target_delete(catalog()->run_timer, &tid, true) != STORE_OK)
		elog(ERROR, "timer \"%s\" of run " INT64_FORMAT " is gone",
			 timer->timer_id, timer->run_id);
}

/* run_timers_delete: all of a run. */
void
run_timers_delete(int64 run_id)
{
	ScanKeyData key;

	keyed_rows_run_key(&key, run_id);
	(void) keyed_rows_delete(catalog()->run_timer, TIMER_PKEY, &key, 1);
}
