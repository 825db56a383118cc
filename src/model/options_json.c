/*
 * options_json.c
 *		The options of an activity as jsonb: what update_options reads and
 *		returns, and how the original options are kept.
 *
 * The keys are the argument names of schedule.  Durations are strings; a key
 * that is absent leaves the option alone, a JSON null unsets it.
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "base/json.h"
#include "model/duration.h"
#include "model/option_values.h"
#include "model/options.h"
#include "model/options_json.h"
#include "model/retry_policy_json.h"

/* ------------------------------------------------------------------------
 * Writing
 * ------------------------------------------------------------------------
 */

static void
add_duration(JsonBuilder *builder, const char *key, int64 duration)
{
	if (duration == 0)
		json_add_null(builder, key);
	else
		json_add_text(builder, key, duration_to_text(duration));
}

/*
 * options_to_jsonb: the effective options, those of the task among them,
 * under the keys that options_merge() reads.
 */
Jsonb *
options_to_jsonb(const Options *options, const Task *task)
{
	JsonBuilder builder;

	json_begin(&builder);
	json_add_text(&builder, "task_queue", text_to_cstring(task->queue));
	add_duration(&builder, "schedule_to_close_timeout",
				 options->schedule_to_close);
	add_duration(&builder, "schedule_to_start_timeout",
				 options->schedule_to_start);
	add_duration(&builder, "start_to_close_timeout", options->start_to_close);
	add_duration(&builder, "heartbeat_timeout", options->heartbeat_timeout);
	add_duration(&builder, "start_delay", options->start_delay);
	if (options->has_priority)
		json_add_int64(&builder, "priority", options->priority);
	else
		json_add_null(&builder, "priority");
	if (task->fairness_key != NULL)
		json_add_text(&builder, "fairness_key",
					  text_to_cstring(task->fairness_key));
	else
		json_add_null(&builder, "fairness_key");
	if (task->fairness_weight != 0)
		json_add_float8(&builder, "fairness_weight", task->fairness_weight);
	else
		json_add_null(&builder, "fairness_weight");
	json_add(&builder, "retry_policy",
			 retry_policy_to_jsonb(&options->retry_policy));
	return json_end(&builder);
}

/* ------------------------------------------------------------------------
 * Reading
 * ------------------------------------------------------------------------
 */

/* an instant, as the start delay of what was scheduled then */
static int64
read_start_at(const char *key, const JsonbValue *value,
			  TimestampTz schedule_time)
{
	char	   *string = option_text(key, value);
	TimestampTz start_at;

	if (string == NULL)
		return 0;
	start_at = instant_from_text(string, key);
	check_start_at(start_at);
	return start_delay_until(start_at, schedule_time);
}

static void
merge_option(Options *options, Task *task, const char *key,
			 const JsonbValue *value, TimestampTz schedule_time)
{
	char	   *string;

	if (strcmp(key, "task_queue") == 0)
	{
		string = option_text(key, value);
		task->queue =
			check_queue_name(cstring_to_text(string ? string : ""));
	}
	else if (strcmp(key, "schedule_to_close_timeout") == 0)
		options->schedule_to_close = option_duration(key, value);
	else if (strcmp(key, "schedule_to_start_timeout") == 0)
		options->schedule_to_start = option_duration(key, value);
	else if (strcmp(key, "start_to_close_timeout") == 0)
		options->start_to_close = option_duration(key, value);
	else if (strcmp(key, "heartbeat_timeout") == 0)
		options->heartbeat_timeout = option_duration(key, value);
	else if (strcmp(key, "start_delay") == 0)
		options->start_delay = option_duration(key, value);
	else if (strcmp(key, "start_at") == 0)
		options->start_delay = read_start_at(key, value, schedule_time);
	else if (strcmp(key, "priority") == 0)
	{
		options->has_priority = value->type != jbvNull;
		options->priority = option_int32(key, value);
	}
	else if (strcmp(key, "fairness_key") == 0)
	{
		string = option_text(key, value);
		task->fairness_key = string && string[0] ?
			cstring_to_text(string) : NULL;
	}
	else if (strcmp(key, "fairness_weight") == 0)
		task->fairness_weight = option_float8(key, value);
	else if (strcmp(key, "retry_policy") == 0)
		retry_policy_merge(&options->retry_policy, value);
	else
		option_unsupported("", key,
						   "task_queue, schedule_to_close_timeout, schedule_to_start_timeout, start_to_close_timeout, heartbeat_timeout, priority, fairness_key, fairness_weight, start_delay, start_at and retry_policy");
}

/*
 * options_merge: apply the keys of a jsonb object to the options of an activity
 * that was scheduled then.  Each value is checked; the caller normalises the
 * timeouts afterwards.
 */
void
options_merge(Options *options, Task *task, Jsonb *changes,
			  TimestampTz schedule_time)
{
	JsonbIterator *it;
	JsonbValue	item;
	JsonbIteratorToken token;
	char	   *key = NULL;

	if (!JB_ROOT_IS_OBJECT(changes))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("options must be a JSON object")));
	if (json_get(changes, "start_at") != NULL &&
		json_get(changes, "start_delay") != NULL)
		raise_two_starts();
	it = JsonbIteratorInit(&changes->root);
	while ((token = JsonbIteratorNext(&it, &item, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			key = pnstrdup(item.val.string.val, item.val.string.len);
		else if (token == WJB_VALUE)
			merge_option(options, task, key, &item, schedule_time);
	}
	options_check_priority(options, task);
}

/*
 * options_restore: the options that options_to_jsonb() has saved.  Unlike in a
 * change, no limit of attempts means just that.
 */
void
options_restore(Options *options, Task *task, Jsonb *original)
{
	Jsonb	   *policy = json_get_object(original, "retry_policy");

	options_merge(options, task, original, DT_NOBEGIN);	/* no start_at there */
	options->retry_policy.maximum_attempts =
		json_get_int64(policy, "maximum_attempts", 0);
}
