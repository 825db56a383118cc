/*
 * tap.h
 *		Tests of the gateway's parts, each file a program that prints TAP.
 */
#ifndef TASKQ_TEST_TAP_H
#define TASKQ_TEST_TAP_H

#include <stdbool.h>
#include <stddef.h>

#include "common/text_buffer.h"

extern void ok(bool passed, const char *format,...) __attribute__((format(printf, 2, 3)));
extern void is_text(const char *got, const char *wanted, const char *claim);
extern int	done(void);

/* What many looks find is one assertion: the first faults are told. */
extern void fault(const char *format,...) __attribute__((format(printf, 1, 2)));
extern void no_fault(const char *claim);

/* Do two JSON texts mean the same?  Payload data is compared as its encoding says. */
extern bool same_json(Slice a, Slice b);

extern char *repeated(const char *text, size_t times);
extern Slice read_file(const char *path);

#endif
