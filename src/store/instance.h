/*
 * instance.h
 *		The one row of taskq.instance.
 */
#ifndef TASKQ_INSTANCE_H
#define TASKQ_INSTANCE_H

#define INSTANCE_KEY_LENGTH	32

/* What is drawn at installation, and goes with a dump. */
typedef struct InstanceKeys
{
	char		token_key[INSTANCE_KEY_LENGTH];
	uint64		run_prefix;		/* the first half of the uuids of runs */
} InstanceKeys;

extern void instance_random(void *buffer, size_t length);
extern bool instance_is_made(void);
extern void instance_make(void);
extern bool instance_keys(InstanceKeys *keys, bool make);
extern int	instance_current_leaf(void);
extern int	instance_history_leaf(void);
extern int	instance_leaf_limit(void);

#endif							/* TASKQ_INSTANCE_H */
