/*
 * proto_canonical.c
 *		The JSON form of a message, checked against its shape and written as
 *		protobuf itself would write it.
 *
 * One pass over a text that json_check() has looked at.  Names of fields may
 * be written in both ways, enums by name or number, numbers as texts, bytes in
 * either alphabet, padded or not; null is nothing.  What is written has one
 * form only.  A scalar that is zero is left out, unless it is one of several
 * that exclude each other, as is a list or map without elements.  A message is
 * written if it was given, even an empty one.
 */
#include "common/proto_canonical.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "common/json_check.h"
#include "common/json_text.h"
#include "common/proto_answers.h"
#include "common/proto_scalars.h"

#define MOST_SHOWN 60			/* bytes of a value that is told */

/* Where a value stands: one step of its path. */
typedef struct Place
{
	const struct Place *parent;
	Slice		name;			/* of a field; of an entry of a map its key, a string of JSON */
	long		index;			/* of an element; -1: it is none */
} Place;

typedef struct Writing
{
	JsonReader	reader;
	TextBuffer *out;
	const char *what;
	int			depth;
	ProtoError *error;
} Writing;

/* What google.protobuf.Any may hold; of others the bytes are kept. */
static const ProtoMessage *const known[] = {
	&proto_update_acceptance, &proto_update_rejection, &proto_update_response, &proto_update_request
};

static bool write_message(Writing *writing, const ProtoMessage *message, const Place *place);

/* ------------------------------------------------------------------------
 * What is wrong, and where
 * ------------------------------------------------------------------------
 */

static void
add_path(TextBuffer *path, const Place *place)
{
	char		index[32];

	if (place == NULL)
		return;
	add_path(path, place->parent);
	if (place->index >= 0)
	{
		snprintf(index, sizeof(index), "[%ld]", place->index);
		text_buffer_text(path, index);
	}
	else if (json_text_type(place->name) == '"')
	{
		text_buffer_char(path, '[');
		text_buffer_slice(path, place->name);
		text_buffer_char(path, ']');
	}
	else
	{
		text_buffer_char(path, '.');
		text_buffer_slice(path, place->name);
	}
}

/* The path, without its middle if it is too long; false. */
static bool
fail_at(Writing *writing, const Place *place)
{
	static const char gap[] = " ... ";
	char	   *to = writing->error->path;
	size_t		half = (sizeof(writing->error->path) - sizeof(gap)) / 2;
	TextBuffer	path;
	Slice		head;
	const char *tail;

	text_buffer_init(&path, writing->out->allocator);
	text_buffer_text(&path, writing->what);
	add_path(&path, place);
	if (path.length < sizeof(writing->error->path))
		memcpy(to, path.data, path.length + 1);
	else
	{
		head = (Slice) {path.data, path.length};
		head.length = slice_clip(head, half);
		tail = path.data + path.length - half;
		while (((unsigned char) *tail & 0xC0) == 0x80)
			tail++;
		snprintf(to, sizeof(writing->error->path), "%.*s%s%s", (int) head.length, head.data, gap, tail);
	}
	text_buffer_free(&path);
	return false;
}

/* false */
static bool
fail(Writing *writing, const Place *place, const char *problem)
{
	snprintf(writing->error->problem, sizeof(writing->error->problem), "%s", problem);
	return fail_at(writing, place);
}

/* What kind of value is it, for people? */
static const char *
kind_of_value(Slice value)
{
	switch (json_text_type(value))
	{
		case '{':
			return "an object";
		case '[':
			return "an array";
		case '"':
			return "a string";
		case 't':
		case 'f':
		case 'n':
			return "";
		default:
			return "a number: ";
	}
}

/*
 * Something else was to be where the reader is; false.  A string may be a payload, so it
 * is not told, unless it was to be a name.
 */
static bool
fail_value(Writing *writing, const Place *place, Slice value, const char *expected, bool is_name)
{
	bool		is_string = json_text_type(value) == '"';
	size_t		shown = 0;

	if (is_string ? is_name : strchr("{[", json_text_type(value)) == NULL)
		shown = slice_clip(value, MOST_SHOWN);
	snprintf(writing->error->problem, sizeof(writing->error->problem), "expected %s, found %s%s%.*s%s",
			 expected, kind_of_value(value), is_string && is_name ? ": " : "", (int) shown, value.data,
			 shown > 0 && shown < value.length ? "..." : "");
	return fail_at(writing, place);
}

/* A key that should not be there; false. */
static bool
fail_key(Writing *writing, const Place *place, Slice key, const char *problem, const char *other)
{
	snprintf(writing->error->problem, sizeof(writing->error->problem), "%s: %.*s%s", problem,
			 (int) slice_clip(key, MOST_SHOWN), key.data, other);
	return fail_at(writing, place);
}

