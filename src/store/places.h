/*
 * places.h
 *		Where rows of attempts in progress were, in this session.
 */
#ifndef TASKQ_PLACES_H
#define TASKQ_PLACES_H

#include "storage/itemptr.h"

extern void store_remember_place(int64 run_id, ItemPointer tid);
extern bool remembered_place(int64 run_id, ItemPointer tid);

#endif							/* TASKQ_PLACES_H */
