/*
 * server_memory.h
 *		The memory that common/ gets in the server.
 */
#ifndef TASKQ_SERVER_MEMORY_H
#define TASKQ_SERVER_MEMORY_H

#include "common/text_buffer.h"

extern const Allocator server_allocator;

#endif							/* TASKQ_SERVER_MEMORY_H */
