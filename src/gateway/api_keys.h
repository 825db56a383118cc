/*
 * api_keys.h
 *		Keys that clients show, and the roles that they stand for.
 */
#ifndef TASKQ_GATEWAY_API_KEYS_H
#define TASKQ_GATEWAY_API_KEYS_H

#include <stdbool.h>

#include "gateway/memory.h"

extern bool api_keys_load(const char *path, Buffer *error);
extern const char *api_key_refusal(const char *authorization, const char **role);

#endif
