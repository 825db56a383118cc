/*
 * sleep.c
 *		What calls that wait have in common: looking, sleeping, looking again.
 *
 * A waiter commits before it sleeps, so that it holds no snapshot and no lock,
 * and sleeps on its latch (waiters.c) until somebody wakes it, its client is
 * gone, or its time is up.  That takes a procedure called outside a transaction
 * block, and not by a DO block or another procedure, whose work would be
 * committed too.
 *
 * Every look takes a lock on the extension first, as any DDL on it would:
 * whoever waits when it is dropped is woken and finds that out.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "tcop/pquery.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "base/compat.h"
#include "calls/args.h"
#include "calls/sleep.h"
#include "shared/waiters.h"
#include "store/extension.h"

/* Longest sleep: a lost hint costs no more than that. */
#define MAX_SLEEP_MS	30000L

/* the extension that this call is of; InvalidOid = has not looked yet */
static Oid	waits_in = InvalidOid;

/*
 * require_own_transactions: raise 25001 unless the call may commit: what it would commit
 * has to be its own transaction and nobody else's, whether it comes to a sleep
 * or not.
 */
void
require_own_transactions(FunctionCallInfo fcinfo, const char *call)
{
	if (fcinfo->context == NULL || !IsA(fcinfo->context, CallContext) ||
		castNode(CallContext, fcinfo->context)->atomic ||
		SPI_inside_nonatomic_context())
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("%s cannot wait inside a transaction block, function, procedure, or DO block",
						call),
				 errhint("CALL it on its own, with autocommit on.")));
	PreventInTransactionBlock(true, call);
	waits_in = InvalidOid;
}

/* arg_deadline: when a call with that timeout gives up; 22023 if it is NULL. */
TimestampTz
arg_deadline(FunctionCallInfo fcinfo, int n)
{
	if (PG_ARGISNULL(n))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("timeout must not be NULL")));
	return instant_add(clock_now(), arg_duration(fcinfo, n, "timeout"));
}

/* end_look: end the transaction of a look, so that the sleep holds nothing. */
void
end_look(void)
{
	SPI_commit();
	InvalidateCatalogSnapshot();
}

/*
 * begin_look: whatever is committed by now is seen: a transaction that has its snapshot from
 * the beginning of the CALL is ended first.  The extension may have been dropped,
 * or even made again, while we slept: 55000.  Locks the extension, shared.
 */
void
begin_look(void)
{
	Oid			extension;

	if (IsolationUsesXactSnapshot() && FirstSnapshotSet)
		end_look();
	extension = extension_lock();
	if (!OidIsValid(waits_in))
		waits_in = extension;
	if (!OidIsValid(extension) || extension != waits_in)
		raise_dropped();
	EnsurePortalSnapshotExists();
}

/* can the system tell us that the client is gone? */
static bool
client_is_watched(void)
{
	return FeBeWaitSet != NULL && WaitEventSetCanReportClosed();
}

/*
 * check_client: end the session if its client is gone: as if it had never waited.
 */
void
check_client(void)
{
	if (!client_is_watched() || pq_check_connection())
		return;
	wait_leave(true);
	ClientConnectionLost = 1;
	InterruptPending = 1;
	CHECK_FOR_INTERRUPTS();
}

/* sleep until the latch is set, the client goes, or the time is up */
static void
sleep_ms(long ms, uint32 wait_event)
{
	WaitEvent	event;

	if (!client_is_watched())
		(void) WaitLatch(MyLatch,
						 WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 ms, wait_event);
	else
	{
		ModifyWaitEvent(FeBeWaitSet, FeBeWaitSetSocketPos, WL_SOCKET_CLOSED,
						NULL);
		if (WaitEventSetWait(FeBeWaitSet, ms, &event, 1, wait_event) > 0 &&
			(event.events & WL_POSTMASTER_DEATH))
			proc_exit(1);
	}
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
	check_client();
}

/*
 * sleep_unless_woken: sleep until woken or "until", as who has entered his places
 * (waiters.c); no snapshot and no lock is held.  Raises what interrupts it.
 */
void
sleep_unless_woken(TimestampTz until, uint32 wait_event)
{
	Assert(!ActiveSnapshotSet());
	until = Min(until, instant_add(clock_now(),
								   MAX_SLEEP_MS * INT64CONST(1000)));
	while (wait_until(&until))
	{
		long		ms = clock_ms_until(until, MAX_SLEEP_MS);

		if (ms == 0)
			break;
		sleep_ms(ms, wait_event);
	}
}

/* return_row: what a procedure returns, its INOUT arguments. */
Datum
return_row(FunctionCallInfo fcinfo, Datum *values, bool *nulls)
{
	TupleDesc	desc;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	desc = BlessTupleDesc(desc);
	return HeapTupleGetDatum(heap_form_tuple(desc, values, nulls));
}
