/*
 * outcomes.c
 *		How activities ended.
 */
#include "gateway/outcomes.h"

#include <string.h>

#include "common/statuses.h"
#include "gateway/answers.h"
#include "gateway/failures.h"
#include "gateway/fields.h"
#include "gateway/payloads.h"
#include "gateway/proto/activity.pb-c.h"
#include "gateway/result_values.h"

/*
 * From four columns, status, result, failure, retry_state; NULL while the activity
 * is open.
 */
Temporal__ActivityExecutionOutcome *
outcome_from_row(const PGresult *result, int row, int column)
{
	const char *status = row_text(result, row, column);
	Temporal__ActivityExecutionOutcome *outcome;

	if (status == NULL || strcmp(status, STATUS_RUNNING) == 0 || strcmp(status, STATUS_PAUSED) == 0)
		return NULL;
	outcome = message_new(&temporal__activity_execution_outcome__descriptor);
	if (strcmp(status, STATUS_COMPLETED) == 0)
	{
		outcome->value_case = TEMPORAL__ACTIVITY_EXECUTION_OUTCOME__VALUE_RESULT;
		outcome->result = payloads_from_text(row_jsonb(result, row, column + 1));
		if (outcome->result == NULL)
			outcome->result = message_new(&temporal__payloads__descriptor);
	}
	else
	{
		outcome->value_case = TEMPORAL__ACTIVITY_EXECUTION_OUTCOME__VALUE_FAILURE;
		outcome->failure = failure_from_text(row_jsonb(result, row, column + 2));
		if (outcome->failure == NULL)
			outcome->failure = message_new(&temporal__failure__descriptor);
	}
	outcome->retry_state = field_enum(result, row, column + 3, &temporal__retry_state__descriptor,
									  "RETRY_STATE_");
	return outcome;
}
