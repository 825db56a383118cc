/*
 * proto_events.h
 *		The kinds of events and of commands: their numbers, names, attributes.
 */
#ifndef TASKQ_PROTO_EVENTS_H
#define TASKQ_PROTO_EVENTS_H

#include "common/proto_enums.h"
#include "common/text_buffer.h"

/* A kind of event or command. */
typedef struct ProtoKind
{
	int			number;			/* a ProtoEventType or ProtoCommandType */
	const char *constant;		/* "EVENT_TYPE_TIMER_STARTED", "COMMAND_TYPE_START_TIMER" */
	const char *name;			/* "timer_started", "start_timer" */
	const char *key;			/* of its attributes: "timerStartedEventAttributes" */
} ProtoKind;

extern const ProtoKind *proto_event_kind(ProtoEventType number);
extern const ProtoKind *proto_event_named(Slice name);
extern const ProtoKind *proto_command_kind(ProtoCommandType number);
extern const ProtoKind *proto_command_named(Slice name);

#endif							/* TASKQ_PROTO_EVENTS_H */