/* ------------------------------------------------------------------------
 * Fields
 * ------------------------------------------------------------------------
 */

/* The character that the value begins with at which the reader is. */
static char
kind_at(const Writing *writing)
{
	return writing->reader.at < writing->reader.end ? *writing->reader.at : '\0';
}

/* That value, or of an object or array its bracket. */
static Slice
scalar_at(Writing *writing)
{
	char		kind = kind_at(writing);

	if (kind == '{' || kind == '[')
		return (Slice) {writing->reader.at, 1};
	return json_text_value(&writing->reader);
}

/* One value of the field's type. */
static bool
write_value(Writing *writing, const ProtoField *field, const Place *place, bool *is_zero)
{
	char		expected[160];
	Slice		value;

	*is_zero = false;
	if (field->type == PROTO_MESSAGE)
		return write_message(writing, field->message, place);
	value = scalar_at(writing);
	if (field->type == PROTO_ENUM ? proto_enum_write(writing->out, field->names, value, is_zero) :
		proto_scalar_write(writing->out, field->type, value, is_zero))
		return true;
	if (field->type == PROTO_ENUM)
		snprintf(expected, sizeof(expected), "a value of %s", field->names->name);
	else
		snprintf(expected, sizeof(expected), "%s", proto_scalar_text(field->type));
	return fail_value(writing, place, value, expected, field->type == PROTO_ENUM);
}

/* Objects and arrays within each other; false: too many. */
static bool
descend(Writing *writing, char kind, const char *expected, const Place *place)
{
	if (kind_at(writing) != kind)
		return fail_value(writing, place, scalar_at(writing), expected, false);
	if (++writing->depth > PROTO_DEEPEST)
		return fail(writing, place, "nested too deeply");
	json_text_enter(&writing->reader);
	text_buffer_char(writing->out, kind);
	return true;
}

static void
ascend(Writing *writing, char bracket)
{
	json_text_leave(&writing->reader);
	text_buffer_char(writing->out, bracket);
	writing->depth--;
}

static bool
write_list(Writing *writing, const ProtoField *field, const Place *place, bool *is_empty)
{
	Place		element = {.parent = place,.index = 0};
	bool		is_zero;

	if (!descend(writing, '[', "an array", place))
		return false;
	for (; json_text_element_next(&writing->reader); element.index++)
	{
		if (element.index > 0)
			text_buffer_char(writing->out, ',');
		if (!write_value(writing, field, &element, &is_zero))
			return false;
	}
	*is_empty = element.index == 0;
	ascend(writing, ']');
	return true;
}

static bool
write_map(Writing *writing, const ProtoField *field, const Place *place, bool *is_empty)
{
	Place		entry = {.parent = place,.index = -1};
	bool		is_zero;

	*is_empty = true;
	if (!descend(writing, '{', "an object", place))
		return false;
	while (json_text_key_next(&writing->reader, &entry.name))
	{
		if (!*is_empty)
			text_buffer_char(writing->out, ',');
		proto_string_write(writing->out, entry.name);
		text_buffer_char(writing->out, ':');
		if (!write_value(writing, field, &entry, &is_zero))
			return false;
		*is_empty = false;
	}
	ascend(writing, '}');
	return true;
}

/* With its key; nothing if it needs not be written. */
static bool
write_field(Writing *writing, const ProtoField *field, const Place *place)
{
	TextBuffer *out = writing->out;
	size_t		start = out->length;
	bool		is_nothing = false;
	bool		is_good;

	json_text_key(out, field->key);
	if (field->label == PROTO_LIST)
		is_good = write_list(writing, field, place, &is_nothing);
	else if (field->label == PROTO_MAP)
		is_good = write_map(writing, field, place, &is_nothing);
	else
		is_good = write_value(writing, field, place, &is_nothing);
	if (is_good && is_nothing && !field->is_choice)
	{
		out->length = start;
		out->data[start] = '\0';
	}
	return is_good;
}

/* null, which is the same as if there were no such member. */
static bool
skip_null(Writing *writing)
{
	if (kind_at(writing) != 'n')
		return false;
	json_text_value(&writing->reader);
	return true;
}

