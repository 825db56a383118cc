/*
 * option_messages.c
 *		Options of activities between messages and the jsonb that SQL knows.
 *
 * The paths of a mask are those of the messages' fields; the keys of SQL are
 * the same but for the queue and what belongs to the priority.
 */
#include "gateway/option_messages.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json_text.h"
#include "gateway/answers.h"
#include "gateway/memory.h"
#include "gateway/proto/activity.pb-c.h"
#include "gateway/texts.h"
#include "gateway/times.h"
#include "google/protobuf/field_mask.pb-c.h"

/* ------------------------------------------------------------------------
 * Messages to jsonb
 * ------------------------------------------------------------------------
 */

/* Add a member; the object has been begun. false: it is no duration. */
static bool
add_duration(TextBuffer *to, const char *key, const Google__Protobuf__Duration *duration)
{
	char		room[DURATION_TEXT];
	const char *text;

	if (!duration_to_sql(duration, room, &text))
		return false;
	json_text_key(to, key);
	if (text != NULL)
		json_text_encode(to, slice_of(text));
	else
		text_buffer_text(to, "null");
	return true;
}

/* A text, null if it is not set. */
static void
add_text(TextBuffer *to, const char *key, const char *text)
{
	json_text_key(to, key);
	if (*text != '\0')
		json_text_encode(to, slice_of(text));
	else
		text_buffer_text(to, "null");
}

/* A number, null if it is zero. false: it is none that JSON has. */
static bool
add_number(TextBuffer *to, const char *key, double number)
{
	char		room[40];

	json_text_key(to, key);
	snprintf(room, sizeof(room), "%.17g", number);
	text_buffer_text(to, number != 0 ? room : "null");
	return isfinite(number);
}

static void
add_error_types(TextBuffer *to, const Temporal__RetryPolicy *policy)
{
	json_text_key(to, "non_retryable_error_types");
	text_buffer_char(to, '[');
	for (size_t i = 0; i < policy->n_non_retryable_error_types; i++)
	{
		if (i > 0)
			text_buffer_char(to, ',');
		json_text_encode(to, slice_of(policy->non_retryable_error_types[i]));
	}
	text_buffer_char(to, ']');
}

/*
 * The jsonb of a policy, malloced, without what is zero; NULL of NULL. Returns
 * what is wrong with it, or NULL.
 */
const char *
retry_policy_to_text(const Temporal__RetryPolicy *policy, char **text)
{
	TextBuffer	to;
	bool		is_good = true;

	*text = NULL;
	if (policy == NULL)
		return NULL;
	if (!isfinite(policy->backoff_coefficient))
		return "invalid RetryPolicy: BackoffCoefficient must be a number";
	to = text_begin();
	text_buffer_char(&to, '{');
	if (policy->initial_interval != NULL)
		is_good = add_duration(&to, "initial_interval", policy->initial_interval) && is_good;
	if (policy->backoff_coefficient != 0)
		add_number(&to, "backoff_coefficient", policy->backoff_coefficient);
	if (policy->maximum_interval != NULL)
		is_good = add_duration(&to, "maximum_interval", policy->maximum_interval) && is_good;
	if (policy->maximum_attempts != 0)
		add_number(&to, "maximum_attempts", policy->maximum_attempts);
	if (policy->n_non_retryable_error_types > 0)
		add_error_types(&to, policy);
	text_buffer_char(&to, '}');
	*text = text_end(&to);
	if (is_good)
		return NULL;
	free(*text);
	*text = NULL;
	return "invalid RetryPolicy: an interval is out of range";
}

/* What a mask has asked for. */
typedef struct Change
{
	const Temporal__ActivityOptions *options;
	Temporal__RetryPolicy *policy;
	Temporal__Priority *priority;
	TextBuffer	to;				/* the object */
	TextBuffer	policy_to;		/* that of the retry policy, if it is changed */
} Change;

/* Does the path ask for the field, or for all that it is a part of? */
static bool
asks_for(const char *path, const char *whole, const char *part)
{
	size_t		length = strlen(whole);

	return strcmp(path, whole) == 0 ||
		(strncmp(path, whole, length) == 0 && path[length] == '.' && strcmp(path + length + 1, part) == 0);
}

