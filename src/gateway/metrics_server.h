/*
 * metrics_server.h
 *		The numbers of metrics.h over HTTP.
 */
#ifndef TASKQ_GATEWAY_METRICS_SERVER_H
#define TASKQ_GATEWAY_METRICS_SERVER_H

extern void metrics_accept(int fd);

#endif
