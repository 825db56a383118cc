/*
 * value_sizes.c
 *		How large the values of a map are that commands change.
 *
 * Each command changes a few, and there may be many commands; so what is kept is the
 * size of each value, by a digest of its name, and the sum, and no value is copied.
 */
#include "postgres.h"

#include "utils/hsearch.h"

#include "model/proto_values.h"
#include "model/value_sizes.h"
#include "task/queue_keys.h"

struct ValueSizes
{
	HTAB	   *sizes;			/* of ValueSize */
	Size		sum;
};

typedef struct ValueSize
{
	uint64		name;			/* its digest */
	Size		bytes;			/* with the name */
} ValueSize;

static void
set_size(ValueSizes *sizes, const JsonbValue *name, Size bytes)
{
	uint64		key = name_digest(name->val.string.val, name->val.string.len);
	bool		found;
	ValueSize  *size = hash_search(sizes->sizes, &key, HASH_ENTER, &found);

	if (found)
		sizes->sum -= size->bytes;
	size->bytes = bytes;
	sizes->sum += bytes;
}

static Size
bytes_of(const JsonbValue *value)
{
	switch (value->type)
	{
		case jbvBinary:
			return value->val.binary.len;
		case jbvString:
			return value->val.string.len;
		case jbvNumeric:
			return VARSIZE_ANY(value->val.numeric);
		default:
			return 1;
	}
}

static bool
takes_away(JsonbValue *value)
{
	return value->type == jbvBinary && JsonContainerIsObject(value->val.binary.data) &&
		payload_is_nothing(JsonbValueToJsonb(value));
}

/* the values; of payloads, those that are nothing have no size */
static void
set_sizes(ValueSizes *sizes, Jsonb *values, bool payloads)
{
	JsonbIterator *iterator = JsonbIteratorInit(&values->root);
	JsonbIteratorToken token;
	JsonbValue	item;
	JsonbValue	name = {.type = jbvNull};

	while ((token = JsonbIteratorNext(&iterator, &item, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			name = item;
		else if (token == WJB_VALUE)
			set_size(sizes, &name, payloads && takes_away(&item) ? 0 :
					 name.val.string.len + bytes_of(&item));
	}
}

/* value_sizes_of: of an object; NULL has none.  Allocated. */
ValueSizes *
value_sizes_of(Jsonb *values)
{
	ValueSizes *sizes = palloc0(sizeof(ValueSizes));
	HASHCTL		control = {
		.keysize = sizeof(uint64),
		.entrysize = sizeof(ValueSize),
		.hcxt = CurrentMemoryContext,
	};

	sizes->sizes = hash_create("taskq sizes of values", 64, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	if (values != NULL)
		set_sizes(sizes, values, false);
	return sizes;
}

/*
 * value_sizes_change: the values of a map of payloads take the place of those of the
 * same names; null takes one away.  How large all are then.
 */
Size
value_sizes_change(ValueSizes *sizes, Jsonb *fields)
{
	set_sizes(sizes, fields, true);
	return sizes->sum;
}
