/*
 * errors.c
 *		What an error of PostgreSQL is for a client of the gateway.
 *
 * Errors of class TQ carry a word and facts, of which the sentences that
 * Temporal's clients know are made.  Of others the code alone counts, and the
 * message is passed on for people.
 */
#include "gateway/errors.h"

#include <stdlib.h>
#include <string.h>

#include "common/error_words.h"
#include "common/json_text.h"
#include "common/sqlstates.h"
#include "gateway/memory.h"
#include "gateway/texts.h"
#include "gateway/proto/errordetails.pb-c.h"

/* ------------------------------------------------------------------------
 * Codes
 * ------------------------------------------------------------------------
 */

/* The first one that the SQLSTATE begins with counts. */
static const struct
{
	const char *sqlstate;
	StatusCode	code;
	bool		is_transient;
}			codes[] = {
	{SQLSTATE_NOT_FOUND, STATUS_NOT_FOUND, false},
	{SQLSTATE_ALREADY_STARTED, STATUS_ALREADY_EXISTS, false},
	{SQLSTATE_FAILED_PRECONDITION, STATUS_FAILED_PRECONDITION, false},
	{SQLSTATE_RESOURCE_EXHAUSTED, STATUS_RESOURCE_EXHAUSTED, false},
	{"22", STATUS_INVALID_ARGUMENT, false},	/* arguments and data */
	{"54", STATUS_INVALID_ARGUMENT, false}, /* too large or too complex */
	{"40001", STATUS_ABORTED, true},	/* serialization failure */
	{"40P01", STATUS_ABORTED, true},	/* deadlock */
	{"08", STATUS_UNAVAILABLE, false},	/* connection */
	{"57014", STATUS_DEADLINE_EXCEEDED, false}, /* canceled by a timeout of ours */
	{"57P", STATUS_UNAVAILABLE, false}, /* shutting down, starting, crashed */
	{"53", STATUS_UNAVAILABLE, false},	/* too many connections, disk full */
	{"25006", STATUS_UNAVAILABLE, false},	/* on a standby */
	{"55000", STATUS_UNAVAILABLE, false},	/* taskq is not loaded */
	{"55P03", STATUS_UNAVAILABLE, false},	/* a lock was not free */
	{"42501", STATUS_PERMISSION_DENIED, false},
	{"0A000", STATUS_UNIMPLEMENTED, false},
};

static StatusCode
status_code(const char *sqlstate, bool *is_transient)
{
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
	{
		if (strncmp(sqlstate, codes[i].sqlstate, strlen(codes[i].sqlstate)) == 0)
		{
			*is_transient = codes[i].is_transient;
			return codes[i].code;
		}
	}
	return STATUS_INTERNAL;
}

/* ------------------------------------------------------------------------
 * Facts
 * ------------------------------------------------------------------------
 */

/* A fact as text, to be freed; NULL: it is not known. */
static char *
fact(const SqlError *error, const char *name)
{
	JsonReader	reader;
	Slice		key;
	Slice		value;

	if (error->facts == NULL)
		return NULL;
	reader = json_text_open(json_text_trim(slice_of(error->facts)));
	while (json_text_member(&reader, &key, &value))
		if (json_text_equals(key, name))
			return text_decode(value);
	return NULL;
}

/* The state of the run, as Temporal writes it: "CancelRequested". */
static char *
state_fact(const SqlError *error)
{
	char	   *state = fact(error, "run_state");
	char	   *to;
	bool		begins_word = true;

	if (state == NULL)
		state = fact(error, "status");
	if (state == NULL)
		return memory_text("Unspecified");
	to = state;
	for (const char *from = state; *from != '\0'; from++)
	{
		if (*from == '_')
		{
			begins_word = true;
			continue;
		}
		*to++ = begins_word && *from >= 'a' && *from <= 'z' ? (char) (*from - 'a' + 'A') : *from;
		begins_word = false;
	}
	*to = '\0';
	return state;
}

/* ------------------------------------------------------------------------
 * Sentences
 * ------------------------------------------------------------------------
 */

/* "before", a fact, which is freed, and what is behind it */
static char *
sentence(const char *before, char *middle, const char *after)
{
	TextBuffer	text = text_begin();

	text_buffer_text(&text, before);
	text_buffer_text(&text, middle != NULL ? middle : "");
	text_buffer_text(&text, after);
	free(middle);
	return text_end(&text);
}

/* What people call the run; to be freed. */
static char *
name_of_run(const SqlError *error, const ErrorContext *context)
{
	char	   *name;

	if (context->activity_id != NULL && *context->activity_id != '\0')
		return memory_text(context->activity_id);
	name = fact(error, "activity_id");
	if (name == NULL && context->run_id != NULL && *context->run_id != '\0')
		name = memory_text(context->run_id);
	return name != NULL ? name : fact(error, "run_id");
}

static char *
not_found(const SqlError *error, const ErrorContext *context)
{
	char	   *name = name_of_run(error, context);

	if (context->by_task_id)
		return sentence("cannot find pending activity with ActivityID ", name,
						", check workflow execution history for more details");
	if (name == NULL)
		return memory_text("activity not found");
	return sentence("activity not found for ID: ", name, "");
}

/* How a run is, where it may not be so. */
static const struct
{
	const char *word;
	const char *before;
}			states[] = {
	{WORD_NOT_PAUSABLE, "activity is in non-pausable state "},
	{WORD_NOT_UNPAUSABLE, "activity is in non-unpausable state "},
	{WORD_NOT_UPDATABLE, "cannot update options for activity in state "},
	{WORD_CLOSED, "activity is in terminal state "},
};

