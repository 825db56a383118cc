/*
 * failure_given.c
 *		Failures as workers give them, whole: judged before they are kept.
 *
 * What taskq reads of a failure has to be what it takes it for.  All else, keys
 * that taskq does not know included, here and in causes, is kept as it is: it is
 * the workers', and perhaps says more to those who read it.
 */
#include "postgres.h"

#include "base/json.h"
#include "model/failure_given.h"

/*
 * failure_is_chain: is it an object, and so is its cause, and the cause of that,
 * if there is one?
 */
bool
failure_is_chain(JsonbContainer *failure)
{
	while (JsonContainerIsObject(failure))
	{
		JsonbValue	cause;

		if (getKeyJsonValueFromContainer(failure, "cause", strlen("cause"),
										 &cause) == NULL)
			return true;
		if (cause.type != jbvBinary)
			return false;
		failure = cause.val.binary.data;
	}
	return false;
}

/* is the member absent, or of that type? */
static bool
is_of_type(Jsonb *failure, const char *key, enum jbvType type)
{
	JsonbValue *value = json_get(failure, key);

	return value == NULL || value->type == type;
}

static const char *
find_fault(Jsonb *failure)
{
	char	   *kind;

	if (!failure_is_chain(&failure->root))
		return "failure and its causes must be JSON objects";
	kind = json_get_text(failure, "kind");
	if (!is_of_type(failure, "kind", jbvString) ||
		(kind != NULL && strcmp(kind, "application") != 0))
		return "Failure must have ApplicationFailureInfo.";
	if (!is_of_type(failure, "message", jbvString) ||
		!is_of_type(failure, "type", jbvString) ||
		!is_of_type(failure, "stack_trace", jbvString))
		return "message, type and stack_trace of a failure must be strings";
	if (!is_of_type(failure, "non_retryable", jbvBool))
		return "non_retryable of a failure must be true or false";
	return NULL;
}

/*
 * failure_given: a failure to keep, of what a worker has given; NULL (nothing
 * described) is NULL.  NULL with *fault, a message, when it is none.
 */
Jsonb *
failure_given(Jsonb *failure, const char **fault)
{
	JsonBuilder builder;

	*fault = failure == NULL ? NULL : find_fault(failure);
	if (failure == NULL || *fault != NULL)
		return NULL;
	if (json_get(failure, "kind") != NULL)
		return failure;
	json_begin(&builder);
	json_add_text(&builder, "kind", "application");
	json_add_members(&builder, failure, NULL);
	return json_end(&builder);
}
