/*
 * listens.c
 *		Which channels this session listens to.
 *
 * LISTEN and UNLISTEN take effect when their transaction commits, in the order
 * in which they were given, as far as they were not rolled back with a
 * savepoint.  PostgreSQL keeps a list of that, which nobody else can see, and so
 * there is one here, of taskq's channels alone.  What the session listens to it
 * holds in the directory (channels.c): a channel that is listened to stays there.
 * It is held from the LISTEN on; the commit lets go of what is held twice, and of
 * what an UNLISTEN has ended, a rollback of what it took back, and the end of the
 * session of all.
 *
 * The directory may have given a channel up that the session listens to.  Then
 * its reference refers to nothing, until somebody listens again, here, or asks
 * for the channel here (listens_renew).
 *
 * A session that never listens to a channel of taskq's has two empty lists.
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "utils/memutils.h"

#include "base/grow.h"
#include "notes/listens.h"
#include "notes/marks.h"
#include "shared/channel_asks.h"
#include "shared/channels.h"
#include "shared/directory.h"

/* A channel that the session listens to. */
typedef struct Listen
{
	uint64		hash;
	ChannelRef	ref;
	char		channel[NAMEDATALEN];
} Listen;

typedef enum PendingKind
{
	PENDING_LISTEN,
	PENDING_UNLISTEN,
	PENDING_UNLISTEN_ALL
} PendingKind;

/* What the transaction in progress has done about one. */
typedef struct PendingListen
{
	PendingKind kind;
	Listen		listen;			/* what is held, with LISTEN; name and hash, with
								 * UNLISTEN */
} PendingListen;

/* Both are in TopMemoryContext. */
static Listen *listens = NULL;
static int	nlistens = 0;
static int	max_listens = 0;
static PendingListen *pending = NULL;
static int	npending = 0;
static int	max_pending = 0;
static Marks pending_marks;

/* the session listens to that channel; NULL if it does not */
static Listen *
find_listen(uint64 hash, const char *channel)
{
	for (int i = 0; i < nlistens; i++)
		if (listens[i].hash == hash &&
			strcmp(listens[i].channel, channel) == 0)
			return &listens[i];
	return NULL;
}

/* ------------------------------------------------------------------------
 * The end of a transaction.  control->lock is held exclusively; nothing fails.
 * ------------------------------------------------------------------------
 */

static void
drop_listen(Listen *listen)
{
	channel_let_go(&listen->ref, /* listened */ true);
	*listen = listens[--nlistens];
}

/* true if the worker has to be woken; "known" is the channel in our list */
static bool
carry_out(const PendingListen *todo, Listen *known)
{
	switch (todo->kind)
	{
		case PENDING_LISTEN:
			if (known != NULL && channel_is_there(&known->ref))
			{
				channel_let_go(&todo->listen.ref, /* listened */ false);
				return false;
			}
			if (known == NULL)
				known = &listens[nlistens++];
			*known = todo->listen;
			Assert(nlistens <= max_listens);
			return channel_listened(&known->ref);
		case PENDING_UNLISTEN:
			if (known != NULL)
				drop_listen(known);
			return false;
		case PENDING_UNLISTEN_ALL:
			while (nlistens > 0)
				drop_listen(&listens[nlistens - 1]);
			return false;
	}
	return false;
}

static void
commit_pending(void)
{
	bool		wake = false;

	for (int i = 0; i < npending; i++)
	{
		/* our list may be long, so nobody waits while we look through it */
		Listen	   *known = find_listen(pending[i].listen.hash,
										pending[i].listen.channel);

		LWLockAcquire(control->lock, LW_EXCLUSIVE);
		if (carry_out(&pending[i], known))
			wake = true;
		LWLockRelease(control->lock);
	}
	npending = 0;
	if (wake)
		directory_wake_worker(directory_my_slot());
}

