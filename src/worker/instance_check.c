/*
 * instance_check.c
 *		The worker's chore: making the row of taskq.instance (instance.c).
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "shared/directory.h"
#include "store/instance.h"
#include "worker/chore.h"
#include "worker/instance_check.h"

/*
 * instance_run: chore of the worker; makes the row when a poll asks for it.
 */
TimestampTz
instance_run(void)
{
	DatabaseSlot *slot = directory_my_slot();
	uint32		asked;

	if (!errand_look(slot, &slot->instance, &asked))
		return DT_NOEND;
	chore_begin("instance");
	if (!instance_is_made())
		instance_make();
	chore_commit();
	errand_done(slot, &slot->instance, asked);
	directory_answered(slot);
	return DT_NOEND;
}
