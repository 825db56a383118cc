/*
 * stat_file.h
 *		Statistics of queues survive a clean restart.
 */
#ifndef TASKQ_STAT_FILE_H
#define TASKQ_STAT_FILE_H

#include "postgres.h"

extern void stat_file_read(void);
extern void stat_file_write(int code, Datum arg);

#endif							/* TASKQ_STAT_FILE_H */
