/*
 * batch.c
 *		Calls that wait at the same moment become one statement.
 *
 * There is a lane for each kind and role.  What comes in one turn of the loop
 * is sent together at its end.  While a statement of the lane is under way,
 * others wait for it, so that there are as many in one as there is load; but
 * not for one that takes long, which may wait for a lock.  Where statements are
 * quick that would make many of few each: behind one that had several items the
 * next one comes a moment later.  Who calls alone never waits for that.
 *
 * A statement that fails is repeated for each of its items alone, so that one
 * item's error is not another's.  What was aborted for the sake of
 * serializability, by a deadlock or an internal error is repeated once.
 */
#include "gateway/batch.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/memory.h"
#include "gateway/result_values.h"
#include "gateway/statement_counts.h"

#define BATCH_MAX	500
#define BATCH_BYTES	(64 << 20)	/* of arguments; PostgreSQL takes a gigabyte */
#define PATIENCE	10000		/* microseconds, with a statement under way */
#define PAUSE_EACH	600			/* from one statement to the next, for each of its items */
#define PAUSE_MAX	4000
#define PACED_MAX	2000		/* that of kinds that are paced */
#define PROVEN_FOR	10000000	/* microseconds that a success says what a role may do */

typedef struct Lane
{
	struct Lane *next;
	const BatchKind *kind;
	const char *role;
	void	  **items;
	int			count;
	int			size;
	int			running;
	Instant		sent;			/* the last statement */
	Instant		not_before;		/* the next one, while it waits for more */
	Instant		proven;			/* a statement succeeded */
	LoopTimer	later;
	bool		is_awaited;		/* the end of this turn */
} Lane;

/* A statement under way. */
typedef struct Flight
{
	Lane	   *lane;
	bool		is_repeated;
	int			count;
	void	   *items[];
} Flight;

static Lane *lanes;

static void flush(void *arg);

static bool
same_role(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static Lane *
find_lane(const BatchKind *kind, const char *role)
{
	Lane	   *lane;

	for (lane = lanes; lane != NULL; lane = lane->next)
		if (lane->kind == kind && same_role(lane->role, role))
			return lane;
	lane = memory_new(sizeof(Lane));
	lane->kind = kind;
	lane->role = role;
	lane->next = lanes;
	lanes = lane;
	return lane;
}

static Instant
pause_after(const BatchKind *kind, int count)
{
	Instant		most = kind->is_paced ? PACED_MAX : PAUSE_MAX;

	if (count < 2)
		return 0;
	return count * PAUSE_EACH < most ? count * PAUSE_EACH : most;
}

static void land(void *arg, DatabaseOutcome outcome, const PGresult *result);

/* With as many of its items as are not too much together; one always is. */
static void
send_flight(Flight *flight)
{
	Lane	   *lane = flight->lane;
	const Statement *statement = lane->kind->statement;
	SqlArray	arrays[statement->parameters];
	const char *values[statement->parameters];
	size_t		bytes = 0;
	int			count = 0;

	memset(arrays, 0, sizeof(arrays));
	for (int i = 0; i < statement->parameters; i++)
		sql_array_begin(&arrays[i]);
	while (count < flight->count && bytes < BATCH_BYTES)
	{
		lane->kind->bind(flight->items[count++], arrays);
		bytes = 0;
		for (int i = 0; i < statement->parameters; i++)
			bytes += arrays[i].text.length;
	}
	flight->count = count;
	for (int i = 0; i < statement->parameters; i++)
		values[i] = sql_array_end(&arrays[i]);
	lane->running++;
	database_run(lane->role, statement, values, NEVER, land, flight);
	for (int i = 0; i < statement->parameters; i++)
		sql_array_free(&arrays[i]);
}

/* How many of them are sent. */
static int
send_items(Lane *lane, void **items, int count)
{
	Flight	   *flight = memory_new(sizeof(Flight) + (size_t) count * sizeof(void *));

	flight->lane = lane;
	flight->count = count;
	memcpy(flight->items, items, (size_t) count * sizeof(void *));
	send_flight(flight);
	statement_count_calls(lane->kind->statement, flight->count);
	return flight->count;
}

/* Tell all items of a statement what became of them. */
static void
answer(Flight *flight, DatabaseOutcome outcome, const PGresult *result)
{
	int			rows = outcome == DATABASE_OK ? PQntuples(result) : 0;
	int			places[flight->count];

	for (int i = 0; i < flight->count; i++)
		places[i] = -1;
	for (int row = 0; row < rows; row++)
	{
		int			place = row_int32(result, row, 0) - 1;

		if (place >= 0 && place < flight->count)
			places[place] = row;
	}
	for (int i = 0; i < flight->count; i++)
		flight->lane->kind->answer(flight->items[i], outcome, result, places[i]);
}

static bool
has_state(const PGresult *result, const char *start)
{
	const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);

	return state != NULL && strncmp(state, start, strlen(start)) == 0;
}

