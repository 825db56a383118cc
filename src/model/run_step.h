/*
 * run_step.h
 *		One step of a run: events that it appends to the history, what else is to
 *		be done, and what becomes of its workflow task.
 */
#ifndef TASKQ_RUN_STEP_H
#define TASKQ_RUN_STEP_H

#include "model/history_event.h"
#include "model/run.h"
#include "model/value_sizes.h"

/* The largest history. */
#define MOST_HISTORY_EVENTS	(50 * 1024)
#define MOST_HISTORY_BYTES	(50 * 1024 * 1024)

/* An event that has no number yet: it waits for the task in progress. */
typedef struct RunMail
{
	int			type;			/* a ProtoEventType */
	TimestampTz time;
	Jsonb	   *attributes;
	TimestampTz started_time;	/* of the activity's last attempt, if ... */
	int64		started_event_id;	/* of that, once it has a number; 0 before */
	Jsonb	   *started;		/* attributes of ActivityTaskStarted; NULL = never started */
	bool		dropped;		/* nobody is to see it any more */
} RunMail;

/* What is to be done beside appending events. */
typedef enum RunActionType
{
	RUN_SCHEDULE_ACTIVITY,
	RUN_CANCEL_ACTIVITY,		/* its worker is to hear of it */
	RUN_DROP_ACTIVITY,			/* canceled before it was started */
	RUN_START_TIMER,
	RUN_CANCEL_TIMER,
	RUN_UPSERT_ATTRIBUTES,
	RUN_UPSERT_MEMO
} RunActionType;

typedef struct RunAction
{
	RunActionType type;
	int64		event_id;		/* of the command's event */
	int64		run_id;			/* of a pending activity */
	const char *id;				/* activity_id or timer_id */
	TimestampTz when;			/* a timer fires */
	Jsonb	   *attributes;		/* of that event */
	Jsonb	   *user_metadata;
	bool		eager;			/* its start may be answered at once */
} RunAction;

/* How the run goes on as another one. */
typedef struct RunSuccessor
{
	int64		run_id;			/* 0 = it does not */
	int			initiator;		/* a ProtoContinueAsNewInitiator */
	int64		backoff;		/* us until its first task */
	Jsonb	   *command;		/* of CONTINUE_AS_NEW */
	Jsonb	   *failure;		/* of a retry */
} RunSuccessor;

/* An activity of the run that is not closed. */
typedef struct PendingActivity
{
	int64		run_id;
	char	   *activity_id;
	bool		in_progress;	/* a worker has it */
	bool		canceling;		/* and is asked to end it */
} PendingActivity;

/* What a step may ask of the tables.  Nothing is written. */
typedef struct RunWorld
{
	bool		(*activity) (const Run *run, int64 scheduled_event_id,
							 PendingActivity *activity);
	bool		(*activity_ends) (int64 run_id, int64 scheduled_event_id);
	bool		(*activity_named) (int64 run_id, const char *activity_id);
	bool		(*timer) (int64 run_id, const char *timer_id, int64 *started_event_id);
	Jsonb	   *(*first_event) (const Run *run);
	int64		(*new_run_id) (void);
	char	   *(*run_uuid) (int64 run_id);
	bool		(*is_alive) (const text *sticky_queue);
} RunWorld;

typedef struct RunStep
{
	Run		   *run;			/* changed in place */
	const RunWorld *world;
	TimestampTz now;
	const char *identity;		/* of who asks */

	HistoryEvent *events;
	int			nevents;
	int			max_events;
	RunAction  *actions;
	int			nactions;
	int			max_actions;
	RunMail    *mail;			/* what waited, and what this step adds to it */
	int			nmail;
	int			max_mail;
	int			mail_before;	/* of those: what waited */
	bool		timer_ended;	/* so another one may be the first */
	ValueSizes *memo_sizes;		/* with what the commands change; NULL = nothing yet */
	ValueSizes *attribute_sizes;

	RunStatus	close;			/* RUN_STATUS_RUNNING = it goes on */
	Jsonb	   *outcome;		/* result payloads, or failure, of the close */
	RunSuccessor successor;
} RunStep;

extern void run_step_begin(RunStep *step, Run *run, const RunWorld *world,
						   TimestampTz now, const char *identity);
extern void run_step_mail(RunStep *step, const RunMail *mail);
extern RunAction *run_step_action(RunStep *step, RunActionType type);
extern int64 run_add_event(RunStep *step, int type, Jsonb *attributes);
extern HistoryEvent *run_last_event(RunStep *step);
extern void run_write_scheduled(RunStep *step);
extern void run_add_task_events(RunStep *step);
extern int64 run_stored_events(const Run *run);
extern bool run_task_is_transient(const Run *run);
extern void run_synthetic_events(const Run *run, HistoryEvent *scheduled,
								 HistoryEvent *started);
extern char *run_poll_request_id(int64 run_id, int64 nonce);
extern bool run_has_task_started(const Run *run);
extern bool run_history_is_long(const Run *run);
extern bool run_history_is_full(const RunStep *step);

#endif							/* TASKQ_RUN_STEP_H */
