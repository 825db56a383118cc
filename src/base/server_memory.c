/*
 * server_memory.c
 *		The memory that common/ gets in the server: of the current memory
 *		context, of which an error gives all back.
 */
#include "postgres.h"

#include "base/server_memory.h"

static void *
resize(void *memory, size_t size)
{
	return memory == NULL ? palloc(size) : repalloc(memory, size);
}

const Allocator server_allocator = {.resize = resize,.release = pfree};
