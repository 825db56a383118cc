/*
 * notifications.h
 *		What others do in the database: whom it may concern is woken.
 */
#ifndef TASKQ_GATEWAY_NOTIFICATIONS_H
#define TASKQ_GATEWAY_NOTIFICATIONS_H

/*
 * Gateways tell each other of workers that stop, whose polls may be at any of
 * them: the payload is the worker's key, a tab, and its sticky queue.
 */
#define WORKER_STOP_CHANNEL "taskq_gateway_worker_stop"

extern void notification_arrived(const char *channel, const char *payload);

#endif
