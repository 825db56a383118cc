/*
 * subcommands.c
 *		Subcommands that are one call: what each takes, and which SQL it is.
 */
#include "cli/subcommands.h"

#include <stddef.h>

#define TEXT "$%d"
#define JSON "$%d::jsonb"
#define INTERVAL "$%d::interval"
#define KIND "$%d::taskq.task_kind"
#define RUN_IDS "(run_ids => ARRAY(SELECT run_id FROM taskq.activities WHERE ("

static const SubcommandArgument nothing[] = {{0}};

static const SubcommandArgument one_run[] = {
	{"RUN_ID", "run_id", "$%d::bigint", false, NULL},
	{0}
};

static const SubcommandArgument one_queue[] = {
	{"QUEUE", "task_queue", TEXT, false, NULL},
	{0}
};

/* The row of a queue, or of both: conditions, all of which hold. */
static const SubcommandArgument described_queue[] = {
	{"QUEUE", NULL, "task_queue = $%d", false, NULL},
	{0}
};

static const SubcommandArgument described_kind[] = {
	{"kind", NULL, "kind = " KIND, false, "activity or workflow; both without"},
	{0}
};

static const SubcommandArgument list_options[] = {
	{"limit", NULL, "$%d::bigint", false, "the newest N; all without"},
	{0}
};

static const SubcommandArgument schedule_places[] = {
	{"QUEUE", "task_queue", TEXT, false, NULL},
	{"TYPE", "activity_type", TEXT, false, NULL},
	{"INPUT", "input", JSON, false, NULL},
	{0}
};

static const SubcommandArgument schedule_options[] = {
	{"id", "activity_id", TEXT, false, "the caller's name for it"},
	{"start-to-close", "start_to_close_timeout", INTERVAL, false, "timeout of each attempt"},
	{"schedule-to-close", "schedule_to_close_timeout", INTERVAL, false, "timeout of all; one of both is needed"},
	{"schedule-to-start", "schedule_to_start_timeout", INTERVAL, false, "timeout in the queue"},
	{"heartbeat-timeout", "heartbeat_timeout", INTERVAL, false, "longest silence of a worker"},
	{"retry-policy", "retry_policy", "taskq.retry_policy_from_jsonb($%d::jsonb)", false, "a JSON object"},
	{"start-delay", "start_delay", INTERVAL, false, "not before that has passed"},
	{"start-at", "start_at", "$%d::timestamptz", false, "not before that time"},
	{"priority", "priority", "$%d::int", false, "1 (first) to 5 (last)"},
	{"fairness-key", "fairness_key", TEXT, false, "who shares the queue"},
	{"fairness-weight", "fairness_weight", "$%d::float8", false, "share of that key (1)"},
	{"id-reuse-policy", "id_reuse_policy", "$%d::taskq.id_reuse_policy", false, "if a closed run has the id"},
	{"id-conflict-policy", "id_conflict_policy", "$%d::taskq.id_conflict_policy", false, "if an open run has the id"},
	{"request-id", "request_id", TEXT, false, "makes the call repeatable"},
	{"header", "header", JSON, false, "JSON for each attempt"},
	{"summary", "summary", TEXT, false, "one line for people"},
	{"search-attributes", "search_attributes", JSON, false, "a JSON object to search by"},
	{"identity", "identity", TEXT, false, "who calls"},
	{0}
};

static const SubcommandArgument result_options[] = {
	{"timeout", "timeout", INTERVAL, false, "how long to wait (60 s)"},
	{0}
};

static const SubcommandArgument complete_places[] = {
	{"RUN_ID", "run_id", "$%d::bigint", false, NULL},
	{"RESULT", "result", JSON, false, NULL},
	{0}
};

static const SubcommandArgument fail_places[] = {
	{"RUN_ID", "run_id", "$%d::bigint", false, NULL},
	{"MESSAGE", "message", TEXT, false, NULL},
	{0}
};

static const SubcommandArgument fail_options[] = {
	{"type", "error_type", TEXT, false, "error type"},
	{"details", "details", JSON, false, "JSON"},
	{"non-retryable", "non_retryable", "$%d::boolean", true, "it is final"},
	{"next-retry-delay", "next_retry_delay", INTERVAL, false, "instead of the back-off"},
	{0}
};

static const SubcommandArgument reason_options[] = {
	{"reason", "reason", TEXT, false, "why"},
	{"request-id", "request_id", TEXT, false, "makes the call repeatable"},
	{0}
};

static const SubcommandArgument unpause_options[] = {
	{"reason", "reason", TEXT, false, "why"},
	{"request-id", "request_id", TEXT, false, "makes the call repeatable"},
	{"jitter", "jitter", INTERVAL, false, "a random delay up to that"},
	{"skip-backoff", "skip_backoff", "$%d::boolean", true, "do not wait for a back-off"},
	{0}
};

static const SubcommandArgument reset_options[] = {
	{"request-id", "request_id", TEXT, false, "makes the call repeatable"},
	{"keep-paused", "keep_paused", "$%d::boolean", true, "stay paused"},
	{"reset-heartbeat", "reset_heartbeat", "$%d::boolean", true, "forget heartbeat details"},
	{"restore-original-options", "restore_original_options", "$%d::boolean", true, "as first scheduled"},
	{"jitter", "jitter", INTERVAL, false, "a random delay up to that"},
	{0}
};