/* Member by member; "@type" is that of an Any, if it is one. */
static bool
write_members(Writing *writing, const ProtoMessage *message, const Place *place, bool is_any)
{
	Place		member = {.parent = place,.index = -1};
	uint64_t	seen = 0;
	const char *choice = NULL;
	Slice		key;

	while (json_text_key_next(&writing->reader, &key))
	{
		const ProtoField *field;
		uint64_t	bit;

		if (is_any && json_text_equals(key, "@type"))
		{
			json_text_value(&writing->reader);
			continue;
		}
		field = proto_field(message, (Slice) {key.data + 1, key.length - 2});
		if (field == NULL)
			return fail_key(writing, place, key, "unknown key", "");
		if (skip_null(writing))
			continue;
		bit = UINT64_C(1) << (field - message->fields);
		member.name = slice_of(field->key);
		if (seen & bit)
			return fail(writing, &member, "given twice");
		seen |= bit;
		if (field->is_choice && choice != NULL)
			return fail_key(writing, &member, slice_of(choice), "excluded by", ", which is given");
		if (field->is_choice)
			choice = field->key;
		if (!write_field(writing, field, &member))
			return false;
	}
	return true;
}

/* ------------------------------------------------------------------------
 * Messages
 * ------------------------------------------------------------------------
 */

/* What the type of an Any, "type.googleapis.com/temporal…", is; NULL: not known. */
static const ProtoMessage *
find_known(Slice url)
{
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
	{
		size_t		length = strlen(known[i]->name);

		if (url.length > length && url.data[url.length - length - 1] == '/' &&
			memcmp(url.data + url.length - length, known[i]->name, length) == 0)
			return known[i];
	}
	return NULL;
}

/* "@type", wherever it is; the reader stays where it is. */
static Slice
find_type(const Writing *writing)
{
	JsonReader	reader = writing->reader;
	Slice		key;
	Slice		value;

	while (json_text_member(&reader, &key, &value))
		if (json_text_equals(key, "@type"))
			return value;
	return (Slice) {NULL, 0};
}

static bool
write_any(Writing *writing, const Place *place)
{
	static const ProtoField value_field = {.name = "value",.key = "value",.type = PROTO_BYTES};
	static const ProtoMessage bytes = {"google.protobuf.Any", PROTO_FIELDS, &value_field, 1};
	const ProtoMessage *message;
	Slice		type;

	if (!descend(writing, '{', "an object", place))
		return false;
	type = find_type(writing);
	if (type.length > 0)
	{
		if (json_text_type(type) != '"')
			return fail(writing, place, "\"@type\" is no string");
		message = find_known((Slice) {type.data + 1, type.length - 2});
		json_text_key(writing->out, "@type");
		proto_string_write(writing->out, type);
		if (!write_members(writing, message != NULL ? message : &bytes, place, true))
			return false;
	}
	else if (json_text_key_next(&writing->reader, &type))
		return fail(writing, place, "expected a member \"@type\", found none");
	ascend(writing, '}');
	return true;
}

/* The message at which the reader is. */
static bool
write_message(Writing *writing, const ProtoMessage *message, const Place *place)
{
	Slice		value;

	if (message->form == PROTO_ANY)
		return write_any(writing, place);
	if (message->form != PROTO_FIELDS)
	{
		value = scalar_at(writing);
		return proto_time_write(writing->out, message->form, value) ||
			fail_value(writing, place, value, message->form == PROTO_INSTANT ?
					   "an instant such as \"2026-01-31T12:00:00Z\"" : "a duration such as \"1.5s\"", false);
	}
	if (!descend(writing, '{', "an object", place) ||
		!write_members(writing, message, place, false))
		return false;
	ascend(writing, '}');
	return true;
}

/* A text that nobody has looked at yet: a message, or a list of some. */
static bool
write_text(const ProtoMessage *message, bool is_list, const char *what, Slice json,
		   TextBuffer *out, ProtoError *error)
{
	ProtoField	element = {.name = what,.key = what,.type = PROTO_MESSAGE,.message = message};
	Writing		writing = {.out = out,.what = what,.error = error};
	JsonFault	fault = json_check(json, out->allocator);
	bool		is_empty;

	json = json_text_trim(json);
	writing.reader = (JsonReader) {json.data, json.data + json.length};
	if (fault != JSON_FAULT_NONE && fault != JSON_FAULT_EXPONENT)
		return fail(&writing, NULL, json_fault_text(fault));
	if (is_list)
		return write_list(&writing, &element, NULL, &is_empty);
	return write_message(&writing, message, NULL);
}

/*
 * proto_canonical: add a message as protobuf writes it.  "what" is what its
 * path begins with.  false: the text is no such message, "error" says why, and
 * what was added means nothing.
 */
bool
proto_canonical(const ProtoMessage *message, const char *what, Slice json,
				TextBuffer *out, ProtoError *error)
{
	return write_text(message, false, what, json, out, error);
}

/*
 * proto_canonical_list: the same of an array of such messages.
 */
bool
proto_canonical_list(const ProtoMessage *message, const char *what, Slice json,
					 TextBuffer *out, ProtoError *error)
{
	return write_text(message, true, what, json, out, error);
}
