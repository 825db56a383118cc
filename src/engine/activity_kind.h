/*
 * activity_kind.h
 *		Activities, as a kind of task.
 */
#ifndef TASKQ_ACTIVITY_KIND_H
#define TASKQ_ACTIVITY_KIND_H

extern void activity_kind_init(void);

#endif							/* TASKQ_ACTIVITY_KIND_H */
