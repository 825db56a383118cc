/*
 * log.h
 *		The log: lines on standard error, for people or as JSON.
 */
#ifndef TASKQ_GATEWAY_LOG_H
#define TASKQ_GATEWAY_LOG_H

#include <stdbool.h>

typedef enum LogLevel
{
	LOG_LEVEL_DEBUG,
	LOG_LEVEL_INFO,
	LOG_LEVEL_WARNING,
	LOG_LEVEL_ERROR
} LogLevel;

extern void log_init(LogLevel least, bool json);
extern bool log_level_named(const char *name, LogLevel *level);

/* One line, without a newline at its end. */
extern void log_line(LogLevel level, const char *format,...) __attribute__((format(printf, 2, 3)));

#endif
