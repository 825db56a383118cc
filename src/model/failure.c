/*
 * failure.c
 *		Failures as jsonb: building, limiting, judging.
 *
 * A failure is an object with a "kind" and what that kind carries; keys that
 * have no value are absent.  The texts are part of the contract.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"

#include "base/json.h"
#include "base/texts.h"
#include "model/failure.h"
#include "model/proto_values.h"

static void
begin_failure(JsonBuilder *builder, const char *kind)
{
	json_begin(builder);
	json_add_text(builder, "kind", kind);
}

/*
 * failure_application: what a worker reports; any argument may be NULL.
 */
Jsonb *
failure_application(const char *message, const char *type, Jsonb *details,
					bool non_retryable, const char *stack_trace, Jsonb *cause)
{
	JsonBuilder builder;

	begin_failure(&builder, "application");
	json_add_text(&builder, "message", message);
	json_add_text(&builder, "type", type);
	json_add_true(&builder, "non_retryable", non_retryable);
	json_add(&builder, "details", details);
	json_add_text(&builder, "stack_trace", stack_trace);
	json_add(&builder, "cause", cause);
	return json_end(&builder);
}

/* failure_absent: stands for a failure that the worker did not describe. */
Jsonb *
failure_absent(void)
{
	return failure_application("activity task failed without failure details",
							   NULL, NULL, false, NULL, NULL);
}

/*
 * failure_timeout: a timer fired.  "message" NULL = the usual one.
 */
Jsonb *
failure_timeout(TimeoutType type, const char *message, Jsonb *cause)
{
	JsonBuilder builder;

	Assert(type > TIMEOUT_NONE && type <= TIMEOUT_LAST);
	if (message == NULL)
		message = psprintf("activity %s timeout", timeout_camel_name(type));
	begin_failure(&builder, "timeout");
	json_add_text(&builder, "message", message);
	json_add_text(&builder, "timeout_type", timeout_type_name(type));
	json_add(&builder, "cause", cause);
	return json_end(&builder);
}

/* failure_canceled: a cancellation was carried out; "identity" asked for it. */
Jsonb *
failure_canceled(Jsonb *details, const char *identity)
{
	JsonBuilder builder;

	begin_failure(&builder, "canceled");
	json_add_text(&builder, "message", "Activity canceled");
	json_add(&builder, "details", details);
	json_add_text(&builder, "identity", identity);
	return json_end(&builder);
}

/* failure_terminated: likewise, by force. */
Jsonb *
failure_terminated(const char *reason, const char *identity)
{
	JsonBuilder builder;

	begin_failure(&builder, "terminated");
	json_add_text(&builder, "message", reason ? reason : "terminated");
	json_add_text(&builder, "identity", identity);
	return json_end(&builder);
}

/* failure_server: what taskq itself has to say about an attempt. */
Jsonb *
failure_server(const char *message, bool non_retryable, Jsonb *cause)
{
	JsonBuilder builder;

	begin_failure(&builder, "server");
	json_add_text(&builder, "message", message);
	json_add_true(&builder, "non_retryable", non_retryable);
	json_add(&builder, "cause", cause);
	return json_end(&builder);
}

/*
 * failure_with_heartbeat: a timeout failure that tells the last checkpoint.
 */
Jsonb *
failure_with_heartbeat(Jsonb *failure, Jsonb *details)
{
	JsonBuilder builder;

	if (details == NULL)
		return failure;
	json_begin(&builder);
	json_add_members(&builder, failure, NULL);
	json_add(&builder, "last_heartbeat_details", details);
	return json_end(&builder);
}

/* ------------------------------------------------------------------------
 * Cutting
 * ------------------------------------------------------------------------
 */

#define FRAME_TEXT		64		/* bytes of what names a kind */
#define DEEPEST_CAUSE	16		/* causes below are never kept */

/* What is left of a failure and its causes; texts in bytes. */
typedef struct Cut
{
	Size		top_message;
	Size		top_type;
	Size		top_stack;
	Size		text;			/* message and type of a cause */
	Size		stack;			/* its stack trace */
	Size		rest;			/* details, and all else; 0 = none of it */
	int			causes;
} Cut;

/* a text without what is beyond "limit", on a character boundary */
static void
add_cut(JsonBuilder *builder, const char *key, const JsonbValue *value,
		Size limit)
{
	char	   *text = pnstrdup(value->val.string.val, value->val.string.len);

	if (strlen(text) > limit)
		text[pg_mbcliplen(text, strlen(text), limit)] = '\0';
	json_add_text(builder, key, text);
}

static Size
value_size(const JsonbValue *value)
{
	switch (value->type)
	{
		case jbvString:
			return value->val.string.len;
		case jbvNumeric:
			return VARSIZE(value->val.numeric);
		case jbvBinary:
			return value->val.binary.len;
		default:
			return 0;
	}
}

