/*
 * listen.c
 *		taskq.listen and taskq.unlisten: one channel for many queues.
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
#include "model/options.h"
#include "notes/listens.h"
#include "shared/channel_asks.h"
#include "shared/channels.h"
#include "shared/directory.h"
#include "shared/listened_queues.h"
#include "task/channel_names.h"
#include "task/queue_keys.h"

/* An argument that names a listener. */
typedef struct Listener
{
	const char *name;
	int			length;
	char	   *channel;
} Listener;

static Listener
arg_listener(FunctionCallInfo fcinfo, int n)
{
	Listener	listener;
	text	   *name;

	require_arg(fcinfo, n, "listener");
	name = arg_text(fcinfo, n);
	check_name_length(name, "listener");
	if (VARSIZE_ANY_EXHDR(name) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("listener must not be empty")));
	listener.name = VARDATA_ANY(name);
	listener.length = VARSIZE_ANY_EXHDR(name);
	listener.channel = channel_name(listener.name, listener.length,
									NAME_OF_LISTENER);
	return listener;
}

/* task_queues, kind and normal_names */
static QueueRef *
arg_queue_refs(FunctionCallInfo fcinfo, int *count)
{
	text	  **queues = arg_worker_queues(fcinfo, 1, arg_queue_kind(fcinfo, 2), NO_KINDS, 3, count);
	QueueRef   *refs = palloc(sizeof(QueueRef) * Max(*count, 1));

	for (int i = 0; i < *count; i++)
		refs[i] = queue_ref(queues[i]);
	return refs;
}

PG_FUNCTION_INFO_V1(taskq_listen);

/*
 * taskq.listen(listener, task_queues, kind, normal_names) returns text: the channel of the
 * listener, which is told of these queues, too, from now on.
 */
Datum
taskq_listen(PG_FUNCTION_ARGS)
{
	Listener	listener;
	QueueRef   *queues;
	ChannelRef	ref;
	int			count;

	directory_require();
	listener = arg_listener(fcinfo, 0);
	queues = arg_queue_refs(fcinfo, &count);
	PreventCommandDuringRecovery("taskq.listen()");
	ref = channel_ask(listener.name, listener.length, NAME_OF_LISTENER,
					  listener.channel);
	listens_renew(listener.channel,
				  name_hash(listener.name, listener.length, NAME_OF_LISTENER),
				  NAME_OF_LISTENER);
	listened_queues_add(ref.place, queues, count);
	return CStringGetTextDatum(listener.channel);
}

PG_FUNCTION_INFO_V1(taskq_unlisten);

/*
 * taskq.unlisten(listener, task_queues, kind, normal_names) returns void: the listener is told of
 * these queues no more, or of none (NULL).
 */
Datum
taskq_unlisten(PG_FUNCTION_ARGS)
{
	Listener	listener;
	bool		all = arg_is_null(fcinfo, 1);
	int			count = 0;
	QueueRef   *queues = NULL;
	ChannelRef	ref;

	directory_require();
	listener = arg_listener(fcinfo, 0);
	if (!all)
		queues = arg_queue_refs(fcinfo, &count);
	PreventCommandDuringRecovery("taskq.unlisten()");
	if (all)
	{
		if (channel_unask(listener.name, listener.length, NAME_OF_LISTENER,
						  listener.channel, &ref))
			listened_queues_drop(ref.place);
	}
	else if (channel_known(listener.name, listener.length, NAME_OF_LISTENER,
						   listener.channel, &ref))
		listened_queues_remove(ref.place, queues, count);
	PG_RETURN_VOID();
}
