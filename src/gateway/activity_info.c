/*
 * activity_info.c
 *		What is known of an activity.
 */
#include "gateway/activity_info.h"

#include "gateway/answers.h"
#include "gateway/fields.h"
#include "gateway/memory.h"
#include "gateway/option_messages.h"
#include "gateway/payloads.h"
#include "gateway/proto/activity.pb-c.h"
#include "gateway/result_values.h"

/* What it is and what was asked for. */
static void
set_options(Temporal__ActivityExecutionInfo *info, const PGresult *result, int row)
{
	info->activity_id = field_text(result, row, INFO_ACTIVITY_ID);
	info->run_id = uuid_copy(row_uuid(result, row, INFO_RUN));
	info->activity_type = message_new(&temporal__activity_type__descriptor);
	info->activity_type->name = field_text(result, row, INFO_ACTIVITY_TYPE);
	info->task_queue = field_text(result, row, INFO_TASK_QUEUE);
	info->schedule_to_close_timeout = field_duration(result, row, INFO_SCHEDULE_TO_CLOSE);
	info->schedule_to_start_timeout = field_duration(result, row, INFO_SCHEDULE_TO_START);
	info->start_to_close_timeout = field_duration(result, row, INFO_START_TO_CLOSE);
	info->heartbeat_timeout = field_duration(result, row, INFO_HEARTBEAT);
	info->retry_policy = retry_policy_from_text(row_jsonb(result, row, INFO_RETRY_POLICY));
	info->priority = field_priority(result, row, INFO_PRIORITY);
	info->search_attributes = field_search_attributes(result, row, INFO_SEARCH_ATTRIBUTES);
	info->header = header_from_text(row_jsonb(result, row, INFO_HEADER));
	info->user_metadata = user_metadata_from_text(row_text(result, row, INFO_SUMMARY),
												  row_jsonb(result, row, INFO_HEADER));
	if (!row_is_null(result, row, INFO_START_DELAY))
		info->start_delay = field_duration(result, row, INFO_START_DELAY);
}

/* What became of it so far. */
static void
set_state(Temporal__ActivityExecutionInfo *info, const PGresult *result, int row)
{
	info->status = field_enum(result, row, INFO_STATUS,
							  &temporal__activity_execution_status__descriptor,
							  "ACTIVITY_EXECUTION_STATUS_");
	info->run_state = field_enum(result, row, INFO_RUN_STATE,
								 &temporal__pending_activity_state__descriptor,
								 "PENDING_ACTIVITY_STATE_");
	info->last_heartbeat_time = field_timestamp(result, row, INFO_LAST_HEARTBEAT_TIME);
	info->last_started_time = field_timestamp(result, row, INFO_LAST_STARTED_TIME);
	info->attempt = row_int32(result, row, INFO_ATTEMPT);
	if (!row_is_null(result, row, INFO_EXECUTION_DURATION))
		info->execution_duration = field_duration(result, row, INFO_EXECUTION_DURATION);
	info->schedule_time = field_timestamp(result, row, INFO_SCHEDULE_TIME);
	info->expiration_time = field_timestamp(result, row, INFO_EXPIRATION_TIME);
	info->execution_time = field_timestamp(result, row, INFO_EXECUTION_TIME);
	info->close_time = field_timestamp(result, row, INFO_CLOSE_TIME);
	info->last_worker_identity = field_text(result, row, INFO_LAST_WORKER);
	if (!row_is_null(result, row, INFO_RETRY_INTERVAL))
		info->current_retry_interval = field_duration(result, row, INFO_RETRY_INTERVAL);
	info->last_attempt_complete_time = field_timestamp(result, row, INFO_LAST_COMPLETE_TIME);
	info->next_attempt_schedule_time = field_timestamp(result, row, INFO_NEXT_ATTEMPT_TIME);
	info->state_transition_count = row_int64(result, row, INFO_TRANSITIONS);
	info->canceled_reason = field_text(result, row, INFO_CANCEL_REASON);
	info->total_heartbeat_count = row_int64(result, row, INFO_HEARTBEAT_COUNT);
}

/*
 * What a row that was read with ACTIVITY_INFO_SQL says of an activity; to be
 * freed as a message.
 */
Temporal__ActivityExecutionInfo *
activity_info(const PGresult *result, int row)
{
	Temporal__ActivityExecutionInfo *info;

	info = message_new(&temporal__activity_execution_info__descriptor);
	set_options(info, result, row);
	set_state(info, result, row);
	return info;
}
