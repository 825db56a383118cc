/*
 * plain_memory.h
 *		Memory of malloc(), which never lacks.
 */
#ifndef TASKQ_PLAIN_MEMORY_H
#define TASKQ_PLAIN_MEMORY_H

#include "common/text_buffer.h"

extern const Allocator plain_memory;

extern void *plain_zeroed(size_t size);
extern char *plain_copy(const char *text);

#endif							/* TASKQ_PLAIN_MEMORY_H */
