/*
 * savepoint.c
 *		Something in a savepoint, so that an error undoes nothing else.
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "base/caught.h"
#include "base/savepoint.h"

/*
 * Does the error concern the transaction, and not what was tried?  A lock that was not
 * to be had in time (55P03) does not.
 */
static bool
ends_all(int sqlstate)
{
	switch (ERRCODE_TO_CATEGORY(sqlstate))
	{
		case ERRCODE_TRANSACTION_ROLLBACK:
		case ERRCODE_INSUFFICIENT_RESOURCES:
		case ERRCODE_OPERATOR_INTERVENTION:
		case ERRCODE_SYSTEM_ERROR:
			return true;
		default:
			return false;
	}
}

/*
 * savepoint_try: call piece(arg) in a subtransaction, which stays if that returns
 * true.  When it raises an error the subtransaction is rolled back, whatever the
 * error: who catches it further up knows nothing of it.  Then the error is returned
 * (NULL = there was none), or raised again if it ends all: serialization failures,
 * deadlocks, cancellation, lack of resources.
 */
ErrorData *
savepoint_try(bool (*piece) (void *arg), void *arg)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	uint32		holdoff = QueryCancelHoldoffCount;
	volatile bool released = false;
	ErrorData  *volatile error = NULL;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		if (piece(arg))
		{
			ReleaseCurrentSubTransaction();
			released = true;
		}
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		error_forget(holdoff);
	}
	PG_END_TRY();
	if (!released)
		RollbackAndReleaseCurrentSubTransaction();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	if (error != NULL && ends_all(error->sqlerrcode))
		ReThrowError(error);
	return error;
}
