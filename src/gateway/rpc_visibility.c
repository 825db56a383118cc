/*
 * rpc_visibility.c
 *		Clients list and count activities.
 *
 * Lists begin with the newest run.  The token of a page is the last run_id of
 * the page before, and a hash of that and the query that it belongs to.  Who
 * makes one up gets a page of the same list: so it is no secret how it is made,
 * and any gateway takes what another one has given.
 */
#include "gateway/rpc_visibility.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/answers.h"
#include "gateway/fields.h"
#include "gateway/memory.h"
#include "gateway/namespaces.h"
#include "gateway/payloads.h"
#include "gateway/proto/workflowservice.pb-c.h"
#include "gateway/result_values.h"
#include "gateway/visibility.h"

#define PAGE_MAX		1000
#define TOKEN_LENGTH	16

/* columns of a list */
enum
{
	RUN_ID, RUN, ACTIVITY_ID, ACTIVITY_TYPE, SCHEDULE_TIME, CLOSE_TIME, STATUS, SEARCH_ATTRIBUTES,
	TASK_QUEUE, TRANSITIONS, DURATION, EXECUTION_TIME
};

#define COLUMNS \
	"run_id, taskq.run_uuid(run_id), activity_id, activity_type, schedule_time, close_time," \
	" status::text, search_attributes, task_queue, state_transition_count, execution_duration," \
	" execution_time"

/* A question, and its SQL, which is made for it. */
typedef struct Question
{
	Call	   *call;
	Statement	statement;
	char	   *sql;
	int			page_size;
	uint64_t	hash;
	bool		by_status;
} Question;

static void
free_question(Question *question)
{
	free(question->sql);
	free(question);
}

/*
 * Parse the query; its parameters begin with this one. NULL: it is wrong, and
 * the call is answered; otherwise both have to be freed.
 */
static Question *
new_question(Call *call, const char *text, int first, VisibilityQuery *query)
{
	Question   *question;
	const char *problem;

	if (!visibility_parse(query, text, first, &problem))
	{
		call_fail(call, STATUS_INVALID_ARGUMENT, problem, NULL);
		visibility_free(query);
		return NULL;
	}
	question = memory_new(sizeof(Question));
	question->call = call;
	question->hash = query->hash;
	question->by_status = query->by_status;
	return question;
}

static void
ask(Question *question, const char *name, Buffer *sql, const char *const *values, int count,
	ResultHandler handler)
{
	question->sql = sql->data;
	question->statement = (Statement) {name, sql->data, count, true};
	database_run(question->call->role, &question->statement, values, question->call->deadline,
				 handler, question);
}

/* ------------------------------------------------------------------------
 * Lists
 * ------------------------------------------------------------------------
 */

static void
write_number(uint8_t *to, uint64_t number)
{
	for (int i = 0; i < 8; i++)
		to[i] = (uint8_t) (number >> (56 - 8 * i));
}

static uint64_t
read_number(const uint8_t *from)
{
	uint64_t	number = 0;

	for (int i = 0; i < 8; i++)
		number = number << 8 | from[i];
	return number;
}

/* With any byte changed it is another number: each step can be undone. */
static uint64_t
token_hash(const uint8_t *token, uint64_t query_hash)
{
	for (int i = 0; i < 8; i++)
		query_hash = (query_hash ^ token[i]) * UINT64_C(1099511628211);
	return query_hash;
}

static Temporal__ActivityExecutionListInfo *
list_info(const PGresult *result, int row)
{
	Temporal__ActivityExecutionListInfo *info;

	info = message_new(&temporal__activity_execution_list_info__descriptor);
	info->activity_id = field_text(result, row, ACTIVITY_ID);
	info->run_id = uuid_copy(row_uuid(result, row, RUN));
	info->activity_type = message_new(&temporal__activity_type__descriptor);
	info->activity_type->name = field_text(result, row, ACTIVITY_TYPE);
	info->schedule_time = field_timestamp(result, row, SCHEDULE_TIME);
	info->close_time = field_timestamp(result, row, CLOSE_TIME);
	info->status = field_enum(result, row, STATUS, &temporal__activity_execution_status__descriptor,
							  "ACTIVITY_EXECUTION_STATUS_");
	info->search_attributes = field_search_attributes(result, row, SEARCH_ATTRIBUTES);
	info->task_queue = field_text(result, row, TASK_QUEUE);
	info->state_transition_count = row_int64(result, row, TRANSITIONS);
	if (!row_is_null(result, row, DURATION))
		info->execution_duration = field_duration(result, row, DURATION);
	info->execution_time = field_timestamp(result, row, EXECUTION_TIME);
	return info;
}

