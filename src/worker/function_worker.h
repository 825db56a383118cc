/*
 * function_worker.h
 *		The process that runs functions as activities.
 */
#ifndef TASKQ_FUNCTION_WORKER_H
#define TASKQ_FUNCTION_WORKER_H

#include "postgres.h"

extern PGDLLEXPORT void taskq_function_worker_main(Datum main_arg);

#endif							/* TASKQ_FUNCTION_WORKER_H */
