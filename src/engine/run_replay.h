/*
 * run_replay.h
 *		Whether a run is what its history says.
 */
#ifndef TASKQ_RUN_REPLAY_H
#define TASKQ_RUN_REPLAY_H

#include "store/closed_runs.h"

extern char *run_replay(const Run *run, const ClosedRun *closed);

#endif							/* TASKQ_RUN_REPLAY_H */
