/*
 * savepoint.h
 *		Something in a savepoint, so that an error undoes nothing else.
 */
#ifndef TASKQ_SAVEPOINT_H
#define TASKQ_SAVEPOINT_H

extern ErrorData *savepoint_try(bool (*piece) (void *arg), void *arg);

#endif							/* TASKQ_SAVEPOINT_H */