static void
on_list(void *arg, DatabaseOutcome outcome, const PGresult *result)
{
	Question   *question = arg;
	Temporal__ListActivityExecutionsResponse *response;
	int			count;

	if (outcome != DATABASE_OK)
	{
		answer_sql_error(question->call, outcome, result, NULL);
		free_question(question);
		return;
	}
	response = message_new(&temporal__list_activity_executions_response__descriptor);
	count = PQntuples(result);
	response->executions = memory_new((size_t) count * sizeof(*response->executions));
	response->n_executions = (size_t) count;
	for (int row = 0; row < count; row++)
		response->executions[row] = list_info(result, row);
	if (count == question->page_size)
	{
		response->next_page_token.len = TOKEN_LENGTH;
		response->next_page_token.data = memory_new(TOKEN_LENGTH);
		write_number(response->next_page_token.data, (uint64_t) row_int64(result, count - 1, RUN_ID));
		write_number(response->next_page_token.data + 8,
					 token_hash(response->next_page_token.data, question->hash));
	}
	answer(question->call, response);
	free_question(question);
}

/*
 * The method ListActivityExecutions.
 */
void
list_activity_executions(Call *call)
{
	Temporal__ListActivityExecutionsRequest *request = (void *) call->request;
	ProtobufCBinaryData token = request->next_page_token;
	VisibilityQuery query = {0};
	Question   *question;
	Buffer		sql = {0};
	char		before[24] = "";
	char		limit[24];
	const char *values[2 + VISIBILITY_PARAMETERS] = {NULL, limit};

	if (!namespace_is_known(call, request->namespace_) ||
		(question = new_question(call, request->query, 3, &query)) == NULL)
		return;
	if ((token.len > 0 &&
		 (token.len != TOKEN_LENGTH || read_number(token.data + 8) != token_hash(token.data, query.hash))) ||
		query.by_status)
	{
		call_fail(call, STATUS_INVALID_ARGUMENT,
				  query.by_status ? "'GROUP BY' clause is not supported in lists" :
				  "invalid next page token", NULL);
		free_question(question);
		visibility_free(&query);
		return;
	}
	if (token.len > 0)
	{
		snprintf(before, sizeof(before), "%" PRId64, (int64_t) read_number(token.data));
		values[0] = before;
	}
	question->page_size = request->page_size > 0 && request->page_size < PAGE_MAX ?
		request->page_size : PAGE_MAX;
	snprintf(limit, sizeof(limit), "%d", question->page_size);
	memcpy(values + 2, query.values, (size_t) query.parameters * sizeof(char *));
	buffer_format(&sql, "SELECT " COLUMNS " FROM taskq.activities WHERE ($1::bigint IS NULL OR run_id < $1)"
				  " AND (%s) ORDER BY run_id DESC LIMIT $2::bigint", query.condition);
	ask(question, "list_activities", &sql, values, 2 + query.parameters, on_list);
	visibility_free(&query);
}

/* ------------------------------------------------------------------------
 * Counts
 * ------------------------------------------------------------------------
 */

/* "Running" of "running" and "TimedOut" of "timed_out", as the protocol's users write them. */
static void
status_name(const char *label, char *name)
{
	bool		is_start = true;

	for (; *label != '\0'; label++)
	{
		if (*label != '_')
			*name++ = is_start ? (char) (*label - 'a' + 'A') : *label;
		is_start = *label == '_';
	}
	*name = '\0';
}

static void
add_groups(Temporal__CountActivityExecutionsResponse *response, const PGresult *result)
{
	int			count = PQntuples(result);

	response->groups = memory_new((size_t) count * sizeof(*response->groups));
	response->n_groups = (size_t) count;
	for (int row = 0; row < count; row++)
	{
		Temporal__CountActivityExecutionsResponse__AggregationGroup *group;
		char		name[40];

		status_name(row_text(result, row, 1), name);
		group = message_new(&temporal__count_activity_executions_response__aggregation_group__descriptor);
		group->count = row_int64(result, row, 0);
		group->group_values = memory_new(sizeof(*group->group_values));
		group->group_values[0] = keyword_payload(name);
		group->n_group_values = 1;
		response->groups[row] = group;
	}
}

static void
on_count(void *arg, DatabaseOutcome outcome, const PGresult *result)
{
	Question   *question = arg;
	Temporal__CountActivityExecutionsResponse *response;

	if (outcome != DATABASE_OK)
		answer_sql_error(question->call, outcome, result, NULL);
	else
	{
		response = message_new(&temporal__count_activity_executions_response__descriptor);
		for (int row = 0; row < PQntuples(result); row++)
			response->count += row_int64(result, row, 0);
		if (question->by_status)
			add_groups(response, result);
		answer(question->call, response);
	}
	free_question(question);
}

/*
 * The method CountActivityExecutions.
 */
void
count_activity_executions(Call *call)
{
	Temporal__CountActivityExecutionsRequest *request = (void *) call->request;
	VisibilityQuery query = {0};
	Question   *question;
	Buffer		sql = {0};

	if (!namespace_is_known(call, request->namespace_) ||
		(question = new_question(call, request->query, 1, &query)) == NULL)
		return;
	buffer_format(&sql, query.by_status ?
				  "SELECT count(*), status::text FROM taskq.activities WHERE %s GROUP BY 2 ORDER BY 2" :
				  "SELECT count(*) FROM taskq.activities WHERE %s", query.condition);
	ask(question, "count_activities", &sql, query.values, query.parameters, on_count);
	visibility_free(&query);
}
