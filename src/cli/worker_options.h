/*
 * worker_options.h
 *		What `taskq worker` is asked to do.
 */
#ifndef TASKQ_WORKER_OPTIONS_H
#define TASKQ_WORKER_OPTIONS_H

#include "cli/connection_options.h"

#define WORKER_QUEUES 64

typedef struct WorkerOptions
{
	ConnectionOptions connection;
	char	   *queues[WORKER_QUEUES];
	int			queue_count;
	const char *type;			/* NULL: all */
	char	  **command;		/* NULL: --noop */
	char	   *identity;
	int			concurrency;
	bool		once;
	bool		drain;
	bool		json;			/* lines of the log */
	bool		command_beats;	/* no heartbeats but the command's */
	const char *snooze;
	double		max_per_second; /* 0: no limit */
	int64_t		grace;			/* microseconds */
	int64_t		kill_after;
	int64_t		connect_timeout;	/* 0: none */
} WorkerOptions;

extern int	worker_options_read(WorkerOptions *options, int count, char **arguments);

#endif							/* TASKQ_WORKER_OPTIONS_H */
