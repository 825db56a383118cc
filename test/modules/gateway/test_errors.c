/*
 * test_errors.c
 *		Tests of errors.c.
 */
#include "tap.h"

#include <stdlib.h>
#include <string.h>

#include "common/error_words.h"
#include "gateway/errors.h"
#include "gateway/proto/errordetails.pb-c.h"

static const ErrorContext nothing;

static void
expect_code(const char *sqlstate, StatusCode wanted)
{
	SqlError	error = {.sqlstate = sqlstate,.message = "m"};
	GatewayError result;

	error_from_sql(&result, &error, &nothing);
	if (result.code != wanted || result.message == NULL)
		fault("%s: %d", sqlstate ? sqlstate : "NULL", result.code);
	if (result.is_transient != (wanted == STATUS_ABORTED))
		fault("%s: transient", sqlstate ? sqlstate : "NULL");
	error_free(&result);
}

static void
codes(void)
{
	static const struct
	{
		const char *sqlstate;
		StatusCode	code;
	}			cases[] = {
		{"TQ001", STATUS_NOT_FOUND}, {"TQ002", STATUS_ALREADY_EXISTS}, {"TQ003", STATUS_FAILED_PRECONDITION},
		{"TQ004", STATUS_RESOURCE_EXHAUSTED}, {"22023", STATUS_INVALID_ARGUMENT}, {"22004", STATUS_INVALID_ARGUMENT},
		{"22P02", STATUS_INVALID_ARGUMENT}, {"22P05", STATUS_INVALID_ARGUMENT}, {"22021", STATUS_INVALID_ARGUMENT},
		{"54000", STATUS_INVALID_ARGUMENT}, {"40001", STATUS_ABORTED}, {"40P01", STATUS_ABORTED},
		{"08006", STATUS_UNAVAILABLE}, {"57P01", STATUS_UNAVAILABLE}, {"57P03", STATUS_UNAVAILABLE},
		{"53300", STATUS_UNAVAILABLE}, {"25006", STATUS_UNAVAILABLE}, {"55000", STATUS_UNAVAILABLE},
		{"55P03", STATUS_UNAVAILABLE}, {"42501", STATUS_PERMISSION_DENIED}, {"0A000", STATUS_UNIMPLEMENTED},
		{"57014", STATUS_DEADLINE_EXCEEDED}, {"XX000", STATUS_INTERNAL}, {"42883", STATUS_INTERNAL},
		{NULL, STATUS_UNAVAILABLE},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		expect_code(cases[i].sqlstate, cases[i].code);
	no_fault("every SQLSTATE has its code");
}

static void
expect(const char *sqlstate, const char *word, const char *facts, const ErrorContext *context, const char *wanted)
{
	SqlError	error = {.sqlstate = sqlstate,.word = word,.facts = facts,.message = "the message"};
	GatewayError result;

	error_from_sql(&result, &error, context);
	if (strcmp(result.message, wanted) != 0)
		fault("%s: %s", wanted, result.message);
	error_free(&result);
}

static void
sentences(void)
{
	ErrorContext by_id = {.activity_id = "id"};
	ErrorContext by_token = {.by_token = true};
	ErrorContext by_task_id = {.activity_id = "id",.by_task_id = true};
	ErrorContext terminate = {.activity_id = "id",.operation = OPERATION_TERMINATE};
	ErrorContext reset = {.activity_id = "id",.operation = OPERATION_RESET};

	expect("TQ001", WORD_UNKNOWN, "{}", &by_id, "activity not found for ID: id");
	expect("TQ001", WORD_CLOSED, "{\"activity_id\": \"a\\\"b\", \"run_id\": \"7\"}", &by_token, "activity not found for ID: a\"b");
	expect("TQ001", WORD_ATTEMPT_OVER, "{\"run_id\": \"7\"}", &by_token, "activity not found for ID: 7");
	expect("TQ001", WORD_UNKNOWN, "{}", &by_token, "activity not found");
	expect("TQ001", WORD_NO_ATTEMPT, "{}", &by_task_id,
		   "cannot find pending activity with ActivityID id, check workflow execution history for more details");
	expect("TQ002", WORD_RUNNING, "{}", &by_id, "activity execution already started");
	expect("TQ003", WORD_CANCEL_ALREADY_REQUESTED, "{\"cancel_request_id\": \"c\"}", &by_id, "cancellation already requested with request ID c");
	expect("TQ003", WORD_CANCEL_ALREADY_REQUESTED, "{}", &by_id, "cancellation already requested with request ID ");
	expect("TQ003", WORD_ALREADY_TERMINATED, "{\"terminate_request_id\": \"t\"}", &terminate, "already terminated with request ID t");
	expect("TQ003", WORD_CLOSED, "{\"status\": \"timed_out\"}", &by_id, "activity is in terminal state TimedOut");
	expect("TQ003", WORD_CLOSED, "{\"status\": \"canceled\"}", &terminate, "invalid transition from Canceled");
	expect("TQ003", WORD_CLOSED, "{\"status\": \"canceled\"}", &reset, "activity execution is not running");
	expect("TQ003", WORD_NOT_PAUSABLE, "{\"status\": \"paused\", \"run_state\": \"paused\"}", &by_id, "activity is in non-pausable state Paused");
	expect("TQ003", WORD_NOT_PAUSABLE, "{\"status\": \"running\", \"run_state\": \"cancel_requested\"}", &by_id,
		   "activity is in non-pausable state CancelRequested");
	expect("TQ003", WORD_NOT_UNPAUSABLE, "{\"run_state\": \"scheduled\"}", &by_id, "activity is in non-unpausable state Scheduled");
	expect("TQ003", WORD_NOT_UPDATABLE, NULL, &by_id, "cannot update options for activity in state Unspecified");
	expect("TQ003", "a_new_word", "{}", &by_id, "the message");
	expect("TQ003", WORD_RUNNING, "garbage", &by_id, "the activity is still running");
	expect("TQ004", WORD_MAX_BACKLOG, "{\"task_queue\": \"q\", \"max_backlog\": 5}", &by_id, "the backlog of task queue q is at its limit");
	expect("0A000", NULL, NULL, &by_id, "not implemented: the message");
	no_fault("words and facts are sentences");
}

static void
details(void)
{
	SqlError	error = {.sqlstate = "TQ001"};
	ErrorContext poll = {.is_poll = true};
	GatewayError result;

	error_from_sql(&result, &error, &nothing);
	ok(result.detail->descriptor == &temporal__not_found_failure__descriptor, "not found");
	error_free(&result);
	error = (SqlError) {.sqlstate = "XX000",.message = "m",.detail_text = "d"};
	error_from_sql(&result, &error, &poll);
	ok(result.code == STATUS_UNAVAILABLE && strcmp(result.message, "m: d") == 0, "a poll is worth repeating");
	error_free(&result);
}

int
main(void)
{
	codes();
	sentences();
	details();
	return done();
}
