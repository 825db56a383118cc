/*
 * listen_commands.c
 *		LISTEN, UNLISTEN and DISCARD, as far as channels of taskq's are meant.
 *
 * The directory of channels follows them (listens.c).  LISTEN is for everybody,
 * and the directory has an end: a channel that is not there is put there for
 * those only who may ask for it with taskq.channel() or taskq.worker_channel().
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

/*
 * may_ask: may the user call the function that has such channels?
 */
static bool
may_ask(bool is_worker)
{
	const char *name = is_worker ? "worker_channel" : "channel";
	Oid			argument = TEXTOID;
	Oid			schema = extension_schema_if_any();
	Oid			function;

	if (!OidIsValid(schema))
		return false;
	function = GetSysCacheOid3(PROCNAMEARGSNSP, Anum_pg_proc_oid,
							   CStringGetDatum(name),
							   PointerGetDatum(buildoidvector(&argument, 1)),
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
	bool		is_worker;
	const char *channel;

	switch (nodeTag(statement))
	{
		case T_ListenStmt:
			channel = ((ListenStmt *) statement)->conditionname;
			if (channel_parse(channel, &hash, &is_worker))
				listens_begin(channel, hash, is_worker, may_ask(is_worker));
			break;
		case T_UnlistenStmt:
			channel = ((UnlistenStmt *) statement)->conditionname;
			if (channel == NULL)
				listens_end(NULL, 0);
			else if (channel_parse(channel, &hash, &is_worker))
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
