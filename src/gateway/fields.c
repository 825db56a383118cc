/*
 * fields.c
 *		Fields of messages from values of a result.
 */
#include "gateway/fields.h"

#include <ctype.h>
#include <stdio.h>

#include "gateway/answers.h"
#include "gateway/memory.h"
#include "gateway/payloads.h"
#include "gateway/proto/common.pb-c.h"
#include "gateway/result_values.h"
#include "gateway/times.h"

/*
 * A text; "" of NULL.
 */
char *
field_text(const PGresult *result, int row, int column)
{
	const char *value = row_text(result, row, column);

	return memory_text(value != NULL ? value : "");
}

/*
 * An instant; NULL of NULL.
 */
Google__Protobuf__Timestamp *
field_timestamp(const PGresult *result, int row, int column)
{
	if (row_is_null(result, row, column))
		return NULL;
	return timestamp_from_microseconds(row_timestamptz(result, row, column));
}

/*
 * A duration; zero of NULL, as long as a timeout that is not set.
 */
Google__Protobuf__Duration *
field_duration(const PGresult *result, int row, int column)
{
	return duration_from_microseconds(row_interval(result, row, column));
}

/*
 * The value whose name is the prefix and the label in upper case; 0 of NULL.
 */
int
field_enum(const PGresult *result, int row, int column,
		   const ProtobufCEnumDescriptor *descriptor, const char *prefix)
{
	const char *label = row_text(result, row, column);
	const ProtobufCEnumValue *value;
	char		name[100];

	if (label == NULL)
		return 0;
	snprintf(name, sizeof(name), "%s%s", prefix, label);
	for (char *c = name; *c != '\0'; c++)
		*c = (char) toupper((unsigned char) *c);
	value = protobuf_c_enum_descriptor_get_value_by_name(descriptor, name);
	return value != NULL ? value->value : 0;
}

/*
 * A priority, from three columns: priority, fairness_key, fairness_weight; never
 * NULL.
 */
Temporal__Priority *
field_priority(const PGresult *result, int row, int column)
{
	Temporal__Priority *priority = message_new(&temporal__priority__descriptor);

	priority->priority_key = row_int32(result, row, column);
	priority->fairness_key = field_text(result, row, column + 1);
	priority->fairness_weight = (float) row_float8(result, row, column + 2);
	return priority;
}

/*
 * Search attributes, from jsonb; never NULL, since clients look into them without
 * asking.
 */
Temporal__SearchAttributes *
field_search_attributes(const PGresult *result, int row, int column)
{
	Temporal__SearchAttributes *attributes = search_attributes_from_text(row_jsonb(result, row, column));

	return attributes != NULL ? attributes : message_new(&temporal__search_attributes__descriptor);
}