/* how much of a text member is kept; -1 when it is not one of those we know */
static int64
text_limit(const Cut *cut, int depth, const char *key)
{
	if (strcmp(key, "message") == 0)
		return depth == 0 ? cut->top_message : cut->text;
	if (strcmp(key, "type") == 0)
		return depth == 0 ? cut->top_type : cut->text;
	if (strcmp(key, "stack_trace") == 0)
		return depth == 0 ? cut->top_stack : cut->stack;
	if (strcmp(key, "kind") == 0 || strcmp(key, "timeout_type") == 0)
		return FRAME_TEXT;
	return -1;
}

static Jsonb *cut_failure(JsonbContainer *failure, const Cut *cut, int depth);

static void
cut_member(JsonBuilder *builder, const char *key, JsonbValue *value,
		   const Cut *cut, int depth)
{
	int64		limit = text_limit(cut, depth, key);

	if (value->type == jbvString && limit > 0)
		add_cut(builder, key, value, limit);
	else if (limit >= 0)
		return;
	else if (strcmp(key, "cause") == 0 && value->type == jbvBinary &&
			 JsonContainerIsObject(value->val.binary.data))
	{
		if (depth < cut->causes)
			json_add(builder, key,
					 cut_failure(value->val.binary.data, cut, depth + 1));
	}
	else if (value->type == jbvBool || value_size(value) < cut->rest)
		json_add_value(builder, key, value);
}

