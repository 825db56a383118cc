/*
 * utf8.h
 *		UTF-8, as PostgreSQL and JSON want it.
 */
#ifndef TASKQ_UTF8_H
#define TASKQ_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

extern int	utf8_length(const char *text, size_t length);
extern bool utf8_valid(const char *text, size_t length);
extern int	utf8_encode(uint32_t character, char *to);

#endif							/* TASKQ_UTF8_H */
