/*
 * failure_form.c
 *		Failures in the JSON form of protobuf, from and to the form that SQL
 *		sees.
 *
 * What protobuf has in one of several messages is flat in SQL, with a "kind":
 *
 *		{"message": "no", "applicationFailureInfo": {"type": "T", "nonRetryable": true}}
 *		{"kind": "application", "message": "no", "type": "T", "non_retryable": true}
 *
 * Kinds that SQL does not have are kept as they are, as "info".  Tables say
 * which members there are, and both directions go by them.
 */
#include "common/failure_form.h"

#include <stdlib.h>
#include <string.h>

#include "common/json_text.h"
#include "common/payload_json.h"
#include "common/proto_times.h"

/* bytes of a key that are told */
#define MOST_SHOWN		60

/* How a member is written on both sides. */
typedef enum MemberType
{
	MEMBER_TEXT,
	MEMBER_BOOLEAN,
	MEMBER_DURATION,
	MEMBER_PAYLOAD,
	MEMBER_PAYLOADS,
	MEMBER_CANCEL_DETAILS,
	MEMBER_TIMEOUT_TYPE,
	MEMBER_CATEGORY,
	MEMBER_FAILURE
} MemberType;

typedef struct Member
{
	const char *json;
	const char *plain;
	MemberType	type;
} Member;

typedef struct Kind
{
	const char *json;
	const char *plain;
	Member		members[6];		/* one without a name ends them */
} Kind;

static const Member general_members[] = {
	{"message", "message", MEMBER_TEXT},
	{"source", "source", MEMBER_TEXT},
	{"stackTrace", "stack_trace", MEMBER_TEXT},
	{"encodedAttributes", "encoded_attributes", MEMBER_PAYLOAD},
	{"cause", "cause", MEMBER_FAILURE},
	{NULL, NULL, MEMBER_TEXT}
};

/* The first one is meant where its members are there without a kind. */
static const Kind kinds[] = {
	{"applicationFailureInfo", "application", {
		{"type", "type", MEMBER_TEXT},
		{"nonRetryable", "non_retryable", MEMBER_BOOLEAN},
		{"details", "details", MEMBER_PAYLOADS},
		{"nextRetryDelay", "next_retry_delay", MEMBER_DURATION},
		{"category", "category", MEMBER_CATEGORY},
	}},
	{"timeoutFailureInfo", "timeout", {
		{"timeoutType", "timeout_type", MEMBER_TIMEOUT_TYPE},
		{"lastHeartbeatDetails", "last_heartbeat_details", MEMBER_PAYLOADS},
	}},
	{"canceledFailureInfo", "canceled", {
		{"details", "details", MEMBER_CANCEL_DETAILS},
		{"identity", "identity", MEMBER_TEXT},
	}},
	{"terminatedFailureInfo", "terminated", {
		{"identity", "identity", MEMBER_TEXT},
	}},
	{"serverFailureInfo", "server", {
		{"nonRetryable", "non_retryable", MEMBER_BOOLEAN},
	}},
};

/* Values of enums, as protobuf and SQL name them; others are numbers. */
typedef struct EnumName
{
	MemberType	type;
	const char *json;
	const char *plain;
} EnumName;

static const EnumName enum_names[] = {
	{MEMBER_TIMEOUT_TYPE, "TIMEOUT_TYPE_START_TO_CLOSE", "start_to_close"},
	{MEMBER_TIMEOUT_TYPE, "TIMEOUT_TYPE_SCHEDULE_TO_START", "schedule_to_start"},
	{MEMBER_TIMEOUT_TYPE, "TIMEOUT_TYPE_SCHEDULE_TO_CLOSE", "schedule_to_close"},
	{MEMBER_TIMEOUT_TYPE, "TIMEOUT_TYPE_HEARTBEAT", "heartbeat"},
	{MEMBER_CATEGORY, "APPLICATION_ERROR_CATEGORY_BENIGN", "benign"},
};

#define lengthof(array) (sizeof(array) / sizeof((array)[0]))

static bool add_failure(TextBuffer *plain, Slice json, PayloadStyle style, int depth);
static void write_failure(TextBuffer *json, Slice plain, bool with_info, int depth);

static const Kind *
find_kind(Slice name, bool is_json)
{
	for (size_t i = 0; i < lengthof(kinds); i++)
		if (json_text_equals(name, is_json ? kinds[i].json : kinds[i].plain))
			return &kinds[i];
	return NULL;
}

