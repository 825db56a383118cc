/*
 * answers.c
 *		What methods have in common: making messages, and answering with an error.
 */
#include "gateway/answers.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/memory.h"
#include "gateway/proto/errordetails.pb-c.h"

/* whatever the server says of a role that can't be used */
#define SQLSTATE_DENIED "42501"

/*
 * An empty message, malloced; so has to be all that is put into it.
 */
void *
message_new(const ProtobufCMessageDescriptor *descriptor)
{
	ProtobufCMessage *message = memory_new(descriptor->sizeof_message);

	protobuf_c_message_init(descriptor, message);
	return message;
}

/*
 * Answer with a message of message_new(), and free it.
 */
void
answer(Call *call, void *message)
{
	call_reply(call, message);
	protobuf_c_message_free_unpacked(message, NULL);
}

/*
 * Answer with an empty message of this kind.
 */
void
answer_empty(Call *call, const ProtobufCMessageDescriptor *descriptor)
{
	answer(call, message_new(descriptor));
}

/*
 * Fail with what an outcome other than OK is for clients. context may be NULL.
 */
void
answer_sql_error(Call *call, DatabaseOutcome outcome, const PGresult *result,
				 const ErrorContext *context)
{
	static const ErrorContext nothing;
	SqlError	error = {0};
	GatewayError answer;

	if (outcome == DATABASE_ERROR || outcome == DATABASE_BROKEN || outcome == DATABASE_DENIED)
	{
		error.sqlstate = outcome == DATABASE_DENIED ? SQLSTATE_DENIED : PQresultErrorField(result, PG_DIAG_SQLSTATE);
		error.word = PQresultErrorField(result, PG_DIAG_CONSTRAINT_NAME);
		error.message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
		error.facts = error.word != NULL ? PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL) : NULL;
		error.detail_text = error.word == NULL ? PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL) : NULL;
	}
	error_from_sql(&answer, &error, context != NULL ? context : &nothing);
	call_fail(call, answer.code, answer.message, answer.detail);
	error_free(&answer);
}

/*
 * Fail with NOT_FOUND, this message and a NotFoundFailure.
 */
void
answer_not_found(Call *call, const char *message)
{
	Temporal__NotFoundFailure detail = TEMPORAL__NOT_FOUND_FAILURE__INIT;

	call_fail(call, STATUS_NOT_FOUND, message, &detail.base);
}

/*
 * The text of a uuid of 16 bytes, in room for UUID_TEXT.
 */
void
uuid_to_text(const uint8_t *uuid, char *text)
{
	static const char digits[] = "0123456789abcdef";

	for (int i = 0; i < 16; i++)
	{
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*text++ = '-';
		*text++ = digits[uuid[i] >> 4];
		*text++ = digits[uuid[i] & 15];
	}
	*text = '\0';
}

static int
digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Only in the usual form, of 36 characters. */
bool
uuid_from_text(const char *text, uint8_t *uuid)
{
	if (strlen(text) != UUID_TEXT - 1)
		return false;
	for (int i = 0; i < 16; i++)
	{
		int			high;
		int			low;

		if ((i == 4 || i == 6 || i == 8 || i == 10) && *text++ != '-')
			return false;
		high = digit(*text++);
		low = digit(*text++);
		if (high < 0 || low < 0)
			return false;
		uuid[i] = (uint8_t) (high << 4 | low);
	}
	return true;
}

/*
 * The text of a uuid, malloced; NULL of NULL.
 */
char *
uuid_copy(const uint8_t *uuid)
{
	char	   *text;

	if (uuid == NULL)
		return NULL;
	text = memory_new(UUID_TEXT);
	uuid_to_text(uuid, text);
	return text;
}

/*
 * The text of a boolean.
 */
const char *
flag(bool is_set)
{
	return is_set ? "t" : "f";
}

/*
 * NULL of "", which is how messages say that a text is not set.
 */
const char *
text_or_null(const char *text)
{
	return *text != '\0' ? text : NULL;
}
