/*
 * extension.c
 *		Is taskq installed in this database, in which schema, and who owns it.
 *
 * The worker has to keep out of the way of DROP EXTENSION: every transaction
 * of its takes a share lock on the extension itself, as any DDL on its members
 * would, and looks whether it is (still) there.  DROP waits for at most one
 * such transaction, the next one finds nothing and the worker leaves; a DROP
 * that is rolled back was never seen.
 *
 * SQL functions run with their caller's rights, who has none on the tables.
 * owner_begin() and owner_end() bracket the statements that need them.  On
 * error nothing has to be done: the abort of the (sub)transaction restores the
 * user.  The caller's own rights are checked before, never inside.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/dependency.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_namespace.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "base/basics.h"
#include "store/extension.h"

/* the table whose owner stands for the extension's */
#define OWNED_TABLE		"open"

/* Valid while owned_table is; see forget_owner(). */
static Oid	owned_table = InvalidOid;
static Oid	owner = InvalidOid;

/*
 * extension_lock: lock the extension against being dropped until the end of
 * the transaction; InvalidOid when it is not there.  May wait for a DROP
 * EXTENSION in progress; snapshots to look at taskq's tables with are taken
 * after it.
 */
Oid
extension_lock(void)
{
	static Oid	before = InvalidOid;	/* what it was then, a guess */
	bool		missing_ok = true;
	Oid			extension = OidIsValid(before) ? before :
		get_extension_oid(TASKQ_EXTENSION, missing_ok);

	while (OidIsValid(extension))
	{
		Oid			locked = extension;

		LockDatabaseObject(ExtensionRelationId, locked, 0, AccessShareLock);

		/* it may have been dropped, or even made again, while we waited */
		extension = get_extension_oid(TASKQ_EXTENSION, missing_ok);
		if (extension == locked)
			break;
		UnlockDatabaseObject(ExtensionRelationId, locked, 0, AccessShareLock);
	}
	before = extension;
	return extension;
}

/* raise_dropped: 55000, for a call that was in progress. */
void
raise_dropped(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("extension \"%s\" has been dropped", TASKQ_EXTENSION)));
}

/*
 * forget_owner: relcache callback.  Dropping the extension and REASSIGN OWNED
 * both change the table.
 */
static void
forget_owner(Datum arg, Oid relation)
{
	if (relation == owned_table || !OidIsValid(relation))
		owned_table = InvalidOid;
}

/*
 * extension_schema_if_any: the schema of taskq's objects, InvalidOid when there
 * is none, or none that is a member of the extension.  Reads catalogs.
 */
Oid
extension_schema_if_any(void)
{
	bool		missing_ok = true;
	Oid			schema = get_namespace_oid(TASKQ_SCHEMA, missing_ok);
	Oid			extension;

	if (!OidIsValid(schema))
		return InvalidOid;
	extension = getExtensionOfObject(NamespaceRelationId, schema);
	return OidIsValid(extension) &&
		extension == get_extension_oid(TASKQ_EXTENSION, missing_ok) ?
		schema : InvalidOid;
}

/*
 * extension_schema: the schema of taskq's objects, which is a member of the
 * extension.  Nothing is looked up in one of that name that somebody else made
 * (after a rename, say): 55000.  Reads catalogs; the caller remembers.
 */
Oid
extension_schema(void)
{
	Oid			schema = extension_schema_if_any();

	if (!OidIsValid(schema))
		(void) get_namespace_oid(TASKQ_SCHEMA, /* missing_ok */ false);
	if (!OidIsValid(schema))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("schema \"%s\" does not belong to the extension \"%s\"",
						TASKQ_SCHEMA, TASKQ_EXTENSION),
				 errhint("The extension makes its schema itself; nothing else may have that name.")));
	return schema;
}

/*
 * The role that owns taskq's tables, which is the one that created the extension.
 * Cheap: looked up again only when it may have changed.
 */
static Oid
find_owner(void)
{
	static bool registered = false;
	HeapTuple	tuple;
	Oid			table;

	if (likely(OidIsValid(owned_table)))
		return owner;

	if (!registered)
	{
		CacheRegisterRelcacheCallback(forget_owner, (Datum) 0);
		registered = true;
	}

	table = get_relname_relid(OWNED_TABLE, extension_schema());
	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(table));
	if (!HeapTupleIsValid(tuple))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("table \"%s.%s\" does not exist",
						TASKQ_SCHEMA, OWNED_TABLE),
				 errhint(HOW_TO_GET_BACK)));
	owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	owned_table = table;
	ReleaseSysCache(tuple);
	return owner;
}

/*
 * owner_begin: continue as the owner of the extension, until owner_end().
 */
void
owner_begin(OwnerSwitch *saved)
{
	Oid			as = find_owner();

	GetUserIdAndSecContext(&saved->user, &saved->security_context);
	SetUserIdAndSecContext(as, saved->security_context |
						   SECURITY_LOCAL_USERID_CHANGE);
}

/*
 * owner_end: be the caller again.
 */
void
owner_end(const OwnerSwitch *saved)
{
	SetUserIdAndSecContext(saved->user, saved->security_context);
}