/* a failure, or a cause at that depth, without what is cut */
static Jsonb *
cut_failure(JsonbContainer *failure, const Cut *cut, int depth)
{
	JsonbIterator *it = JsonbIteratorInit(failure);
	JsonbValue	item;
	JsonbIteratorToken token;
	JsonBuilder builder;
	char	   *key = NULL;

	json_begin(&builder);
	while ((token = JsonbIteratorNext(&it, &item, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			key = pnstrdup(item.val.string.val, item.val.string.len);
		else if (token == WJB_VALUE)
			cut_member(&builder, key, &item, cut, depth);
	}
	json_add_true(&builder, "truncated", depth == 0);
	return json_end(&builder);
}

/*
 * failure_truncated: the failure itself when it is not larger than "limit"
 * bytes, else what fits of it, marked as cut: the first of these that does.
 * Stack traces and details go before what causes say, that before causes, and
 * the message last; where even that is too long, some of all is kept.
 */
Jsonb *
failure_truncated(Jsonb *failure, Size limit)
{
	const Cut	cuts[] = {
		{limit, limit, limit / 8, limit, limit / 8, limit, DEEPEST_CAUSE},
		{limit, limit, limit / 8, limit, limit / 8, 0, DEEPEST_CAUSE},
		{limit, limit, limit / 8, limit, 0, 0, DEEPEST_CAUSE},
		{limit, limit / 8, limit / 8, limit / 32, 0, 0, DEEPEST_CAUSE},
		{limit, limit / 8, limit / 8, limit / 16, 0, 0, 2},
		{limit, limit / 8, 0, 0, 0, 0, 0},
		{limit / 2, limit / 8, limit / 8, limit / 16, 0, 0, 1},
		{limit / 2, limit / 8, limit / 8, 0, 0, 0, 0},
	};
	Jsonb	   *left = failure;

	if (failure == NULL)
		return NULL;
	for (int i = 0; i < (int) lengthof(cuts) && VARSIZE(left) > limit; i++)
		left = cut_failure(&failure->root, &cuts[i], 0);
	return left;
}

/*
 * failure_oversized: stands for a reported failure that is larger than "limit"
 * bytes, which is its cause, cut to fit.
 */
Jsonb *
failure_oversized(Jsonb *failure, Size limit)
{
	return failure_server("Failure exceeds size limit.", true,
						  failure_truncated(failure, limit / 4 * 3));
}

/* ------------------------------------------------------------------------
 * What Temporal's server keeps between attempts
 * ------------------------------------------------------------------------
 */

#define MOST_KEPT		4096	/* bytes on the wire */
#define SURELY_KEPT		1024	/* what is no larger here is not there */
#define TEXT_FRAME		4		/* what a text counts beside its bytes */
#define DEEPEST_KEPT	20

/* about how many bytes a failure of the protocol has on the wire */
static Size
wire_size(Jsonb *exact)
{
	JsonbIterator *it = JsonbIteratorInit(&exact->root);
	JsonbIteratorToken token;
	JsonbValue	item;
	bool		is_base64 = false;
	bool		in_metadata = false;
	Size		size = 0;

	while ((token = JsonbIteratorNext(&it, &item, false)) != WJB_DONE)
	{
		if (token == WJB_KEY)
		{
			if (in_metadata)
				size += item.val.string.len + 4;
			else
				in_metadata = is_base64 = item.val.string.len == strlen("metadata") &&
					strncmp(item.val.string.val, "metadata", strlen("metadata")) == 0;
			if (item.val.string.len == strlen("data") &&
				strncmp(item.val.string.val, "data", strlen("data")) == 0)
				is_base64 = true;
		}
		else if (token == WJB_BEGIN_OBJECT)
			size += 2;
		else if (token == WJB_END_OBJECT)
			in_metadata = is_base64 = false;
		else if (token == WJB_VALUE || token == WJB_ELEM)
			size += 2 + (item.type != jbvString ? 0 : is_base64 ?
						 item.val.string.len / 4 * 3 : item.val.string.len);
	}
	return size;
}

/* as much of a text as is left room for */
static void
keep_text(JsonBuilder *builder, const char *key, Jsonb *failure, int64 *room)
{
	char	   *text = json_get_text(failure, key);
	int			length;

	if (text == NULL || *room <= 0)
		return;
	length = strlen(text);
	if (length > *room)
		length = pg_mbcliplen(text, length, *room);
	if (length == 0)
		return;
	text[length] = '\0';
	json_add_text(builder, key, text);
	*room -= length + TEXT_FRAME;
}

/* The first ones get what there is; details are not among them. */
static Jsonb *
keep_room(Jsonb *failure, int64 room, int depth)
{
	Jsonb	   *cause = json_get_object(failure, "cause");
	const char *kind = json_get_text(failure, "kind");
	JsonBuilder builder;

	if (kind == NULL && (json_get(failure, "type") != NULL || json_get(failure, "non_retryable") != NULL))
		kind = "application";
	json_begin(&builder);
	if (kind != NULL && (strcmp(kind, "application") == 0 || strcmp(kind, "server") == 0))
	{
		json_add_text(&builder, "kind", kind);
		json_add_true(&builder, "non_retryable", json_get_bool(failure, "non_retryable"));
		if (strcmp(kind, "application") == 0)
		{
			keep_text(&builder, "type", failure, &room);
			room -= 4;
		}
		room -= 4;
	}
	keep_text(&builder, "source", failure, &room);
	keep_text(&builder, "message", failure, &room);
	keep_text(&builder, "stack_trace", failure, &room);
	if (cause != NULL && room > 4 && depth < DEEPEST_KEPT)
		json_add(&builder, "cause", keep_room(cause, room - 4, depth + 1));
	return json_end(&builder);
}

/*
 * failure_kept: the failure itself, or if that is too large what a run is told of it that
 * retries an activity after it, as Temporal's server does.  Where it is large for what the
 * protocol has no place for, that is left out.
 */
Jsonb *
failure_kept(Jsonb *failure)
{
	Jsonb	   *exact;

	if (failure == NULL || VARSIZE(failure) <= SURELY_KEPT)
		return failure;
	exact = failure_exact(failure);
	if (wire_size(exact) > MOST_KEPT)
		return failure_server("Failure exceeds size limit.", false,
							  keep_room(failure, MOST_KEPT, 0));
	return VARSIZE(failure) <= MOST_KEPT ? failure : failure_plain(exact);
}

/* ------------------------------------------------------------------------
 * Judging
 * ------------------------------------------------------------------------
 */

/* after the others there is nothing left to try */
static const TimeoutType retried_timeouts[] = {TIMEOUT_START_TO_CLOSE, TIMEOUT_HEARTBEAT};

static bool
policy_lists(const RetryPolicy *policy, const char *type)
{
	Datum	   *elements;
	bool	   *nulls;
	int			n;
	size_t		length;

	if (policy->non_retryable == NULL || type == NULL)
		return false;
	length = strlen(type);
	deconstruct_array(policy->non_retryable, TEXTOID, -1, false, TYPALIGN_INT,
					  &elements, &nulls, &n);
	for (int i = 0; i < n; i++)
		if (text_is(DatumGetTextPP(elements[i]), type, length))
			return true;
	return false;
}

/* failure_timeout_retryable: by the policy's list. */
bool
failure_timeout_retryable(TimeoutType type, const RetryPolicy *policy)
{
	return !policy_lists(policy, psprintf(TIMEOUT_TYPE_PREFIX "%s",
										  timeout_camel_name(type)));
}

/* of a failure that is a timeout: one that started again might end otherwise */
static bool
timeout_retryable(Jsonb *failure, const RetryPolicy *policy)
{
	char	   *name = json_get_text(failure, "timeout_type");

	for (int i = 0; name != NULL && i < (int) lengthof(retried_timeouts); i++)
		if (strcmp(name, timeout_type_name(retried_timeouts[i])) == 0)
			return failure_timeout_retryable(retried_timeouts[i], policy);
	return false;
}

/*
 * failure_retryable: by what it is, by its own flag and by the policy's list.  Only
 * the outermost failure counts.  NULL (nothing reported) is retryable.
 */
bool
failure_retryable(Jsonb *failure, const RetryPolicy *policy)
{
	char	   *kind = failure == NULL ? NULL : json_get_text(failure, "kind");

	if (failure == NULL)
		return true;
	if (kind != NULL && (strcmp(kind, "canceled") == 0 || strcmp(kind, "terminated") == 0))
		return false;
	if (kind != NULL && strcmp(kind, "timeout") == 0)
		return timeout_retryable(failure, policy);
	if (json_get_bool(failure, "non_retryable"))
		return false;
	return !policy_lists(policy, json_get_text(failure, "type"));
}
