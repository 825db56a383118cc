/*
 * run_world.h
 *		What the state machine of runs asks of the tables.
 */
#ifndef TASKQ_RUN_WORLD_H
#define TASKQ_RUN_WORLD_H

#include "model/run_step.h"

extern const RunWorld run_world;
extern char *run_uuid_text(int64 run_id);

#endif							/* TASKQ_RUN_WORLD_H */
