/*
 * test_visibility.c
 *		Tests of visibility.c and sql_array.c.
 */
#include "tap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/sql_array.h"
#include "gateway/texts.h"
#include "gateway/visibility.h"

/* The condition, and behind it the values. */
static void
expect(const char *text, const char *wanted)
{
	VisibilityQuery query;
	const char *problem;
	TextBuffer	got = text_begin();

	if (!visibility_parse(&query, text, 3, &problem))
		text_buffer_text(&got, problem);
	else
	{
		text_buffer_text(&got, query.condition);
		for (int i = 0; i < query.parameters; i++)
		{
			text_buffer_text(&got, "|");
			text_buffer_text(&got, query.values[i]);
		}
		if (query.by_status)
			text_buffer_text(&got, "|by status");
	}
	if (strcmp(got.data, wanted) != 0)
		fault("%s: %s", text, got.data);
	text_buffer_free(&got);
	visibility_free(&query);
}

static void
good(void)
{
	expect("", "true");
	expect("  ", "true");
	expect("TaskQueue = 'x'", "task_queue = $3::text|x");
	expect("TaskQueue='x''y\\'z' AND `ActivityType` != \"a\"\"b\"", "task_queue = $3::text AND activity_type != $4::text|x'y'z|a\"b");
	expect("ActivityId = ''", "activity_id = $3::text|");
	expect("GROUP BY ExecutionStatus", "true|by status");
	expect("TaskQueue = 'x' group by ExecutionStatus", "task_queue = $3::text|x|by status");
	expect("ExecutionStatus IN ('Running','TIMED_OUT', \"timedout\")",
		   "status IN ($3::taskq.activity_status, $4::taskq.activity_status, $5::taskq.activity_status)|running|timed_out|timed_out");
	expect("Status NOT IN ('Paused')", "status NOT IN ($3::taskq.activity_status)|paused");
	expect("RunId = '0000489e-515e-F811-88d1-72b51e8372fb'",
		   "taskq.run_uuid(run_id) = $3::uuid|0000489e-515e-F811-88d1-72b51e8372fb");
	expect("CloseTime IS NULL or CloseTime is not null", "close_time IS NULL OR close_time IS NOT NULL");
	expect("StartTime BETWEEN '2026-01-31T12:00:00Z' AND '2026-01-31T13:00:00.5+01:00' AND ActivityId STARTS_WITH 'a%'",
		   "schedule_time BETWEEN $3::timestamptz AND $4::timestamptz AND starts_with(activity_id, $5::text)"
		   "|2026-01-31T12:00:00Z|2026-01-31T12:00:00.500Z|a%");
	expect("ExecutionTime >= 1769860800000000001 AND StartTime < -1", "invalid query: not an instant at position 18");
	expect("ExecutionTime >= 176986080000000001 AND StartTime < -1",
		   "execution_time >= $3::timestamptz AND schedule_time < $4::timestamptz|1975-08-11T10:48:00.000000001Z|1969-12-31T23:59:59.999999999Z");
	expect("NOT (ActivityId = 'a' OR (ActivityId NOT STARTS_WITH 'b' AND NOT ActivityId > 'c'))",
		   "NOT (activity_id = $3::text OR (NOT starts_with(activity_id, $4::text) AND NOT activity_id > $5::text))|a|b|c");
	expect("ActivityId NOT BETWEEN 'a' AND 'b'", "activity_id NOT BETWEEN $3::text AND $4::text|a|b");
	expect("ActivityId = 'x; DROP TABLE y; --'", "activity_id = $3::text|x; DROP TABLE y; --");
	no_fault("queries are conditions");
}

