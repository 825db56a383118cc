/*
 * listen_commands.c
 *		LISTEN, UNLISTEN and DISCARD, as far as channels of taskq's are meant.
 *
 * The directory of channels follows them (listens.c).  LISTEN is for everybody,
 * and the directory has an end: a channel that is not there is put there for
 * those only who may ask for it with taskq.channel(), taskq.worker_channel() or
 * taskq.listen().
 * Others listen all the same, and hear what is sent as long as the channel is
 * known.  In a database without the extension nobody may.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_proc.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "utils/builtins.h"
#include "utils/catcache.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "base/basics.h"
#include "base/compat.h"
#include "notes/listens.h"
#include "store/extension.h"
#include "task/channel_names.h"
#include "worker/listen_commands.h"

/* the only function of that name in the schema, whatever its arguments */
static Oid
function_named(const char *name, Oid schema)
{
	CatCList   *list = SearchSysCacheList1(PROCNAMEARGSNSP, CStringGetDatum(name));
	Oid			found = InvalidOid;

	for (int i = 0; i < list->n_members; i++)
	{
		Form_pg_proc function = (Form_pg_proc) GETSTRUCT(&list->members[i]->tuple);

		if (function->pronamespace == schema)
			found = function->oid;
	}
	ReleaseCatCacheList(list);
	return found;
}

/*
 * may_ask: may the user call the function that has such channels?
 */
static bool
may_ask(NameKind kind)
{
	static const char *const functions[] = {
		[NAME_OF_QUEUE] = "channel",
		[NAME_OF_WORKER] = "worker_channel",
		[NAME_OF_LISTENER] = "listen",
	};
	Oid			schema = extension_schema_if_any();
	Oid			function = OidIsValid(schema) ? function_named(functions[kind], schema) : InvalidOid;

	return OidIsValid(function) &&
		function_aclcheck(function, GetUserId(), ACL_EXECUTE) == ACLCHECK_OK;
}

/*
 * listen_command: called after a LISTEN, UNLISTEN or DISCARD.
 */
void
listen_command(Node *statement)
{
	uint64		hash;
	NameKind	kind;
	const char *channel;

	switch (nodeTag(statement))
	{
		case T_ListenStmt:
			channel = ((ListenStmt *) statement)->conditionname;
			if (channel_parse(channel, &hash, &kind))
				listens_begin(channel, hash, kind, may_ask(kind));
			break;
		case T_UnlistenStmt:
			channel = ((UnlistenStmt *) statement)->conditionname;
			if (channel == NULL)
				listens_end(NULL, 0);
			else if (channel_parse(channel, &hash, &kind))
				listens_end(channel, hash);
			break;
		case T_DiscardStmt:
			if (((DiscardStmt *) statement)->target == DISCARD_ALL)
				listens_end(NULL, 0);
			break;
		default:
			break;
	}
}