static const Member *
find_member(const Member *members, Slice key, bool is_json)
{
	for (; members->json != NULL; members++)
		if (json_text_equals(key, is_json ? members->json : members->plain))
			return members;
	return NULL;
}

/* The name of an enum's value on the other side, or NULL. */
static const char *
enum_name(MemberType type, Slice name, bool is_json)
{
	for (size_t i = 0; i < lengthof(enum_names); i++)
		if (enum_names[i].type == type &&
			json_text_equals(name, is_json ? enum_names[i].json : enum_names[i].plain))
			return is_json ? enum_names[i].plain : enum_names[i].json;
	return NULL;
}

static bool
is_small_integer(Slice value)
{
	size_t		sign = json_text_type(value) == '-';

	if (value.length <= sign || value.length > sign + 9)
		return false;
	for (size_t i = sign; i < value.length; i++)
		if (value.data[i] < '0' || value.data[i] > '9')
			return false;
	return true;
}

static void
add_word(TextBuffer *to, const char *word)
{
	text_buffer_char(to, '"');
	text_buffer_text(to, word);
	text_buffer_char(to, '"');
}

/* ------------------------------------------------------------------------
 * From protobuf
 * ------------------------------------------------------------------------
 */

/*
 * Add the plain value of a member; false: the JSON is something else.  What
 * has no plain value is taken back, with its key.
 */
static bool
add_value(TextBuffer *plain, size_t before_key, MemberType type, Slice value,
		  PayloadStyle style, int depth)
{
	bool		is_null = false;
	bool		is_good = true;
	const char *name;

	switch (type)
	{
		case MEMBER_PAYLOAD:
			is_good = payload_json_to_plain(plain, value, style);
			break;
		case MEMBER_CANCEL_DETAILS:
			is_good = payloads_json_to_plain(plain, value, style == PAYLOADS_EXACT ? style : PAYLOADS_OF_CANCEL,
											 &is_null);
			break;
		case MEMBER_PAYLOADS:
			is_good = payloads_json_to_plain(plain, value, style, &is_null);
			break;
		case MEMBER_FAILURE:
			is_null = depth == FAILURE_DEPTH;
			if (!is_null)
				is_good = add_failure(plain, value, style, depth + 1);
			break;
		case MEMBER_TIMEOUT_TYPE:
		case MEMBER_CATEGORY:
			name = enum_name(type, value, true);
			if (name != NULL)
				add_word(plain, name);
			else if (is_small_integer(value))
				text_buffer_slice(plain, value);
			else
				is_null = true;
			break;
		default:
			text_buffer_slice(plain, value);
			break;
	}
	if (is_null)
		plain->length = before_key;
	return is_good;
}

static bool
add_member(TextBuffer *plain, const Member *member, Slice value, PayloadStyle style, int depth)
{
	size_t		before_key = plain->length;

	json_text_key(plain, member->plain);
	return add_value(plain, before_key, member->type, value, style, depth);
}

/* What protobuf has in a message of its own. */
static bool
add_kind(TextBuffer *plain, const Kind *kind, Slice info, PayloadStyle style)
{
	JsonReader	reader = json_text_open(info);
	Slice		key;
	Slice		value;

	json_text_key(plain, "kind");
	add_word(plain, kind->plain);
	while (json_text_type(info) == '{' && json_text_member(&reader, &key, &value))
	{
		const Member *member = find_member(kind->members, key, true);

		if (member != NULL && !json_text_is_null(value) &&
			!add_member(plain, member, value, style, 0))
			return false;
	}
	return true;
}

static bool
add_failure(TextBuffer *plain, Slice json, PayloadStyle style, int depth)
{
	JsonReader	reader = json_text_open(json);
	Slice		key;
	Slice		value;

	if (json_text_type(json) != '{')
		return false;
	text_buffer_char(plain, '{');
	while (json_text_member(&reader, &key, &value))
	{
		const Kind *kind = find_kind(key, true);
		const Member *member = find_member(general_members, key, true);

		if (json_text_is_null(value))
			continue;
		if (kind != NULL)
		{
			if (!add_kind(plain, kind, value, style))
				return false;
		}
		else if (member != NULL)
		{
			if (!add_member(plain, member, value, style, depth))
				return false;
		}
		else
		{
			json_text_key(plain, "info");
			text_buffer_char(plain, '{');
			text_buffer_slice(plain, key);
			text_buffer_char(plain, ':');
			text_buffer_slice(plain, value);
			text_buffer_char(plain, '}');
		}
	}
	text_buffer_char(plain, '}');
	return true;
}