/* false: the path is about something else. is_good: no number is none. */
static bool
change_priority(Change *change, const char *path, bool *is_good)
{
	bool		is_any = false;

	if (asks_for(path, "priority", "priority_key"))
	{
		add_number(&change->to, "priority", change->priority->priority_key);
		is_any = true;
	}
	if (asks_for(path, "priority", "fairness_key"))
	{
		add_text(&change->to, "fairness_key", change->priority->fairness_key);
		is_any = true;
	}
	if (asks_for(path, "priority", "fairness_weight"))
	{
		*is_good = add_number(&change->to, "fairness_weight", change->priority->fairness_weight);
		is_any = true;
	}
	return is_any;
}

/* false: the path is about something else. is_good: no duration or number is none. */
static bool
change_policy(Change *change, const char *path, bool *is_good)
{
	size_t		before;

	if (change->policy_to.length == 0)
		text_buffer_char(&change->policy_to, '{');
	before = change->policy_to.length;
	if (asks_for(path, "retry_policy", "initial_interval"))
		*is_good = *is_good && add_duration(&change->policy_to, "initial_interval",
											change->policy->initial_interval);
	if (asks_for(path, "retry_policy", "backoff_coefficient"))
		*is_good = add_number(&change->policy_to, "backoff_coefficient", change->policy->backoff_coefficient) && *is_good;
	if (asks_for(path, "retry_policy", "maximum_interval"))
		*is_good = *is_good && add_duration(&change->policy_to, "maximum_interval",
											change->policy->maximum_interval);
	if (asks_for(path, "retry_policy", "maximum_attempts"))
		add_number(&change->policy_to, "maximum_attempts", change->policy->maximum_attempts);
	if (strcmp(path, "retry_policy") == 0)
		add_error_types(&change->policy_to, change->policy);
	return change->policy_to.length > before || !*is_good;
}

/* false: the path is about something else. is_good: no duration is none. */
static bool
change_duration(Change *change, const char *path, bool *is_good)
{
	const Temporal__ActivityOptions *options = change->options;
	const struct
	{
		const char *path;
		const Google__Protobuf__Duration *value;
	}			durations[] = {
		{"schedule_to_close_timeout", options->schedule_to_close_timeout},
		{"schedule_to_start_timeout", options->schedule_to_start_timeout},
		{"start_to_close_timeout", options->start_to_close_timeout},
		{"heartbeat_timeout", options->heartbeat_timeout},
		{"start_delay", options->start_delay},
	};

	for (size_t i = 0; i < sizeof(durations) / sizeof(durations[0]); i++)
	{
		if (strcmp(path, durations[i].path) == 0)
		{
			*is_good = *is_good && add_duration(&change->to, path, durations[i].value);
			return true;
		}
	}
	return false;
}

static bool
change_queue(Change *change, const char *path)
{
	const Temporal__TaskQueue *queue = change->options->task_queue;

	if (!asks_for(path, "task_queue", "name"))
		return false;
	add_text(&change->to, "task_queue", queue != NULL ? queue->name : "");
	return true;
}

/* What is wrong with the path, malloced, or NULL. */
static char *
change_path(Change *change, const char *path)
{
	bool		is_good = true;
	bool		is_known = change_queue(change, path) || change_priority(change, path, &is_good) ||
		change_duration(change, path, &is_good) || change_policy(change, path, &is_good);
	Buffer		problem = {0};

	if (!is_known)
		buffer_format(&problem, "unsupported update_mask path: \"%s\"", path);
	else if (!is_good)
		buffer_format(&problem, "invalid value of %s", path);
	return problem.data;
}

/*
 * What taskq.update_options() is to change, malloced. NULL: that can't be done, and
 * *problem, malloced, says why.
 */
char *
options_to_text(const Temporal__ActivityOptions *options, const Google__Protobuf__FieldMask *mask,
				char **problem)
{
	Temporal__RetryPolicy no_policy = TEMPORAL__RETRY_POLICY__INIT;
	Temporal__Priority no_priority = TEMPORAL__PRIORITY__INIT;
	Change		change = {
		.options = options,
		.policy = options->retry_policy != NULL ? options->retry_policy : &no_policy,
		.priority = options->priority != NULL ? options->priority : &no_priority,
		.to = text_begin(),
		.policy_to = text_begin(),
	};

	*problem = NULL;
	text_buffer_char(&change.to, '{');
	for (size_t i = 0; i < mask->n_paths && *problem == NULL; i++)
		*problem = change_path(&change, mask->paths[i]);
	if (change.policy_to.length > 1)
	{
		json_text_key(&change.to, "retry_policy");
		text_buffer_add(&change.to, change.policy_to.data, change.policy_to.length);
		text_buffer_char(&change.to, '}');
	}
	text_buffer_char(&change.to, '}');
	text_buffer_free(&change.policy_to);
	if (*problem == NULL)
		return text_end(&change.to);
	text_buffer_free(&change.to);
	return NULL;
}

