/*
 * run_requests.c
 *		Request ids of signals that an open run has received.
 */
#include "postgres.h"

#include "store/catalog.h"
#include "store/keyed_rows.h"
#include "store/run_requests.h"
#include "store/write.h"

/*
 * run_request_remember: false when the run has received it before.  Another
 * transaction that is about to say so is waited for.
 */
bool
run_request_remember(int64 run_id, const text *request_id)
{
	Datum		values[REQUEST_COLUMNS];
	bool		nulls[REQUEST_COLUMNS] = {false};

	values[0] = Int64GetDatum(run_id);
	values[1] = PointerGetDatum(request_id);
	return target_insert_unless_duplicate(catalog()->run_request, REQUEST_PKEY,
										  values, nulls);
}

/* run_requests_delete: all of a run. */
void
run_requests_delete(int64 run_id)
{
	ScanKeyData key;

	keyed_rows_run_key(&key, run_id);
	(void) keyed_rows_delete(catalog()->run_request, REQUEST_PKEY, &key, 1);
}