/* Other sentences; the fact, if there is one, is at their end. */
static const struct
{
	const char *word;
	const char *before;
	const char *fact;
}			refusals[] = {
	{WORD_CANCEL_ALREADY_REQUESTED, "cancellation already requested with request ID ", "cancel_request_id"},
	{WORD_ALREADY_TERMINATED, "already terminated with request ID ", "terminate_request_id"},
	{WORD_CANCEL_PENDING, "cannot reset an activity with a pending cancellation", NULL},
	{WORD_RESET_PENDING, "the activity has a pending reset", NULL},
	{WORD_ALREADY_DISPATCHED, "cannot update start_delay: the first activity attempt has already been dispatched", NULL},
	{WORD_RUNNING, "the activity is still running", NULL},
	{WORD_COMPLETED, "the activity has completed", NULL},
};

static char *
failed_precondition(const SqlError *error, const ErrorContext *context)
{
	const char *word = error->word;

	if (strcmp(word, WORD_CLOSED) == 0 && context->operation == OPERATION_TERMINATE)
		return sentence("invalid transition from ", state_fact(error), "");
	if (strcmp(word, WORD_CLOSED) == 0 && context->operation == OPERATION_RESET)
		return memory_text("activity execution is not running");
	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++)
		if (strcmp(word, states[i].word) == 0)
			return sentence(states[i].before, state_fact(error), "");
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++)
		if (strcmp(word, refusals[i].word) == 0)
			return sentence(refusals[i].before,
							refusals[i].fact != NULL ? fact(error, refusals[i].fact) : NULL, "");
	return NULL;
}

/* What is known beside the sentence, as far as it is of use to people. */
static char *
passed_on(const SqlError *error)
{
	TextBuffer	text = text_begin();

	text_buffer_text(&text, error->message != NULL ? error->message : "error of the database");
	if (error->detail_text != NULL)
	{
		text_buffer_text(&text, ": ");
		text_buffer_text(&text, error->detail_text);
	}
	return text_end(&text);
}

static char *
sentence_of(StatusCode code, const SqlError *error, const ErrorContext *context)
{
	char	   *text = NULL;

	if (code == STATUS_DEADLINE_EXCEEDED)
		return memory_text("the deadline of the call has passed");
	if (code == STATUS_UNIMPLEMENTED)
		return sentence("not implemented: ", passed_on(error), "");
	if (error->word == NULL)
		return passed_on(error);
	if (code == STATUS_NOT_FOUND)
		text = not_found(error, context);
	else if (code == STATUS_ALREADY_EXISTS)
		text = memory_text("activity execution already started");
	else if (code == STATUS_FAILED_PRECONDITION)
		text = failed_precondition(error, context);
	else if (code == STATUS_RESOURCE_EXHAUSTED && strcmp(error->word, WORD_MAX_BACKLOG) == 0)
		text = sentence("the backlog of task queue ", fact(error, "task_queue"), " is at its limit");
	return text != NULL ? text : passed_on(error);
}

/* ------------------------------------------------------------------------
 * Details
 * ------------------------------------------------------------------------
 */

static void *
new_detail(const ProtobufCMessageDescriptor *descriptor)
{
	ProtobufCMessage *detail = memory_new(descriptor->sizeof_message);

	protobuf_c_message_init(descriptor, detail);
	return detail;
}

/* Of a run that has the id already only who knows its uuid can tell. */
static ProtobufCMessage *
detail_of(StatusCode code)
{
	Temporal__ResourceExhaustedFailure *exhausted;

	switch (code)
	{
		case STATUS_NOT_FOUND:
			return new_detail(&temporal__not_found_failure__descriptor);
		case STATUS_PERMISSION_DENIED:
			return new_detail(&temporal__permission_denied_failure__descriptor);
		case STATUS_RESOURCE_EXHAUSTED:
			exhausted = new_detail(&temporal__resource_exhausted_failure__descriptor);
			exhausted->cause = TEMPORAL__RESOURCE_EXHAUSTED_CAUSE__RESOURCE_EXHAUSTED_CAUSE_CONCURRENT_LIMIT;
			exhausted->scope = TEMPORAL__RESOURCE_EXHAUSTED_SCOPE__RESOURCE_EXHAUSTED_SCOPE_NAMESPACE;
			return &exhausted->base;
		default:
			return NULL;
	}
}

/*
 * What to answer.  An error that is not the client's fault is UNAVAILABLE for
 * a poll: workers stop for good on some codes, and on this one they poll again.
 */
void
error_from_sql(GatewayError *result, const SqlError *error, const ErrorContext *context)
{
	*result = (GatewayError) {.code = STATUS_UNAVAILABLE};
	if (error->sqlstate == NULL)
	{
		result->message = memory_text("the database cannot be reached");
		return;
	}
	result->code = status_code(error->sqlstate, &result->is_transient);
	if (context->is_poll && result->code == STATUS_INTERNAL)
		result->code = STATUS_UNAVAILABLE;
	result->message = sentence_of(result->code, error, context);
	result->detail = detail_of(result->code);
}

/*
 * Give back what it has.
 */
void
error_free(GatewayError *error)
{
	free(error->message);
	if (error->detail != NULL)
		protobuf_c_message_free_unpacked(error->detail, NULL);
	*error = (GatewayError) {0};
}
