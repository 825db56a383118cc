/*
 * function_run.h
 *		Running one attempt as a function.
 */
#ifndef TASKQ_FUNCTION_RUN_H
#define TASKQ_FUNCTION_RUN_H

extern void function_run(void);

#endif							/* TASKQ_FUNCTION_RUN_H */
