/*
 * proto_numbers.h
 *		Numbers as the JSON form of protobuf has them.
 */
#ifndef TASKQ_PROTO_NUMBERS_H
#define TASKQ_PROTO_NUMBERS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/text_buffer.h"

extern bool proto_double_read(Slice json, double *value);
extern void proto_double_write(TextBuffer *to, double value, bool is_float);
extern bool proto_integer_read(Slice json, int64_t least, uint64_t most, uint64_t *value);

#endif							/* TASKQ_PROTO_NUMBERS_H */
