/*
 * metrics.h
 *		Numbers that are counted for whoever watches the gateway, in the terms of
 *		Prometheus.
 */
#ifndef TASKQ_GATEWAY_METRICS_H
#define TASKQ_GATEWAY_METRICS_H

#include <stdbool.h>

#include "gateway/memory.h"

typedef enum MetricKind
{
	METRIC_COUNTER,				/* only grows */
	METRIC_GAUGE
} MetricKind;

/*
 * A number with its name. Lives in a static variable of whoever counts, or in
 * memory that is never given back; is shown once it was counted or shown.
 */
typedef struct Metric
{
	MetricKind	kind;
	const char *name;			/* "taskq_gateway_..."; counters end in "_total" */
	const char *labels;			/* key="value",...; or NULL */
	const char *help;			/* one sentence, the same for all of this name */
	double		(*read) (void); /* asked each time, if set; else value */
	double		value;
	bool		is_shown;
	struct Metric *next;
} Metric;

extern void metric_show(Metric *metric);
extern void metric_add(Metric *metric, double amount);
extern void metric_count(Metric *metric);
extern void metrics_write(Buffer *to);

#endif
