/*
 * metrics.c
 *		Numbers that are counted for whoever watches the gateway.
 */
#include "gateway/metrics.h"

#include <stdlib.h>
#include <string.h>

static Metric *shown;
static int	shown_count;

/*
 * Show the number from now on.
 */
void
metric_show(Metric *metric)
{
	if (metric->is_shown)
		return;
	metric->is_shown = true;
	metric->next = shown;
	shown = metric;
	shown_count++;
}

/*
 * Add to the number.
 */
void
metric_add(Metric *metric, double amount)
{
	metric_show(metric);
	metric->value += amount;
}

/*
 * Add one.
 */
void
metric_count(Metric *metric)
{
	metric_add(metric, 1);
}

static int
compare(const void *a, const void *b)
{
	const Metric *x = *(const Metric *const *) a;
	const Metric *y = *(const Metric *const *) b;
	int			result = strcmp(x->name, y->name);

	return result != 0 ? result : strcmp(x->labels != NULL ? x->labels : "", y->labels != NULL ? y->labels : "");
}

/*
 * Add all that are shown, in the text format of Prometheus.
 */
void
metrics_write(Buffer *to)
{
	const Metric **sorted = memory_new((size_t) shown_count * sizeof(sorted[0]));
	int			count = 0;

	for (const Metric *each = shown; each != NULL; each = each->next)
		sorted[count++] = each;
	qsort(sorted, (size_t) count, sizeof(sorted[0]), compare);
	for (int i = 0; i < count; i++)
	{
		const Metric *each = sorted[i];

		if (i == 0 || strcmp(each->name, sorted[i - 1]->name) != 0)
			buffer_format(to, "# HELP %s %s\n# TYPE %s %s\n", each->name, each->help,
						  each->name, each->kind == METRIC_COUNTER ? "counter" : "gauge");
		buffer_text(to, each->name);
		if (each->labels != NULL)
			buffer_format(to, "{%s}", each->labels);
		buffer_format(to, " %.15g\n", each->read != NULL ? each->read() : each->value);
	}
	free(sorted);
}
