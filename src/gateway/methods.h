/*
 * methods.h
 *		The methods that the gateway has.
 */
#ifndef TASKQ_GATEWAY_METHODS_H
#define TASKQ_GATEWAY_METHODS_H

#include "gateway/call.h"

extern const Method *gateway_methods(int *count);

#endif
