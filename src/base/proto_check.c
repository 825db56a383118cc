/*
 * proto_check.c
 *		jsonb that is to be a message of Temporal's protocol.
 *
 * Everything is allocated in the caller's memory context.
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/fmgrprotos.h"

#include "base/compat.h"
#include "base/json.h"
#include "base/json_print.h"
#include "base/proto_check.h"
#include "base/server_memory.h"
#include "common/proto_canonical.h"

/* longer texts than that of a message are no messages */
#define LONGEST_TEXT	(256 << 20)

/* To be freed. */
static Slice
text_of(const char *what, Jsonb *value)
{
	if (json_text_exceeds(PointerGetDatum(value), LONGEST_TEXT))
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("%s is too long", what)));
	return json_printed(value);
}

static Jsonb *
check(const char *what, const ProtoMessage *message, Slice text, bool is_list)
{
	ProtoError	error;
	TextBuffer	canonical;
	Datum		result;

	text_buffer_init(&canonical, &server_allocator);
	if (!(is_list ? proto_canonical_list : proto_canonical) (message, what, text, &canonical, &error))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid %s", what),
				 errdetail("%s: %s.", error.path, error.problem)));
	result = DirectFunctionCall1(jsonb_in, CStringGetDatum(canonical.data));
	text_buffer_free(&canonical);
	return DatumGetJsonbP(result);
}

/*
 * proto_check: the message that a jsonb is, in the one form in which protobuf
 * writes it.  It is 22023 if it is none, with the path to what is wrong, which
 * begins with "what", and what that should have been, as DETAIL.
 */
Jsonb *
proto_check(const char *what, const ProtoMessage *message, Jsonb *value)
{
	Slice		text = text_of(what, value);
	Jsonb	   *result = check(what, message, text, false);

	pfree(unconstify(char *, text.data));
	return result;
}

/*
 * proto_check_text: the same of a text.
 */
Jsonb *
proto_check_text(const char *what, const ProtoMessage *message, Slice text)
{
	return check(what, message, text, false);
}

/*
 * proto_check_list: the same of an array of such messages.
 */
Jsonb *
proto_check_list(const char *what, const ProtoMessage *message, Jsonb *value)
{
	Slice		text = text_of(what, value);
	Jsonb	   *result = check(what, message, text, true);

	pfree(unconstify(char *, text.data));
	return result;
}
