/*
 * settings.h
 *		The settings of taskq.
 */
#ifndef TASKQ_SETTINGS_H
#define TASKQ_SETTINGS_H

extern double taskq_clock_offset;	/* ms added to the clock, for tests */
extern int	taskq_retention;		/* seconds closed activities are kept */
extern int	taskq_max_payload_size; /* kB */
extern int	taskq_max_history_page;	/* kB */
extern int	taskq_notify_interval;	/* ms */
extern int	taskq_arm_after;		/* ms */
extern int	taskq_cursor_check_interval;	/* s */
extern int	taskq_launcher_naptime; /* seconds */
extern int	taskq_max_databases;
extern int	taskq_timer_buffer;		/* entries per database */
extern int	taskq_max_listened_queues;
extern int	taskq_max_watched_runs;
extern int	taskq_max_listener_queues;
extern int	taskq_max_queues;
extern int	taskq_max_lanes;
extern int	taskq_max_pollers;
extern int	taskq_max_delays;
extern int	taskq_heartbeat_slots;
extern int	taskq_heartbeat_flush;	/* ms */
extern int	taskq_function_workers;
extern int	taskq_function_idle_timeout;	/* s */
extern int	taskq_function_memory;	/* MB; 0 = no limit */
extern double taskq_system_rate_limit;	/* tasks per second; 0 = none */

/* retry policy of a call that leaves a field open */
extern int	taskq_default_initial_interval; /* ms */
extern double taskq_default_backoff_coefficient;
extern int	taskq_default_maximum_interval; /* ms; 0 = 100 x initial */
extern int	taskq_default_maximum_attempts; /* 0 = unlimited */

extern void guc_define(void);

#endif							/* TASKQ_SETTINGS_H */
