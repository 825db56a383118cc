/*
 * delivery.h
 *		A task that was handed out: if its answer is lost on the way, its
 *		attempt is given back, and does not count.
 */
#ifndef TASKQ_GATEWAY_DELIVERY_H
#define TASKQ_GATEWAY_DELIVERY_H

#include <stdbool.h>
#include <stdint.h>

typedef void (*GivenBackHandler) (const char *queue);

extern void *delivery_new(const char *role, const char *queue, const uint8_t *token,
						  GivenBackHandler handler);
extern void delivery_done(void *arg, bool delivered);

#endif
