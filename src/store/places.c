/*
 * places.c
 *		Where rows of attempts in progress were, in this session.
 *
 * The session that polled an activity mostly is the one that reports on it, so
 * it remembers where the row of an attempt is.  That saves walking down the
 * index; a place that is not right any more costs little.
 */
#include "postgres.h"

#include "base/recent.h"
#include "store/places.h"

/* where this session has put or found rows of attempts in progress, by run_id */
static Recent places;

/* store_remember_place: the attempt's row is there now, if we commit. */
void
store_remember_place(int64 run_id, ItemPointer tid)
{
	Assert(ItemPointerIsValid(tid));
	recent_put(&places, (uint64) run_id,
			   (uint64) ItemPointerGetBlockNumber(tid) << 16 |
			   ItemPointerGetOffsetNumber(tid));
}

/* remembered_place: where the attempt's row may be; false when nobody knows. */
bool
remembered_place(int64 run_id, ItemPointer tid)
{
	const uint64 *place = recent_find(&places, (uint64) run_id);

	if (place == NULL)
		return false;
	ItemPointerSet(tid, (BlockNumber) (*place >> 16),
				   (OffsetNumber) (*place & 0xFFFF));
	return ItemPointerIsValid(tid);
}
