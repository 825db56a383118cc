/*
 * statement_counts.c
 *		How often each statement ran, how it ended, and how long that took.
 */
#include "gateway/statement_counts.h"

#include <string.h>

#include "gateway/memory.h"
#include "gateway/metrics.h"

#define OUTCOMES (DATABASE_BROKEN + 1)

/* Of the statements of a name. */
typedef struct Counts
{
	struct Counts *next;
	const char *name;
	Metric		by_outcome[OUTCOMES];
	Metric		seconds;
	Metric		calls;
} Counts;

static Counts *all;

static const char *
labels(const char *format, const char *name, const char *outcome)
{
	Buffer		text = {0};

	buffer_format(&text, format, name, outcome);
	return text.data;
}

static Counts *
find_counts(const char *name)
{
	static const char *const outcomes[] = {"ok", "error", "lost", "unsent", "denied", "broken"};
	Counts	   *counts;

	for (counts = all; counts != NULL; counts = counts->next)
		if (counts->name == name)
			return counts;
	counts = memory_new(sizeof(Counts));
	counts->name = name;
	for (int i = 0; i < OUTCOMES; i++)
		counts->by_outcome[i] = (Metric) {.kind = METRIC_COUNTER, .name = "taskq_gateway_statements_total",
			.labels = labels("statement=\"%s\",outcome=\"%s\"", name, outcomes[i]),
			.help = "Statements that ended."};
	counts->seconds = (Metric) {.kind = METRIC_COUNTER, .name = "taskq_gateway_statement_seconds_total",
		.labels = labels("statement=\"%s\"", name, NULL), .help = "Time that statements took, from being sent."};
	counts->calls = (Metric) {.kind = METRIC_COUNTER, .name = "taskq_gateway_batched_calls_total",
		.labels = labels("statement=\"%s\"", name, NULL), .help = "Calls that became one statement with others."};
	counts->next = all;
	all = counts;
	return counts;
}

/*
 * A statement has ended; how long after it was sent.
 */
void
statement_count(const Statement *statement, DatabaseOutcome outcome, int64_t microseconds)
{
	Counts	   *counts = find_counts(statement->name);

	metric_count(&counts->by_outcome[outcome]);
	metric_add(&counts->seconds, (double) microseconds / 1e6);
}

/*
 * So many calls became one statement.
 */
void
statement_count_calls(const Statement *statement, int calls)
{
	metric_add(&find_counts(statement->name)->calls, calls);
}