static void
bad(void)
{
	char	   *deep = repeated("(", 10000);
	char	   *negated = repeated("NOT ", 2000);
	char	   *many = repeated("ActivityId='a' OR ", 65);
	char	   *last = repeated("ActivityId='a' OR ", 64);

	expect("Nothing = 1", "invalid query: Nothing is no column of activities at position 1");
	expect("activityid = 'x'", "invalid query: activityid is no column of activities at position 1");
	expect("ActivityId", "invalid query: a comparison is expected at position 11");
	expect("ActivityId = ", "invalid query: a value is expected at position 14");
	expect("ActivityId = x", "invalid query: a value is expected at position 14");
	expect("ActivityId = 5", "invalid query: ActivityId is compared with strings at position 14");
	expect("ActivityId = 'x", "invalid query: string without an end at position 14");
	expect("ActivityId = 'x\\", "invalid query: string without an end at position 14");
	expect("ActivityId = 'x' ActivityId", "invalid query: nothing more is expected at position 18");
	expect("ActivityId = 'x')", "invalid query: nothing more is expected at position 17");
	expect("(ActivityId = 'x'", "invalid query: \")\" is expected at position 18");
	expect("ActivityId = 'x' AND", "invalid query: a condition is expected at position 21");
	expect("ActivityId NOT = 'x'", "invalid query: IN, BETWEEN or STARTS_WITH is expected at position 16");
	expect("ActivityId NOT 'x'", "invalid query: IN, BETWEEN or STARTS_WITH is expected at position 16");
	expect("ActivityId IS 'x'", "invalid query: NULL is expected at position 15");
	expect("ActivityId IN 'x'", "invalid query: \"(\" is expected at position 15");
	expect("ActivityId IN ()", "invalid query: a value is expected at position 16");
	expect("ActivityId BETWEEN 'a' OR 'b'", "invalid query: AND is expected at position 24");
	expect("ExecutionStatus = 'Done'", "invalid query: not a status at position 19");
	expect("ExecutionStatus < 'Running'", "invalid query: ExecutionStatus has no order at position 17");
	expect("RunId BETWEEN 'a' AND 'b'", "invalid query: RunId has no order at position 15");
	expect("RunId = 'x'", "invalid query: not a run id at position 9");
	expect("StartTime = 'today'", "invalid query: not an instant such as '2026-01-31T12:00:00Z' at position 13");
	expect("StartTime STARTS_WITH '2026'", "invalid query: StartTime is no text at position 23");
	expect("GROUP BY TaskQueue", "invalid query: GROUP BY takes ExecutionStatus alone at position 10");
	expect("GROUP", "invalid query: BY is expected at position 6");
	expect("ORDER BY StartTime", "invalid query: ORDER BY is not implemented at position 1");
	expect("ActivityId = 'x' ORDER BY StartTime", "invalid query: ORDER BY is not implemented at position 18");
	expect("\xFF", "invalid query: a name is expected at position 1");
	no_fault("what is no query is refused, and people are told where");
	deep[9000] = '\0';
	expect(deep, "invalid query: longer than 8192 bytes at position 1");
	deep[8000] = '\0';
	expect(deep, "invalid query: nested too deeply at position 51");
	negated[8000] = '\0';
	expect(negated, "invalid query: nested too deeply at position 201");
	expect(many, "invalid query: more than 64 values at position 1164");
	expect(last, "invalid query: a condition is expected at position 1153");
	no_fault("... also if it is large");
	free(deep);
	free(negated);
	free(many);
	free(last);
}

static void
hashes(void)
{
	VisibilityQuery a;
	VisibilityQuery b;
	const char *problem;

	visibility_parse(&a, "ActivityId = 'a'", 1, &problem);
	visibility_parse(&b, "ActivityId = 'b'", 1, &problem);
	ok(a.hash != b.hash, "queries are told from each other");
	visibility_free(&a);
	visibility_free(&b);
}

/* Every query that is cut short, or has a byte changed, is judged. */
static void
broken(void)
{
	static const char text[] = "(`ActivityId` NOT IN ('a''b', \"c\\\"\") OR StartTime >= 12) GROUP BY ExecutionStatus";
	VisibilityQuery query;
	const char *problem;

	for (size_t i = 0; i < strlen(text); i++)
	{
		for (int byte = 0; byte < 256; byte++)
		{
			char	   *copy = strdup(text);

			copy[i] = (char) byte;
			if (!visibility_parse(&query, copy, 1, &problem) && strncmp(problem, "invalid query: ", 15) != 0)
				fault("%s", copy);
			visibility_free(&query);
			free(copy);
		}
	}
	no_fault("broken queries are judged");
}

static void
arrays(void)
{
	static const unsigned char uuid[] = {0, 0, 0x48, 0x9E, 0x51, 0x5E, 0xF8, 0x11, 0x88, 0xD1, 0x72, 0xB5, 0x1E, 0x83, 0x72, 0xFB};
	SqlArray	array = {0};

	sql_array_begin(&array);
	is_text(sql_array_end(&array), "{}", "an empty array");
	sql_array_begin(&array);
	sql_array_add(&array, "a");
	sql_array_add(&array, NULL);
	sql_array_add(&array, "");
	sql_array_add(&array, "{\"x\": \"\\\\\"}");
	sql_array_add(&array, "NULL");
	sql_array_add_uuid(&array, uuid);
	sql_array_add_uuid(&array, NULL);
	is_text(sql_array_end(&array),
			"{\"a\",NULL,\"\",\"{\\\"x\\\": \\\"\\\\\\\\\\\"}\",\"NULL\",\"0000489e-515e-f811-88d1-72b51e8372fb\",NULL}",
			"elements of all kinds");
	sql_array_free(&array);
	sql_array_begin(&array);
	sql_array_add(&array, NULL);
	is_text(sql_array_end(&array), "{NULL}", "... and NULL alone");
	sql_array_free(&array);
}

int
main(void)
{
	good();
	bad();
	hashes();
	broken();
	arrays();
	return done();
}
