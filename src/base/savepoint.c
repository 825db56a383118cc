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
 * savepoint_try: call piece(arg) in a subtransaction.  When that fails it is rolled
 * back, whatever the error: who catches it further up knows nothing of our
 * subtransaction.  Then the error is returned (NULL = done), or raised again if it
 * ends all.
 */
ErrorData *
savepoint_try(void (*piece) (void *arg), void *arg, bool (*ends_all) (int sqlstate))
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	ErrorData  *volatile error = NULL;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		piece(arg);
		ReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
		if (ends_all(error->sqlerrcode))
			ReThrowError(error);
	}
	PG_END_TRY();
	return error;
}