/* ------------------------------------------------------------------------
 * jsonb to messages
 * ------------------------------------------------------------------------
 */

/* What a value means, malloced; NULL of null. */
static char *
value_text(Slice value)
{
	if (json_text_is_null(value))
		return NULL;
	return json_text_type(value) == '"' ? text_decode(value) : text_copy(value);
}

static Google__Protobuf__Duration *
value_duration(Slice value)
{
	char	   *text = value_text(value);
	Google__Protobuf__Duration *duration = duration_from_text(text);

	free(text);
	return duration;
}

static double
value_number(Slice value)
{
	char	   *text = value_text(value);
	double		number = text != NULL ? strtod(text, NULL) : 0;

	free(text);
	return number;
}

static void
read_error_types(Temporal__RetryPolicy *policy, Slice value)
{
	JsonReader	reader = json_text_open(value);
	Slice		element;

	if (json_text_type(value) != '[')
		return;
	while (json_text_element(&reader, &element))
	{
		size_t		count = policy->n_non_retryable_error_types + 1;

		policy->non_retryable_error_types =
			memory_resize(policy->non_retryable_error_types, count * sizeof(char *));
		policy->non_retryable_error_types[count - 1] = value_text(element);
		policy->n_non_retryable_error_types = count;
	}
}

static Temporal__RetryPolicy *
read_policy(Slice object)
{
	Temporal__RetryPolicy *policy;
	JsonReader	reader = json_text_open(object);
	Slice		key;
	Slice		value;

	if (json_text_type(object) != '{')
		return NULL;
	policy = message_new(&temporal__retry_policy__descriptor);
	while (json_text_member(&reader, &key, &value))
	{
		if (json_text_equals(key, "initial_interval"))
			policy->initial_interval = value_duration(value);
		else if (json_text_equals(key, "backoff_coefficient"))
			policy->backoff_coefficient = value_number(value);
		else if (json_text_equals(key, "maximum_interval"))
			policy->maximum_interval = value_duration(value);
		else if (json_text_equals(key, "maximum_attempts"))
			policy->maximum_attempts = (int32_t) value_number(value);
		else if (json_text_equals(key, "non_retryable_error_types"))
			read_error_types(policy, value);
	}
	return policy;
}

/*
 * The policy that a jsonb is; NULL of NULL.
 */
Temporal__RetryPolicy *
retry_policy_from_text(const char *text)
{
	return text != NULL ? read_policy(slice_of(text)) : NULL;
}

/* The option that a member is. */
static void
read_option(Temporal__ActivityOptions *options, Slice key, Slice value)
{
	if (json_text_equals(key, "task_queue") && json_text_type(value) == '"')
	{
		options->task_queue = message_new(&temporal__task_queue__descriptor);
		options->task_queue->name = value_text(value);
		options->task_queue->kind = TEMPORAL__TASK_QUEUE_KIND__TASK_QUEUE_KIND_NORMAL;
	}
	else if (json_text_equals(key, "schedule_to_close_timeout"))
		options->schedule_to_close_timeout = value_duration(value);
	else if (json_text_equals(key, "schedule_to_start_timeout"))
		options->schedule_to_start_timeout = value_duration(value);
	else if (json_text_equals(key, "start_to_close_timeout"))
		options->start_to_close_timeout = value_duration(value);
	else if (json_text_equals(key, "heartbeat_timeout"))
		options->heartbeat_timeout = value_duration(value);
	else if (json_text_equals(key, "start_delay"))
		options->start_delay = value_duration(value);
	else if (json_text_equals(key, "retry_policy"))
		options->retry_policy = read_policy(value);
	else if (json_text_equals(key, "priority"))
		options->priority->priority_key = (int32_t) value_number(value);
	else if (json_text_equals(key, "fairness_key") && json_text_type(value) == '"')
		options->priority->fairness_key = value_text(value);
	else if (json_text_equals(key, "fairness_weight"))
		options->priority->fairness_weight = (float) value_number(value);
}

/*
 * The options that taskq.update_options() has returned.
 */
Temporal__ActivityOptions *
options_from_text(const char *text)
{
	Temporal__ActivityOptions *options = message_new(&temporal__activity_options__descriptor);
	JsonReader	reader = json_text_open(slice_of(text));
	Slice		key;
	Slice		value;

	options->priority = message_new(&temporal__priority__descriptor);
	while (json_text_member(&reader, &key, &value))
		read_option(options, key, value);
	return options;
}
