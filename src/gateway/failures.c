/*
 * failures.c
 *		Failures between messages and the texts of jsonb that SQL sees.
 */
#include "gateway/failures.h"

#include <stdlib.h>

#include "common/failure_form.h"
#include "common/json_text.h"
#include "gateway/memory.h"
#include "gateway/message_from_json.h"
#include "gateway/message_to_json.h"
#include "gateway/payloads.h"
#include "gateway/texts.h"
#include "gateway/times.h"
#include "gateway/proto/failure.pb-c.h"

/*
 * The jsonb that stands for a failure; NULL of NULL.
 */
char *
failure_to_text(const Temporal__Failure *failure)
{
	TextBuffer	json = text_begin();
	TextBuffer	plain = text_begin();

	if (failure == NULL)
		return NULL;
	message_to_json(&json, &failure->base);
	if (!failure_to_plain(&plain, (Slice) {json.data, json.length}, payloads_style()))
		abort();				/* message_to_json() writes nothing else */
	text_buffer_free(&json);
	return text_end(&plain);
}

/*
 * The same of a report: who says nothing of what failed says at least that it did.
 */
char *
failure_report_text(const Temporal__Failure *failure)
{
	return failure != NULL ? failure_to_text(failure) : memory_text("{}");
}

/*
 * The delay that a failure, or NULL, asks for, as duration_to_sql() writes it; NULL if it
 * asks for none.  false: what it asks for is none.
 */
bool
failure_retry_delay(const Temporal__Failure *failure, char *room, const char **delay)
{
	*delay = NULL;
	if (failure == NULL ||
		failure->failure_info_case != TEMPORAL__FAILURE__FAILURE_INFO_APPLICATION_FAILURE_INFO)
		return true;
	return duration_to_sql(failure->application_failure_info->next_retry_delay, room, delay);
}

/* NULL: the JSON is no failure. */
static Temporal__Failure *
read_failure(const char *plain, bool with_info)
{
	TextBuffer	json = text_begin();
	ProtobufCMessage *failure;
	const char *problem;

	failure_from_plain(&json, slice_of(plain), with_info);
	failure = message_from_json(&temporal__failure__descriptor, (Slice) {json.data, json.length}, &problem);
	text_buffer_free(&json);
	return (Temporal__Failure *) failure;
}

/*
 * The failure that a jsonb stands for; NULL of NULL.  Of one that SQL has
 * written and that is no failure at all the text is the message.
 */
Temporal__Failure *
failure_from_text(const char *plain)
{
	Temporal__Failure *failure;

	if (plain == NULL)
		return NULL;
	failure = read_failure(plain, true);
	if (failure == NULL)
		failure = read_failure(plain, false);
	if (failure == NULL)
	{
		failure = memory_new(sizeof(*failure));
		temporal__failure__init(failure);
		failure->message = text_copy(slice_of(plain));
	}
	return failure;
}