/* take back what was done from number "first" on */
static void
take_back(int first)
{
	if (first >= npending)
		return;
	LWLockAcquire(control->lock, LW_EXCLUSIVE);
	while (npending > first)
		if (pending[--npending].kind == PENDING_LISTEN)
			channel_let_go(&pending[npending].listen.ref,
						   /* listened */ false);
	LWLockRelease(control->lock);
}

/*
 * listens_transaction: the transaction ends.
 */
void
listens_transaction(XactEvent event)
{
	if (npending == 0)
		return;
	if (event == XACT_EVENT_COMMIT)
		commit_pending();
	else if (event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE)
		take_back(0);			/* what LISTENs cannot be prepared */
}

/*
 * listens_subtransaction: likewise a savepoint's.
 */
void
listens_subtransaction(SubXactEvent event, SubTransactionId mine,
					   SubTransactionId parent)
{
	int			first = marks_end(&pending_marks, event, mine, parent, npending);

	if (event == SUBXACT_EVENT_ABORT_SUB)
		take_back(first);
}

/* ------------------------------------------------------------------------
 * Statements
 * ------------------------------------------------------------------------
 */

/* before_shmem_exit callback: the session ends, maybe in a transaction */
static void
leave(int code, Datum arg)
{
	take_back(0);
	if (nlistens == 0)
		return;
	LWLockAcquire(control->lock, LW_EXCLUSIVE);
	while (nlistens > 0)
		drop_listen(&listens[nlistens - 1]);
	LWLockRelease(control->lock);
}

/* the next place in the list, for this subtransaction; room for it to be kept */
static PendingListen *
begin_pending(PendingKind kind)
{
	static bool registered = false;
	PendingListen *todo;

	if (!registered)
		before_shmem_exit(leave, (Datum) 0);
	registered = true;
	pending = grow(pending, NULL, &max_pending, npending + 1,
				   sizeof(PendingListen), TopMemoryContext);
	listens = grow(listens, NULL, &max_listens, nlistens + npending + 1,
				   sizeof(Listen), TopMemoryContext);
	marks_note(&pending_marks, npending);
	todo = &pending[npending];
	memset(todo, 0, sizeof(PendingListen));
	todo->kind = kind;
	return todo;
}

/*
 * listens_begin: LISTEN, of a channel of taskq's with that hash.  Raises 53400
 * when it does not fit into the directory.  Without "make" it counts only if it
 * is there.
 */
void
listens_begin(const char *channel, uint64 hash, NameKind kind, bool make)
{
	PendingListen *todo = begin_pending(PENDING_LISTEN);

	todo->listen.hash = hash;
	strlcpy(todo->listen.channel, channel, NAMEDATALEN);
	todo->listen.ref.place = -1;
	npending++;
	channel_hold(channel, hash, kind, make, &todo->listen.ref);
}

/*
 * listens_end: UNLISTEN of a channel of taskq's, or of all (NULL).
 */
void
listens_end(const char *channel, uint64 hash)
{
	PendingListen *todo;

	if (nlistens == 0 && npending == 0)
		return;
	todo = begin_pending(channel == NULL ? PENDING_UNLISTEN_ALL :
						 PENDING_UNLISTEN);
	if (channel != NULL)
	{
		todo->listen.hash = hash;
		strlcpy(todo->listen.channel, channel, NAMEDATALEN);
	}
	npending++;
}

/*
 * listens_renew: somebody has asked for that channel in this session.  If it
 * listens there, and the directory does not know any more, it does again.
 */
void
listens_renew(const char *channel, uint64 hash, NameKind kind)
{
	Listen	   *known = find_listen(hash, channel);
	ChannelRef	ref;

	if (known == NULL)
		return;
	channel_hold(channel, hash, kind, /* make */ false, &ref);
	LWLockAcquire(control->lock, LW_EXCLUSIVE);
	if (channel_is_there(&known->ref))
		channel_let_go(&ref, /* listened */ false);
	else
	{
		known->ref = ref;
		(void) channel_listened(&ref);
	}
	LWLockRelease(control->lock);
}
