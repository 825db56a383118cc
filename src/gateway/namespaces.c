/*
 * namespaces.c
 *		The one namespace: the database, by its own name or "default".
 */
#include "gateway/namespaces.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/database.h"
#include "gateway/memory.h"
#include "gateway/proto/errordetails.pb-c.h"

/*
 * Is the namespace ours? If not, the call is answered.
 */
bool
namespace_is_known(Call *call, const char *name)
{
	Temporal__NamespaceNotFoundFailure detail = TEMPORAL__NAMESPACE_NOT_FOUND_FAILURE__INIT;
	Buffer		message = {0};

	if (strcmp(name, DEFAULT_NAMESPACE) == 0)
		return true;
	if (*name == '\0')
	{
		call_fail(call, STATUS_INVALID_ARGUMENT, "Namespace not set on request.", NULL);
		return false;
	}
	/* a worker that hears of an unknown namespace stops for good */
	if (database_name() == NULL)
	{
		call_fail(call, STATUS_UNAVAILABLE, "There is no connection to the database yet.", NULL);
		return false;
	}
	if (strcmp(name, database_name()) == 0)
		return true;
	detail.namespace_ = (char *) name;
	buffer_format(&message, "Namespace %s is not found.", name);
	call_fail(call, STATUS_NOT_FOUND, message.data, &detail.base);
	buffer_free(&message);
	return false;
}
