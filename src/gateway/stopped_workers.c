/*
 * stopped_workers.c
 *		Workers that have said that they stop.
 *
 * The last ones are known for as long as a poll of theirs would wait. Who is
 * forgotten gets an empty answer later, no more.
 */
#include "gateway/stopped_workers.h"

#include <string.h>

#include "gateway/loop.h"

#define PLACES		64
#define KEY_LENGTH	100			/* bytes of what names a worker */
#define KNOWN_FOR	60000000	/* microseconds */

static struct
{
	char		worker[KEY_LENGTH];
	Instant		when;
}			places[PLACES];
static int	next_place;

/*
 * The worker stops; "" is none.
 */
void
stopped_worker_note(const char *worker)
{
	if (*worker == '\0' || strlen(worker) >= KEY_LENGTH)
		return;
	strcpy(places[next_place].worker, worker);
	places[next_place].when = loop_now();
	next_place = (next_place + 1) % PLACES;
}

/*
 * Has it stopped?
 */
bool
stopped_worker_is(const char *worker)
{
	for (int i = 0; i < PLACES && *worker != '\0'; i++)
		if (loop_now() < places[i].when + KNOWN_FOR && strcmp(places[i].worker, worker) == 0)
			return true;
	return false;
}
