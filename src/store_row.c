/*
 * store_row.c
 *		Between Datums and C values, what is more than a macro.
 */
#include "postgres.h"

#include "catalog/pg_collation.h"

#include "compat.h"
#include "store_row.h"

/* row_empty_text: '' */
text *
row_empty_text(void)
{
	static varattrib_4b empty;

	SET_VARSIZE(&empty, VARHDRSZ);
	return (text *) &empty;
}

/*
 * row_text_key: a scan key on a text column, all of which compare by the "C"
 * collation.
 */
void
row_text_key(ScanKey key, AttrNumber attribute, StrategyNumber strategy,
			 RegProcedure procedure, const text *value)
{
	ScanKeyEntryInitialize(key, 0, attribute, strategy, InvalidOid,
						   C_COLLATION_OID, procedure,
						   PointerGetDatum(value));
}

/*
 * row_control: the control column, encoded again if somebody looked at it
 * (and may have changed it).
 */
struct varlena *
row_control(Activity *activity)
{
	if (activity->controls == NULL)
		return activity->control;
	return (struct varlena *) controls_to_jsonb(activity->controls);
}
