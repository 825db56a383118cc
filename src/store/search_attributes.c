/*
 * search_attributes.c
 *		The types of search attributes: the first use of a name declares it.
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/fmgroids.h"

#include "store/catalog.h"
#include "store/keyed_rows.h"
#include "store/row.h"
#include "store/search_attributes.h"
#include "store/write.h"

static bool
note_type(void *arg, TupleTableSlot *slot)
{
	bool		null;

	*(char **) arg = TextDatumGetCString(slot_getattr(slot, 2, &null));
	return false;
}

static void
name_key(ScanKey key, const char *name)
{
	row_text_key(key, 1, BTEqualStrategyNumber, F_TEXTEQ, cstring_to_text(name));
}

/* search_attribute_type: that the name is declared with, or NULL. */
const char *
search_attribute_type(const char *name)
{
	const char *type = NULL;
	ScanKeyData key;

	name_key(&key, name);
	keyed_rows_read(catalog()->search_attribute, SEARCH_ATTRIBUTE_PKEY, &key, 1,
					note_type, &type);
	return type;
}

/*
 * search_attribute_declare: the type that the name has; this one, if it had none.
 * Another transaction that is about to declare it is waited for.
 */
const char *
search_attribute_declare(const char *name, const char *type)
{
	const char *known = search_attribute_type(name);
	Datum		values[SEARCH_ATTRIBUTE_COLUMNS];
	bool		nulls[SEARCH_ATTRIBUTE_COLUMNS] = {false};

	while (known == NULL)
	{
		values[0] = CStringGetTextDatum(name);
		values[1] = CStringGetTextDatum(type);
		if (target_insert_unless_duplicate(catalog()->search_attribute,
										   SEARCH_ATTRIBUTE_PKEY, values, nulls))
			return type;
		known = search_attribute_type(name);	/* NULL: deleted by hand meanwhile */
	}
	return known;
}

/* search_attribute_forget: what this transaction has declared is not declared. */
void
search_attribute_forget(const char *name)
{
	ScanKeyData key;

	name_key(&key, name);
	(void) keyed_rows_delete(catalog()->search_attribute, SEARCH_ATTRIBUTE_PKEY, &key, 1);
}