static const SubcommandArgument update_options[] = {
	{"options", "options", JSON, false, "those that change: a JSON object"},
	{"restore-original", "restore_original", "$%d::boolean", true, "all as first scheduled"},
	{"request-id", "request_id", TEXT, false, "makes the call repeatable"},
	{0}
};

static const SubcommandArgument configure_places[] = {
	{"QUEUE", "task_queue", TEXT, false, NULL},
	{"CONFIG", "config", JSON, false, NULL},
	{0}
};

static const SubcommandArgument configure_options[] = {
	{"kind", "kind", KIND, false, "activity (if not given) or workflow"},
	{"reason", "reason", TEXT, false, "why"},
	{0}
};

/* One run, or with --where many. */
#define CONTROL(name, summary, function, options) \
	{name, summary, SUBCOMMAND_QUIET, "SELECT * FROM taskq." function "(", ")", \
	"SELECT * FROM taskq." function "_many" RUN_IDS, one_run, 1, options, NULL}

#define QUEUE_COLUMNS \
	"SELECT task_queue, backlog_count, backlog_age, delayed_count, started_count, paused_count, poller_count, paused, kind" \
	" FROM taskq.task_queues"

#define LIST \
	"SELECT run_id, activity_id, activity_type, task_queue, status, run_state, attempt, schedule_time" \
	" FROM taskq.activities WHERE ("

/* The last one has no name.  Those of two words stand together. */
const Subcommand subcommands[] = {
	{"schedule", "schedule an activity", SUBCOMMAND_ROWS, "SELECT * FROM taskq.schedule(", ")", NULL,
	schedule_places, 2, schedule_options, NULL},
	{"describe", "show all that is known of a run", SUBCOMMAND_RECORD, "SELECT * FROM taskq.describe(", ")", NULL,
	one_run, 1, nothing, NULL},
	{"list", "list runs, the newest first", SUBCOMMAND_LIST, LIST "true) ORDER BY run_id DESC LIMIT ", "", LIST,
	nothing, 0, list_options, NULL},
	{"result", "wait for the end of a run, and print its result", SUBCOMMAND_RESULT,
		"CALL taskq.wait_for_close(", ")", NULL, one_run, 1, result_options, NULL},
	{"complete", "complete a run by hand", SUBCOMMAND_QUIET, "SELECT * FROM taskq.complete_by_id(", ")", NULL,
	complete_places, 1, nothing, NULL},
	{"fail", "fail the attempt that runs", SUBCOMMAND_ROWS, "SELECT * FROM taskq.fail_by_id(", ") AS retry_state", NULL,
	fail_places, 1, fail_options, NULL},
	CONTROL("cancel", "request cancellation", "request_cancel", reason_options),
	CONTROL("terminate", "close at once", "terminate", reason_options),
	CONTROL("pause", "hand out no further attempt", "pause", reason_options),
	CONTROL("unpause", "go on", "unpause", unpause_options),
	CONTROL("reset", "start over with attempt 1", "reset", reset_options),
	{"retry", "schedule closed, unsuccessful runs again", SUBCOMMAND_ROWS, "SELECT * FROM taskq.retry(", ")",
	"SELECT * FROM taskq.retry_many" RUN_IDS, one_run, 1, nothing, NULL},
	{"update-options", "change options of open runs", SUBCOMMAND_ROWS, "SELECT taskq.update_options(", ") AS options",
	"SELECT * FROM taskq.update_options_many" RUN_IDS, one_run, 1, update_options, NULL},
	CONTROL("delete", "remove runs", "delete", nothing),
	{"queue list", "list queues", SUBCOMMAND_ROWS, QUEUE_COLUMNS " ORDER BY task_queue, kind", "", NULL,
	nothing, 0, nothing, NULL},
	{"queue describe", "show all that is known of a queue, of either kind", SUBCOMMAND_RECORD,
		"SELECT * FROM taskq.task_queues WHERE true = ALL (ARRAY[", "]) ORDER BY kind", NULL,
	described_queue, 1, described_kind, NULL},
	{"queue configure", "change settings of a queue: a JSON object", SUBCOMMAND_ROWS,
		"SELECT taskq.configure_queue(", ") AS config", NULL, configure_places, 2, configure_options, NULL},
	{"queue pause", "start no attempts of a queue", SUBCOMMAND_ROWS,
		"SELECT taskq.configure_queue(", ") AS config", NULL, one_queue, 1, configure_options, "config => '{\"paused\": true}'"},
	{"queue unpause", "start attempts of a queue again", SUBCOMMAND_ROWS,
		"SELECT taskq.configure_queue(", ") AS config", NULL, one_queue, 1, configure_options, "config => '{\"paused\": null}'"},
	{"health", "what is wrong with taskq; exit code 1 if something is critical", SUBCOMMAND_HEALTH,
		"SELECT check_name, status, detail, hint FROM taskq.health", "", NULL, nothing, 0, nothing, NULL},
	{0}
};
