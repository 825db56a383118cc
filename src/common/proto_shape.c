/*
 * proto_shape.c
 *		What is found in the tables of messages and of names.
 */
#include "common/proto_shape.h"

/*
 * proto_field: the field with a name, "task_queue" or "taskQueue"; NULL: there
 * is none.
 */
const ProtoField *
proto_field(const ProtoMessage *message, Slice name)
{
	for (int i = 0; i < message->count; i++)
	{
		const ProtoField *field = &message->fields[i];

		if (slice_equals(name, field->key) || slice_equals(name, field->name))
			return field;
	}
	return NULL;
}

/*
 * proto_name: the name of a number, or NULL.
 */
const char *
proto_name(const ProtoEnum *names, int number)
{
	for (int i = 0; i < names->count; i++)
		if (names->names[i].number == number)
			return names->names[i].name;
	return NULL;
}

/*
 * proto_number: the number with a name; false: there is none.
 */
bool
proto_number(const ProtoEnum *names, Slice name, int *number)
{
	for (int i = 0; i < names->count; i++)
	{
		if (slice_equals(name, names->names[i].name))
		{
			*number = names->names[i].number;
			return true;
		}
	}
	return false;
}
