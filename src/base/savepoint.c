/*
 * savepoint.c
 *		Something in a savepoint, so that an error undoes nothing else.
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "base/savepoint.h"

/*
 * savepoint_try: call piece(arg) in a subtransaction, which stays if that returns
 * true.  When it raises an error the subtransaction is rolled back, whatever the
 * error: who catches it further up knows nothing of it.  Then the error is returned
 * (NULL = there was none), or raised again if it ends all (ends_all NULL: any does).
 */
ErrorData *
savepoint_try(bool (*piece) (void *arg), void *arg, bool (*ends_all) (int sqlstate))
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
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
		FlushErrorState();
	}
	PG_END_TRY();
	if (!released)
		RollbackAndReleaseCurrentSubTransaction();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	if (error != NULL && (ends_all == NULL || ends_all(error->sqlerrcode)))
		ReThrowError(error);
	return error;
}