/* Is an error not about what was asked for, but about the server? */
static bool
is_server_gone(const PGresult *error)
{
	return has_state(error, "57P") || has_state(error, "08") || has_state(error, "53");
}

/* Is it worth while to run the same again, alone? */
static bool
is_to_be_repeated(const Flight *flight, DatabaseOutcome outcome, const PGresult *result)
{
	if (flight->is_repeated)
		return false;
	if (outcome == DATABASE_BROKEN)
		return true;
	return outcome == DATABASE_ERROR && !is_server_gone(result) &&
		(flight->count > 1 || has_state(result, "40001") || has_state(result, "40P01"));
}

static void
land(void *arg, DatabaseOutcome outcome, const PGresult *result)
{
	Flight	   *flight = arg;
	Lane	   *lane = flight->lane;

	lane->running--;
	if (outcome == DATABASE_OK)
		lane->proven = loop_now();
	lane->not_before = loop_now() + pause_after(lane->kind, flight->count);
	if (is_to_be_repeated(flight, outcome, result))
	{
		if (flight->count == 1)
		{
			flight->is_repeated = true;
			send_flight(flight);
			return;
		}
		for (int i = 0; i < flight->count; i++)
			send_items(lane, &flight->items[i], 1);
	}
	else
		answer(flight, outcome, result);
	free(flight);
	flush(lane);
}

/* When the next statement may be sent, as far as is known; at once, if that is over. */
static Instant
time_to_send(const Lane *lane)
{
	if ((lane->running > 0 && loop_now() < lane->sent + PATIENCE) || database_free(lane->role) <= 0)
		return loop_now() + PATIENCE;
	return lane->count < BATCH_MAX ? lane->not_before : 0;
}

/* Send what waits, unless it is better to let more come. */
static void
flush(void *arg)
{
	Lane	   *lane = arg;

	if (lane->is_awaited)
		return;
	loop_clear_timer(&lane->later);
	while (lane->count > 0)
	{
		int			count = lane->count < BATCH_MAX ? lane->count : BATCH_MAX;
		Instant		when = time_to_send(lane);

		if (when > loop_now())
		{
			loop_set_timer(&lane->later, when, flush, lane);
			return;
		}
		lane->sent = loop_now();
		count = send_items(lane, lane->items, count);
		lane->count -= count;
		memmove(lane->items, lane->items + count, (size_t) lane->count * sizeof(void *));
	}
}

static void
end_of_turn(void *arg)
{
	Lane	   *lane = arg;

	lane->is_awaited = false;
	flush(lane);
}

/* The role is kept by whoever calls. */
void
batch_add(const BatchKind *kind, const char *role, void *item)
{
	Lane	   *lane = find_lane(kind, role);

	if (lane->count == lane->size)
	{
		lane->size = lane->size > 0 ? 2 * lane->size : 64;
		lane->items = memory_resize(lane->items, (size_t) lane->size * sizeof(void *));
	}
	lane->items[lane->count++] = item;
	if (!lane->is_awaited)
	{
		lane->is_awaited = true;
		loop_at_end_of_turn(end_of_turn, lane);
	}
}

/*
 * Has the role lately been able to run a statement of this kind?  So it may still
 * see what such a statement shows.
 */
bool
batch_is_proven(const BatchKind *kind, const char *role)
{
	Instant		proven = find_lane(kind, role)->proven;

	return proven != 0 && loop_now() < proven + PROVEN_FOR;
}
