/*
 * health_service.h
 *		gRPC's own health check.
 */
#ifndef TASKQ_GATEWAY_HEALTH_SERVICE_H
#define TASKQ_GATEWAY_HEALTH_SERVICE_H

#include "gateway/call.h"

#define HEALTH_CHECK_PATH "/grpc.health.v1.Health/Check"

extern void health_check(Call *call);
extern void health_end(void);

#endif
