/*
 * fresh_runs.c
 *		Runs that this gateway has started a moment ago.
 *
 * Who starts a run asks for its outcome next, mostly before there is one.  A
 * run that is fresh has ended, if it has, by somebody else's hand, and of that
 * one hears in time without a look at once.
 */
#include "gateway/fresh_runs.h"

#include <string.h>

#include "gateway/loop.h"
#include "gateway/map.h"

#define PLACES 4096
#define FRESH  INT64_C(1000000)	/* microseconds */

static struct
{
	uint8_t		run[16];
	int64_t		run_id;			/* 0: nothing here */
	Instant		started;
}			places[PLACES];

/*
 * A run was started, by a commit of our own; its uuid of 16 bytes, and its id.
 */
void
fresh_run_note(const uint8_t *run, int64_t run_id)
{
	size_t		place = map_hash(run, 16) % PLACES;

	memcpy(places[place].run, run, 16);
	places[place].run_id = run_id;
	places[place].started = loop_now();
}

/*
 * The id of a run that is fresh; 0 of any other.
 */
int64_t
fresh_run_id(const uint8_t *run)
{
	size_t		place = map_hash(run, 16) % PLACES;

	if (memcmp(places[place].run, run, 16) != 0 || loop_now() > places[place].started + FRESH)
		return 0;
	return places[place].run_id;
}

/*
 * Something was done to a run, by a commit of our own.
 */
void
fresh_run_forget(const uint8_t *run)
{
	size_t		place = map_hash(run, 16) % PLACES;

	if (memcmp(places[place].run, run, 16) == 0)
		places[place].run_id = 0;
}