/*
 * failure_to_plain: add what SQL sees of a Failure, whose JSON json_check()
 * has found nothing wrong with.  false: it is something else, and what was
 * added means nothing.
 */
bool
failure_to_plain(TextBuffer *plain, Slice json, PayloadStyle style)
{
	return add_failure(plain, json_text_trim(json), style, 1);
}

/* ------------------------------------------------------------------------
 * To protobuf
 * ------------------------------------------------------------------------
 */

/* Is the value such as the member has them?  SQL may have written anything. */
static bool
is_proper(MemberType type, Slice value)
{
	ProtoTime	duration;

	switch (type)
	{
		case MEMBER_BOOLEAN:
			return slice_equals(value, "true") || slice_equals(value, "false");
		case MEMBER_DURATION:
			return json_text_type(value) == '"' &&
				proto_duration_read((Slice) {value.data + 1, value.length - 2}, &duration);
		case MEMBER_TIMEOUT_TYPE:
		case MEMBER_CATEGORY:
			return is_small_integer(value) || enum_name(type, value, false) != NULL;
		case MEMBER_FAILURE:
			return json_text_type(value) == '{';
		default:
			return true;
	}
}

static void
write_value(TextBuffer *json, MemberType type, Slice value, bool with_info, int depth)
{
	ProtoTime	duration = {0, 0};

	switch (type)
	{
		case MEMBER_TEXT:
			if (json_text_type(value) == '"')
				text_buffer_slice(json, value);
			else
				json_text_encode(json, value);
			break;
		case MEMBER_DURATION:
			proto_duration_read((Slice) {value.data + 1, value.length - 2}, &duration);
			text_buffer_char(json, '"');
			proto_duration_write(json, duration);
			text_buffer_char(json, '"');
			break;
		case MEMBER_PAYLOAD:
			payload_json_from_plain(json, value);
			break;
		case MEMBER_PAYLOADS:
			payloads_json_from_plain(json, value, PAYLOADS_PLAIN);
			break;
		case MEMBER_CANCEL_DETAILS:
			payloads_json_from_plain(json, value, PAYLOADS_OF_CANCEL);
			break;
		case MEMBER_FAILURE:
			write_failure(json, value, with_info, depth + 1);
			break;
		default:
			if (json_text_type(value) == '"' && type != MEMBER_BOOLEAN)
				add_word(json, enum_name(type, value, false));
			else
				text_buffer_slice(json, value);
			break;
	}
}

/* The members of a failure that matter: those of the tables, and two more. */
static const char *const plain_names[] = {
	"kind", "info", "message", "source", "stack_trace", "encoded_attributes", "cause", "type",
	"non_retryable", "details", "next_retry_delay", "category", "timeout_type",
	"last_heartbeat_details", "identity",
};

/* A failure that was read, once: causes make it long. */
typedef struct Found
{
	Slice		values[lengthof(plain_names)];	/* empty: it is not there */
} Found;

static void
find_members(Found *found, Slice plain)
{
	JsonReader	reader = json_text_open(plain);
	Slice		key;
	Slice		value;

	*found = (Found) {0};
	while (json_text_member(&reader, &key, &value))
		for (size_t i = 0; i < lengthof(plain_names); i++)
			if (json_text_equals(key, plain_names[i]))
				found->values[i] = value;
}

static Slice
found_value(const Found *found, const char *name)
{
	for (size_t i = 0; i < lengthof(plain_names); i++)
		if (strcmp(plain_names[i], name) == 0)
			return found->values[i];
	return (Slice) {NULL, 0};
}

/* Those members that are in the list. */
static void
write_members(TextBuffer *json, const Member *members, const Found *found, bool with_info, int depth)
{
	for (const Member *member = members; member->json != NULL; member++)
	{
		Slice		value = found_value(found, member->plain);
		bool		may_be_null = member->type == MEMBER_PAYLOADS ||
			member->type == MEMBER_CANCEL_DETAILS || member->type == MEMBER_PAYLOAD;

		if (value.length == 0 || !is_proper(member->type, value) ||
			(json_text_is_null(value) && !may_be_null) ||
			(member->type == MEMBER_FAILURE && depth == FAILURE_DEPTH))
			continue;
		json_text_key(json, member->json);
		write_value(json, member->type, value, with_info, depth);
	}
}

