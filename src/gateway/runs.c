/*
 * runs.c
 *		The run that a request is about.
 */
#include "gateway/runs.h"

#include "gateway/answers.h"
#include "gateway/memory.h"
#include "gateway/run_waiters.h"

/*
 * Does a request name a run: an activity id, and a run id or ""? If not, the call
 * is answered.
 */
bool
run_is_named(Call *call, const char *activity_id, const char *run_id)
{
	uint8_t		uuid[16];
	const char *problem = NULL;

	if (*activity_id == '\0')
		problem = "activity ID is required";
	else if (*run_id != '\0' && !uuid_from_text(run_id, uuid))
		problem = "invalid run id: must be a valid UUID";
	if (problem != NULL)
		call_fail(call, STATUS_INVALID_ARGUMENT, problem, NULL);
	return problem == NULL;
}

/*
 * The same where the activity may be a workflow's: there are none of those.
 */
bool
run_is_standalone(Call *call, const char *workflow_id, const char *activity_id, const char *run_id)
{
	Buffer		message = {0};

	if (*workflow_id == '\0')
		return run_is_named(call, activity_id, run_id);
	buffer_format(&message, "workflow not found for ID: %s", workflow_id);
	answer_not_found(call, message.data);
	buffer_free(&message);
	return false;
}

/*
 * Wake who waits for the run, if its id is given; after a commit of our own.
 */
void
run_id_touched(const char *run_id)
{
	uint8_t		run[16];

	if (uuid_from_text(run_id, run))
		run_touched(run);
}
