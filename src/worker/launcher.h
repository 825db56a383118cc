/*
 * launcher.h
 *		Starts a worker for every database that has the extension.
 */
#ifndef TASKQ_LAUNCHER_H
#define TASKQ_LAUNCHER_H

#include "postgres.h"

extern void launcher_register(void);
extern PGDLLEXPORT void taskq_launcher_main(Datum main_arg);

#endif							/* TASKQ_LAUNCHER_H */
