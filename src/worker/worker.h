/*
 * worker.h
 *		The background worker of one database: a loop over chores.
 */
#ifndef TASKQ_WORKER_H
#define TASKQ_WORKER_H

#include "postgres.h"

#include "datatype/timestamp.h"

extern PGDLLEXPORT void taskq_worker_main(Datum main_arg);

#endif							/* TASKQ_WORKER_H */
