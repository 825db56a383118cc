/*
 * queue_settings.c
 *		The settings of a task queue, out of the jsonb in which they are stored.
 */
#include "postgres.h"

#include <math.h>

#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"

#include "base/shown.h"
#include "common/lengths.h"
#include "model/duration.h"
#include "model/queue_settings.h"

static void
invalid(const char *key, const char *wanted)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid value for queue setting \"%s\"", key),
			 errdetail("It must be %s or null.", wanted)));
}

static double
read_number(const char *key, const JsonbValue *value, const char *wanted)
{
	double		number;

	if (value->type == jbvNull)
		return -1;
	if (value->type != jbvNumeric)
		invalid(key, wanted);
	number = DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow,
												NumericGetDatum(value->val.numeric)));
	if (isnan(number) || isinf(number) || number < 0)
		invalid(key, wanted);
	return number;
}

static int
read_count(const char *key, const JsonbValue *value)
{
	double		number = read_number(key, value, "a non-negative integer");

	if (number > PG_INT32_MAX || number != floor(number))
		invalid(key, "a non-negative integer");
	return Max((int) number, 0);
}

static int64
read_retention(const JsonbValue *value)
{
	char	   *string;

	if (value->type == jbvNull)
		return -1;
	if (value->type != jbvString)
		invalid("retention", "a string that is an interval");
	string = pnstrdup(value->val.string.val, value->val.string.len);
	return duration_from_interval(interval_from_text(string, "retention"),
								  "retention");
}

/* in the order in which jsonb keeps its keys */
static void
read_weights(const JsonbValue *value, QueueConfig *config)
{
	JsonbIterator *it;
	JsonbValue	item;
	JsonbIteratorToken token;
	char	   *key = NULL;

	config->nweights = 0;
	if (value->type == jbvNull)
		return;
	if (value->type != jbvBinary ||
		!JsonContainerIsObject(value->val.binary.data))
		invalid("fairness_weights", "an object of weights by fairness key");
	config->weights = palloc(sizeof(WeightOverride) *
							 Max(JsonContainerSize(value->val.binary.data), 1));
	it = JsonbIteratorInit(value->val.binary.data);
	while ((token = JsonbIteratorNext(&it, &item, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			key = pnstrdup(item.val.string.val, item.val.string.len);
		else if (token == WJB_VALUE)
		{
			double		weight = read_number("fairness_weights", &item,
											 "an object of weights greater than zero by fairness key");

			if (key[0] == '\0' || strlen(key) > MAX_FAIRNESS_KEY_LENGTH)
				ereport(ERROR,
						(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						 errmsg("invalid fairness key in queue setting \"fairness_weights\""),
						 errdetail("A fairness key has 1 to %d bytes.",
								   MAX_FAIRNESS_KEY_LENGTH)));
			if (weight == 0)
				invalid("fairness_weights",
						"an object of weights greater than zero by fairness key");
			if (weight < 0)
				continue;		/* null removes, when merged */
			config->weights[config->nweights].key = key;
			config->weights[config->nweights].weight = weight;
			config->nweights++;
		}
	}
}

static void
read_setting(QueueConfig *config, const char *key, const JsonbValue *value)
{
	if (strcmp(key, "queue_rate_limit") == 0)
		config->rate_limit = read_number(key, value, "a non-negative number");
	else if (strcmp(key, "fairness_key_rate_limit") == 0)
		config->key_rate_limit = read_number(key, value, "a non-negative number");
	else if (strcmp(key, "fairness_weights") == 0)
		read_weights(value, config);
	else if (strcmp(key, "paused") == 0)
	{
		if (value->type != jbvBool && value->type != jbvNull)
			invalid(key, "true, false");
		config->paused = value->type == jbvBool && value->val.boolean;
	}
	else if (strcmp(key, "max_started") == 0)
		config->max_started = read_count(key, value);
	else if (strcmp(key, "max_backlog") == 0)
		config->max_backlog = read_count(key, value);
	else if (strcmp(key, "retention") == 0)
		config->retention = read_retention(value);
	else
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unrecognized queue setting \"%s\"", text_shown(key)),
				 errhint("Settings are queue_rate_limit, fairness_key_rate_limit, fairness_weights, paused, max_started, max_backlog and retention.")));
}

/* queue_settings_defaults: nothing is set. */
void
queue_settings_defaults(QueueConfig *config)
{
	memset(config, 0, sizeof(QueueConfig));
	config->rate_limit = -1;
	config->key_rate_limit = -1;
	config->retention = -1;
}

/*
 * queue_settings_parse: check a config object and read it, in the caller's memory
 * context.  Only computes, and raises data exceptions (class 22) only.
 */
void
queue_settings_parse(Jsonb *object, QueueConfig *config)
{
	JsonbIterator *it;
	JsonbValue	item;
	JsonbIteratorToken token;
	char	   *key = NULL;

	if (!JB_ROOT_IS_OBJECT(object))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("config must be a JSON object")));
	queue_settings_defaults(config);
	it = JsonbIteratorInit(&object->root);
	while ((token = JsonbIteratorNext(&it, &item, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			key = pnstrdup(item.val.string.val, item.val.string.len);
		else if (token == WJB_VALUE)
			read_setting(config, key, &item);
	}
}
