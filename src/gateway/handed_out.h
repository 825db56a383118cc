/*
 * handed_out.h
 *		Which run a task token is of, as far as this gateway has handed it out.
 */
#ifndef TASKQ_GATEWAY_HANDED_OUT_H
#define TASKQ_GATEWAY_HANDED_OUT_H

#include <stdint.h>

extern void handed_out_note(const uint8_t *token, const uint8_t *run);
extern const uint8_t *handed_out_run(const uint8_t *token);

#endif
