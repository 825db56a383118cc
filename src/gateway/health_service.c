/*
 * health_service.c
 *		gRPC's own health check.
 *
 * The gateway serves as long as it has its database, and isn't ending.
 */
#include "gateway/health_service.h"

#include <string.h>

#include "gateway/database.h"
#include "gateway/proto/health.pb-c.h"

static bool is_ending;

/* Services that may be asked for, beside the whole. */
static const char *const services[] = {
	"",
	"grpc.health.v1.Health",
	"temporal.api.operatorservice.v1.OperatorService",
	"temporal.api.workflowservice.v1.WorkflowService",
};

/*
 * The method Check.
 */
void
health_check(Call *call)
{
	const Health__HealthCheckRequest *request = (const Health__HealthCheckRequest *) call->request;
	Health__HealthCheckResponse response;
	bool		is_known = false;

	for (size_t i = 0; i < sizeof(services) / sizeof(services[0]); i++)
		is_known = is_known || strcmp(request->service, services[i]) == 0;
	if (!is_known)
	{
		call_fail(call, STATUS_NOT_FOUND, "unknown service", NULL);
		return;
	}
	health__health_check_response__init(&response);
	response.status = database_is_up() && !is_ending ?
		HEALTH__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING :
		HEALTH__HEALTH_CHECK_RESPONSE__SERVING_STATUS__NOT_SERVING;
	call_reply(call, &response.base);
}

/*
 * The gateway ends: nobody should come any more.
 */
void
health_end(void)
{
	is_ending = true;
}
