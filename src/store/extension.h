/*
 * extension.h
 *		Is taskq installed in this database, in which schema, and who owns it.
 */
#ifndef TASKQ_EXTENSION_H
#define TASKQ_EXTENSION_H

#include "base/compat.h"

/* hint for a table of taskq that is not there */
#define HOW_TO_GET_BACK \
	"Move it back with ALTER TABLE ... SET SCHEMA taskq, or restore it from a backup."

/* the caller's identity, while statements run as the extension's owner */
typedef struct OwnerSwitch
{
	Oid			user;
	int			security_context;
} OwnerSwitch;

extern Oid	extension_lock(void);
pg_noreturn extern void raise_dropped(void);
extern Oid	extension_schema_if_any(void);
extern Oid	extension_schema(void);
extern void owner_begin(OwnerSwitch *saved);
extern void owner_end(const OwnerSwitch *saved);

#endif							/* TASKQ_EXTENSION_H */
