/*
 * run_uuid.h
 *		Runs as uuids.
 */
#ifndef TASKQ_RUN_UUID_H
#define TASKQ_RUN_UUID_H

#include "utils/uuid.h"

extern bool run_uuid_fits(int64 run_id);
extern pg_uuid_t *run_uuid_make(int64 run_id);
extern bool run_uuid_read(const pg_uuid_t *uuid, int64 *run_id);

#endif							/* TASKQ_RUN_UUID_H */