/* What kind of failure is it?  NULL: one that SQL does not have. */
static const Kind *
judge_kind(const Found *found)
{
	const Kind *kind = find_kind(found_value(found, "kind"), false);

	if (kind != NULL || json_text_type(found_value(found, "info")) == '{')
		return kind;
	for (const Member *member = kinds[0].members; member->json != NULL; member++)
		if (found_value(found, member->plain).length > 0)
			return &kinds[0];
	return NULL;
}

static void
write_failure(TextBuffer *json, Slice plain, bool with_info, int depth)
{
	Found		found;
	Slice		info;
	const Kind *kind;

	text_buffer_char(json, '{');
	if (json_text_type(plain) == '{')
	{
		find_members(&found, plain);
		kind = judge_kind(&found);
		info = found_value(&found, "info");
		write_members(json, general_members, &found, with_info, depth);
		if (kind != NULL)
		{
			json_text_key(json, kind->json);
			text_buffer_char(json, '{');
			write_members(json, kind->members, &found, with_info, depth);
			text_buffer_char(json, '}');
		}
		else if (with_info && json_text_type(info) == '{' && info.length > 2)
		{
			if (json->data[json->length - 1] != '{')
				text_buffer_char(json, ',');
			text_buffer_add(json, info.data + 1, info.length - 2);
		}
	}
	text_buffer_char(json, '}');
}

/*
 * failure_from_plain: add the JSON of the Failure that an object stands for.
 * Members that nobody knows are left out; so is, unless with_info, what is
 * kept of kinds that SQL does not have, which only its reader can judge.
 */
void
failure_from_plain(TextBuffer *json, Slice plain, bool with_info)
{
	write_failure(json, json_text_trim(plain), with_info, 1);
}

/* ------------------------------------------------------------------------
 * Checking the plain form
 * ------------------------------------------------------------------------
 */

static const Member *
find_plain_member(Slice key)
{
	const Member *member = find_member(general_members, key, false);

	for (size_t i = 0; member == NULL && i < lengthof(kinds); i++)
		member = find_member(kinds[i].members, key, false);
	return member;
}

/* What a member has to be, for people; NULL: anything. */
static const char *
expected_of(MemberType type)
{
	switch (type)
	{
		case MEMBER_TEXT:
			return "expected a string";
		case MEMBER_BOOLEAN:
			return "expected true or false";
		case MEMBER_DURATION:
			return "expected a duration such as \"1.5s\"";
		case MEMBER_TIMEOUT_TYPE:
			return "expected start_to_close, schedule_to_start, schedule_to_close or heartbeat";
		case MEMBER_CATEGORY:
			return "expected benign";
		case MEMBER_FAILURE:
			return "expected an object";
		default:
			return NULL;
	}
}

/* What is wrong with a member; NULL: nothing. */
static const char *
member_problem(Slice key, Slice value)
{
	const Member *member = find_plain_member(key);

	if (json_text_is_null(value) || json_text_equals(key, "truncated"))
		return NULL;
	if (json_text_equals(key, "kind"))
		return find_kind(value, false) == NULL ?
			"expected application, timeout, canceled, terminated or server" : NULL;
	if (json_text_equals(key, "info"))
		return json_text_type(value) != '{' ? "expected an object" : NULL;
	if (member == NULL)
		return "unknown key";
	return (member->type == MEMBER_TEXT ? json_text_type(value) == '"' : is_proper(member->type, value)) ?
		NULL : expected_of(member->type);
}

static bool
add_fault(TextBuffer *fault, Slice plain, int depth)
{
	size_t		before = fault->length;
	JsonReader	reader = json_text_open(plain);
	Slice		key;
	Slice		value;

	while (json_text_member(&reader, &key, &value))
	{
		const char *problem = member_problem(key, value);
		Slice		shown = {key.data + 1, key.length - 2};

		text_buffer_char(fault, '.');
		text_buffer_slice(fault, (Slice) {shown.data, slice_clip(shown, MOST_SHOWN)});
		if (problem != NULL)
		{
			text_buffer_text(fault, ": ");
			text_buffer_text(fault, problem);
			return true;
		}
		if (json_text_equals(key, "cause") && json_text_type(value) == '{' &&
			depth < FAILURE_DEPTH && add_fault(fault, value, depth + 1))
			return true;
		fault->length = before;
	}
	return false;
}

/*
 * failure_plain_fault: has an object that is to be the plain form of a failure a member
 * that there is not, or one that is not of its type?  If so, it is added where, and what
 * should have been there: ".cause.type: expected a string".
 */
bool
failure_plain_fault(TextBuffer *fault, Slice plain)
{
	return add_fault(fault, json_text_trim(plain), 1);
}
