/*
 * back_off.h
 *		How long to wait before something is tried again.
 */
#ifndef TASKQ_BACK_OFF_H
#define TASKQ_BACK_OFF_H

#include "datatype/timestamp.h"

/*
 * back_off_s: what has failed, after so many failures in a row before, is tried
 * again after a second, then two, four, at last "most" seconds.
 */
static inline int
back_off_s(int failures, int most)
{
	return failures < 30 ? Min(1 << failures, most) : most;
}

/*
 * is_ahead: is that instant still to come?  Not if it is farther away than it
 * ever was, in microseconds: the clock was set back.
 */
static inline bool
is_ahead(TimestampTz when, TimestampTz now, int64 farthest)
{
	return now < when && when - now <= farthest;
}

#endif							/* TASKQ_BACK_OFF_H */
