/*
 * activity_info.h
 *		What is known of an activity.
 */
#ifndef TASKQ_GATEWAY_ACTIVITY_INFO_H
#define TASKQ_GATEWAY_ACTIVITY_INFO_H

#include <libpq-fe.h>

typedef struct Temporal__ActivityExecutionInfo Temporal__ActivityExecutionInfo;

/* The columns that are read, of a row "d" of taskq.activities; from 0. */
#define ACTIVITY_INFO_SQL \
	"d.activity_id, taskq.run_uuid(d.run_id), d.activity_type, d.status::text, d.run_state::text," \
	" d.task_queue, d.schedule_to_close_timeout, d.schedule_to_start_timeout," \
	" d.start_to_close_timeout, d.heartbeat_timeout, d.retry_policy, d.last_heartbeat_time," \
	" d.last_started_time, d.attempt, d.execution_duration, d.schedule_time, d.expiration_time," \
	" d.close_time, d.last_worker_identity, d.current_retry_interval, d.last_attempt_complete_time," \
	" d.next_attempt_schedule_time, d.priority, d.fairness_key, d.fairness_weight," \
	" d.state_transition_count, d.search_attributes, d.header, d.summary, d.cancel_reason," \
	" d.total_heartbeat_count, d.start_delay, d.execution_time"

enum
{
	INFO_ACTIVITY_ID, INFO_RUN, INFO_ACTIVITY_TYPE, INFO_STATUS, INFO_RUN_STATE,
	INFO_TASK_QUEUE, INFO_SCHEDULE_TO_CLOSE, INFO_SCHEDULE_TO_START,
	INFO_START_TO_CLOSE, INFO_HEARTBEAT, INFO_RETRY_POLICY, INFO_LAST_HEARTBEAT_TIME,
	INFO_LAST_STARTED_TIME, INFO_ATTEMPT, INFO_EXECUTION_DURATION, INFO_SCHEDULE_TIME, INFO_EXPIRATION_TIME,
	INFO_CLOSE_TIME, INFO_LAST_WORKER, INFO_RETRY_INTERVAL, INFO_LAST_COMPLETE_TIME,
	INFO_NEXT_ATTEMPT_TIME, INFO_PRIORITY, INFO_FAIRNESS_KEY, INFO_FAIRNESS_WEIGHT,
	INFO_TRANSITIONS, INFO_SEARCH_ATTRIBUTES, INFO_HEADER, INFO_SUMMARY, INFO_CANCEL_REASON,
	INFO_HEARTBEAT_COUNT, INFO_START_DELAY, INFO_EXECUTION_TIME,
	INFO_COLUMNS
};

extern Temporal__ActivityExecutionInfo *activity_info(const PGresult *result, int row);

#endif
