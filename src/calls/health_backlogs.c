/*
 * health_backlogs.c
 *		What taskq.health says of tasks that wait for workers.
 */
#include "postgres.h"

#include "executor/spi.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "calls/health_backlogs.h"
#include "calls/health_report.h"
#include "store/catalog.h"

/* a task may wait so long for a worker */
#define LONG_WAIT			USECS_PER_HOUR

/* likewise one of workflows that nobody has polled for, which is known for as long */
#define LONELY_WAIT			(5 * USECS_PER_MINUTE)

/* A queue whose oldest task has waited for longest. */
typedef struct Oldest
{
	char	   *queue;			/* NULL = there is none */
	TimestampTz since;
} Oldest;

static void
note_oldest(Oldest *oldest, MemoryContext context, const char *queue, TimestampTz since)
{
	if (oldest->queue != NULL)
		return;
	oldest->queue = MemoryContextStrdup(context, queue);
	oldest->since = since;
}

/* of all queues, and of those of workflows that nobody polls; locks are held */
static void
find_oldest(Oldest *any, Oldest *lonely)
{
	MemoryContext context = CurrentMemoryContext;

	SPI_connect();
	if (SPI_execute("SELECT c.task_queue, c.oldest, c.kind OPERATOR(pg_catalog.=) 'workflow'::taskq.task_kind AND NOT EXISTS"
					" (SELECT FROM taskq.poller_states() p WHERE p.kind OPERATOR(pg_catalog.=) c.kind"
					" AND p.task_queue OPERATOR(pg_catalog.=) c.task_queue)"
					" FROM taskq.queue_counts() c WHERE c.oldest IS NOT NULL ORDER BY c.oldest USING OPERATOR(pg_catalog.<)",
					true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read taskq.queue_counts()");
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		HeapTuple	row = SPI_tuptable->vals[i];
		TupleDesc	desc = SPI_tuptable->tupdesc;
		bool		isnull;
		char	   *queue = SPI_getvalue(row, desc, 1);
		TimestampTz since = DatumGetTimestampTz(SPI_getbinval(row, desc, 2, &isnull));

		note_oldest(any, context, queue, since);
		if (DatumGetBool(SPI_getbinval(row, desc, 3, &isnull)))
			note_oldest(lonely, context, queue, since);
	}
	SPI_finish();
}

static void
report_oldest(FunctionCallInfo fcinfo, const Oldest *oldest)
{
	static const char check[] = "oldest_backlog";
	int64		waited = Max(clock_now() - oldest->since, 0);

	if (oldest->queue == NULL)
		health_report(fcinfo, check, HEALTH_OK, "no task is waiting", NULL);
	else
		health_report(fcinfo, check, waited > LONG_WAIT ? HEALTH_WARNING : HEALTH_OK,
					  psprintf("a task of queue \"%s\" has waited for %s", oldest->queue,
							   health_span(waited)),
					  "Are there enough workers, and is the queue neither paused nor limited?");
}

static void
report_lonely(FunctionCallInfo fcinfo, const Oldest *lonely)
{
	static const char check[] = "workflow_workers";
	int64		waited = Max(clock_now() - lonely->since, 0);

	if (lonely->queue == NULL || waited <= LONELY_WAIT)
		health_report(fcinfo, check, HEALTH_OK,
					  "no workflow task has waited for long where nobody polls", NULL);
	else
		health_report(fcinfo, check, HEALTH_WARNING,
					  psprintf("a workflow task of queue \"%s\" has waited for %s, and nobody polls there",
							   lonely->queue, health_span(waited)),
					  "Start a worker for the workflows of that queue, or see whether the name is right.");
}

/* health_of_backlogs: oldest_backlog and workflow_workers. */
void
health_of_backlogs(FunctionCallInfo fcinfo)
{
	Oldest		any = {0};
	Oldest		lonely = {0};

	if (!catalog_lock_at_once(catalog()->open, OPEN_READY))
	{
		health_cannot_look(fcinfo, "oldest_backlog");
		health_cannot_look(fcinfo, "workflow_workers");
		return;
	}
	find_oldest(&any, &lonely);
	report_oldest(fcinfo, &any);
	report_lonely(fcinfo, &lonely);
}
