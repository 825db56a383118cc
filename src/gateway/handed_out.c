/*
 * handed_out.c
 *		Which run a task token is of.
 *
 * A token says nothing, and who reports with it wants those woken who wait for
 * its run.  What is not known any more costs them a notification's time.
 */
#include "gateway/handed_out.h"

#include <string.h>

#include "gateway/map.h"

#define PLACES 16384

static struct
{
	uint8_t		token[16];
	uint8_t		run[16];
}			places[PLACES];

/*
 * A task was handed out; 16 bytes each.
 */
void
handed_out_note(const uint8_t *token, const uint8_t *run)
{
	size_t		place = map_hash(token, 16) % PLACES;

	memcpy(places[place].token, token, 16);
	memcpy(places[place].run, run, 16);
}

/*
 * The uuid of the run that a token is of; NULL when it is not known, or no longer.
 */
const uint8_t *
handed_out_run(const uint8_t *token)
{
	size_t		place = map_hash(token, 16) % PLACES;

	return memcmp(places[place].token, token, 16) == 0 ? places[place].run : NULL;
}
