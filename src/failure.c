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

#include "failure.h"
#include "json.h"

/* Names of the timeouts: in messages and error types, and in jsonb. */
static const struct
{
	const char *camel;
	const char *snake;
}			timeout_names[] =
{
	[TIMEOUT_NONE] = {"Unspecified", "unspecified"},
	[TIMEOUT_SCHEDULE_TO_START] = {"ScheduleToStart", "schedule_to_start"},
	[TIMEOUT_START_TO_CLOSE] = {"StartToClose", "start_to_close"},
	[TIMEOUT_SCHEDULE_TO_CLOSE] = {"ScheduleToClose", "schedule_to_close"},
	[TIMEOUT_HEARTBEAT] = {"Heartbeat", "heartbeat"},
};

/* timeout_type_name: as in taskq.timeout_type. */
const char *
timeout_type_name(TimeoutType type)
{
	return timeout_names[type].snake;
}

/*
 * failure_type_is_valid: may the text stand in non_retryable_error_types?
 * Anything may, but a timeout has to be one that exists.
 */
bool
failure_type_is_valid(const char *type)
{
	if (strncmp(type, TIMEOUT_TYPE_PREFIX, strlen(TIMEOUT_TYPE_PREFIX)) != 0)
		return true;
	type += strlen(TIMEOUT_TYPE_PREFIX);
	for (int i = TIMEOUT_SCHEDULE_TO_START; i <= TIMEOUT_HEARTBEAT; i++)
		if (strcmp(type, timeout_names[i].camel) == 0)
			return true;
	return false;
}

static void
begin(JsonBuilder *builder, const char *kind)
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

	begin(&builder, "application");
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

	if (message == NULL)
		message = psprintf("activity %s timeout", timeout_names[type].camel);
	begin(&builder, "timeout");
	json_add_text(&builder, "message", message);
	json_add_text(&builder, "timeout_type", timeout_names[type].snake);
	json_add(&builder, "cause", cause);
	return json_end(&builder);
}

Jsonb *
failure_canceled(Jsonb *details, const char *identity)
{
	JsonBuilder builder;

	begin(&builder, "canceled");
	json_add_text(&builder, "message", "Activity canceled");
	json_add(&builder, "details", details);
	json_add_text(&builder, "identity", identity);
	return json_end(&builder);
}

Jsonb *
failure_terminated(const char *reason, const char *identity)
{
	JsonBuilder builder;

	begin(&builder, "terminated");
	json_add_text(&builder, "message", reason ? reason : "terminated");
	json_add_text(&builder, "identity", identity);
	return json_end(&builder);
}

/* failure_server: what taskq itself has to say about an attempt. */
Jsonb *
failure_server(const char *message, bool non_retryable, Jsonb *cause)
{
	JsonBuilder builder;

	begin(&builder, "server");
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

/* a text member cut to "limit" bytes, on a character boundary */
static char *
cut_member(Jsonb *failure, const char *key, Size limit)
{
	char	   *text = json_get_text(failure, key);

	if (text != NULL && strlen(text) > limit)
		text[pg_mbcliplen(text, strlen(text), limit)] = '\0';
	return text;
}

/*
 * failure_truncated: the failure itself when it is not larger than "limit"
 * bytes, else a failure that says so, retryable or not, with what fits of it
 * as its cause.
 */
Jsonb *
failure_truncated(Jsonb *failure, Size limit, bool non_retryable)
{
	Size		share;
	JsonBuilder builder;
	char	   *kind;

	if (failure == NULL || VARSIZE(failure) <= limit)
		return failure;

	/* half for the message, a quarter for the stack, the rest is frame */
	share = limit / 4;
	kind = json_get_text(failure, "kind");
	begin(&builder, kind ? kind : "application");
	json_add_text(&builder, "message",
				  cut_member(failure, "message", 2 * share));
	json_add_text(&builder, "type", cut_member(failure, "type", share / 4));
	json_add_true(&builder, "non_retryable",
				  json_get_bool(failure, "non_retryable"));
	json_add_text(&builder, "stack_trace",
				  cut_member(failure, "stack_trace", share / 2));
	return failure_server("Failure exceeds size limit.", non_retryable,
						  json_end(&builder));
}

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
	{
		text	   *element = DatumGetTextPP(elements[i]);

		if (VARSIZE_ANY_EXHDR(element) == length &&
			memcmp(VARDATA_ANY(element), type, length) == 0)
			return true;
	}
	return false;
}

/*
 * failure_application_retryable: by its own flag and the policy's list.  Only
 * the outermost failure counts.  NULL (nothing reported) is retryable.
 */
bool
failure_application_retryable(Jsonb *failure, const RetryPolicy *policy)
{
	if (failure == NULL)
		return true;
	if (json_get_bool(failure, "non_retryable"))
		return false;
	return !policy_lists(policy, json_get_text(failure, "type"));
}

/* failure_timeout_retryable: by the policy's list. */
bool
failure_timeout_retryable(TimeoutType type, const RetryPolicy *policy)
{
	return !policy_lists(policy, psprintf(TIMEOUT_TYPE_PREFIX "%s",
										  timeout_names[type].camel));
}
