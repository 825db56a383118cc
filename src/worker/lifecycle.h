/*
 * lifecycle.h
 *		Commands that want nobody connected to a database.
 */
#ifndef TASKQ_LIFECYCLE_H
#define TASKQ_LIFECYCLE_H

extern void lifecycle_install_hook(void);

#endif							/* TASKQ_LIFECYCLE_H */
