/*
 * channel.c
 *		taskq.channel and taskq.worker_channel: the name of a channel, for LISTEN.
 *
 * Asking is no change of the database: it takes effect at once and is not undone
 * by a rollback.  On a standby nobody can LISTEN, and asking is an error.
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "calls/args.h"
#include "calls/queue_kinds.h"
#include "notes/listens.h"
#include "shared/channel_asks.h"
#include "shared/directory.h"
#include "task/channel_names.h"
#include "task/queue_keys.h"

/*
 * ask_for_channel: what channel() and worker_channel() have in common.  "what"
 * is the name of the argument.
 */
static Datum
ask_for_channel(FunctionCallInfo fcinfo, const char *what, NameKind kind)
{
	text	   *argument;
	char	   *name;
	char	   *channel;
	int			length;

	directory_require();
	require_arg(fcinfo, 0, what);
	argument = PG_GETARG_TEXT_PP(0);
	if (kind == NAME_OF_WORKER)
		check_identity(argument, false);
	else
		argument = arg_worker_queue(fcinfo, 0, 1, 2);
	name = VARDATA_ANY(argument);
	length = VARSIZE_ANY_EXHDR(argument);

	PreventCommandDuringRecovery(kind == NAME_OF_WORKER ? "taskq.worker_channel()" :
								 "taskq.channel()");
	channel = channel_name(name, length, kind);
	(void) channel_ask(name, length, kind, channel);
	listens_renew(channel, name_hash(name, length, kind), kind);
	return CStringGetTextDatum(channel);
}

PG_FUNCTION_INFO_V1(taskq_channel);

/*
 * taskq.channel(task_queue, kind, sticky_for): the channel of a queue, listened to from now on.
 */
Datum
taskq_channel(PG_FUNCTION_ARGS)
{
	return ask_for_channel(fcinfo, "task_queue", NAME_OF_QUEUE);
}

PG_FUNCTION_INFO_V1(taskq_worker_channel);

/*
 * taskq.worker_channel(identity): the channel of a worker, likewise.
 */
Datum
taskq_worker_channel(PG_FUNCTION_ARGS)
{
	return ask_for_channel(fcinfo, "identity", NAME_OF_WORKER);
}
