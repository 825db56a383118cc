/*
 * extension.h
 *		Is taskq installed in this database, and who owns it.
 */
#ifndef TASKQ_EXTENSION_H
#define TASKQ_EXTENSION_H

#include "postgres.h"

/* the caller's identity, while statements run as the extension's owner */
typedef struct OwnerSwitch
{
	Oid			user;
	int			security_context;
} OwnerSwitch;

extern Oid	extension_lock(void);
extern Oid	extension_owner(void);
extern void owner_begin(OwnerSwitch *saved);
extern void owner_end(const OwnerSwitch *saved);

#endif							/* TASKQ_EXTENSION_H */
