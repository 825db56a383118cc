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
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "base/basics.h"
#include "base/compat.h"
#include "notes/listens.h"
#include "store/extension.h"
#include "task/channel_names.h"
#include "worker/listen_commands.h"

static Oid
task_kind(Oid schema)
{
	return GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid,
						   CStringGetDatum("task_kind"), ObjectIdGetDatum(schema));
}

/*
 * may_ask: may the user call the function that has such channels?
 */
static bool
may_ask(NameKind kind)
{
	static const struct
	{
		const char *name;
		int			nargs;
	}			functions[] = {
		[NAME_OF_QUEUE] = {"channel", 2},
		[NAME_OF_WORKER] = {"worker_channel", 1},
		[NAME_OF_LISTENER] = {"unlisten", 2},	/* goes with "listen" */
	};
	Oid			arguments[] = {TEXTOID, TEXTARRAYOID};
	Oid			schema = extension_schema_if_any();
	Oid			function;

	if (!OidIsValid(schema))
		return false;
	if (kind == NAME_OF_QUEUE)
		arguments[1] = task_kind(schema);
	function = GetSysCacheOid3(PROCNAMEARGSNSP, Anum_pg_proc_oid,
							   CStringGetDatum(functions[kind].name),
							   PointerGetDatum(buildoidvector(arguments,
															functions[kind].nargs)),
							   ObjectIdGetDatum(schema));
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
