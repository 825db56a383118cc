/*
 * run_kind.h
 *		Runs of workflows, as kinds of tasks.
 */
#ifndef TASKQ_RUN_KIND_H
#define TASKQ_RUN_KIND_H

extern void run_kinds_init(void);

#endif							/* TASKQ_RUN_KIND_H */
