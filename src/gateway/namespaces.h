/*
 * namespaces.h
 *		The one namespace: the database.
 */
#ifndef TASKQ_GATEWAY_NAMESPACES_H
#define TASKQ_GATEWAY_NAMESPACES_H

#include <stdbool.h>

#include "gateway/call.h"

#define DEFAULT_NAMESPACE "default"

extern bool namespace_is_known(Call *call, const char *name);

#endif
