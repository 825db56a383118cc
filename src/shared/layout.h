/*
 * layout.h
 *		The regions of taskq's shared memory.
 */
#ifndef TASKQ_LAYOUT_H
#define TASKQ_LAYOUT_H

extern void layout_install_hooks(void);
extern void shared_forget_database(Oid database);

#endif							/* TASKQ_LAYOUT_H */
