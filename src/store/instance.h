/*
 * instance.h
 *		The one row of taskq.instance.
 */
#ifndef TASKQ_INSTANCE_H
#define TASKQ_INSTANCE_H

#define INSTANCE_KEY_LENGTH	32

extern void instance_random(void *buffer, size_t length);
extern bool instance_is_made(void);
extern void instance_make(void);
extern bool instance_key(char *key, bool make);
extern int	instance_current_leaf(void);
extern int	instance_leaf_limit(void);

#endif							/* TASKQ_INSTANCE_H */
