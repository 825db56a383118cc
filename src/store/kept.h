/*
 * kept.h
 *		Rows of what has closed, in leaves: where they go, and how they are found;
 *		for the files of the store only.
 */
#ifndef TASKQ_KEPT_H
#define TASKQ_KEPT_H

#include "access/htup.h"
#include "access/sdir.h"
#include "access/skey.h"
#include "datatype/timestamp.h"

#include "store/catalog_shape.h"

extern int	kept_leaf(TimestampTz close_time, TimestampTz expire_time);
extern HeapTuple kept_fetch(Oid table, TaskqIndex which, ScanKey key,
							ScanDirection direction, bool latest,
							AttrNumber expires, Datum *values, bool *nulls);

#endif							/* TASKQ_KEPT_H */
