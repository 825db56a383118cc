/*
 * notifications.c
 *		What others do in the database: whom it may concern is woken.
 */
#include "gateway/notifications.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/memory.h"
#include "gateway/parked.h"
#include "gateway/run_waiters.h"

static void
stop_worker(const char *payload)
{
	char	   *worker = memory_text(payload);
	char	   *queue = strchr(worker, '\t');

	if (queue != NULL)
	{
		*queue++ = '\0';
		parked_stop_worker(worker, queue);
	}
	free(worker);
}

/*
 * A NotifyHandler for database_init().
 */
void
notification_arrived(const char *channel, const char *payload)
{
	if (channel == NULL)
	{
		parked_notified(NULL, NULL);
		run_waiters_notified(NULL);
	}
	else if (strcmp(channel, WORKER_STOP_CHANNEL) == 0)
		stop_worker(payload);
	else if (!parked_notified(channel, payload))
		run_waiters_notified(payload);
}
