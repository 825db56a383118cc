/*
 * plain_memory.c
 *		Memory of malloc(), which never lacks: a program without any aborts.
 */
#include "client/plain_memory.h"

#include <stdlib.h>
#include <string.h>

static void *
resize(void *memory, size_t size)
{
	memory = realloc(memory, size > 0 ? size : 1);
	if (memory == NULL)
		abort();
	return memory;
}

const Allocator plain_memory = {.resize = resize, .release = free};

/*
 * plain_zeroed: memory that is all zeros; free() gives it back.
 */
void *
plain_zeroed(size_t size)
{
	return memset(resize(NULL, size), 0, size);
}

/*
 * plain_copy: a copy of a text, for free(); NULL of NULL.
 */
char *
plain_copy(const char *text)
{
	return text == NULL ? NULL : strcpy(resize(NULL, strlen(text) + 1), text);
}
