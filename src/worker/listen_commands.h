/*
 * listen_commands.h
 *		LISTEN, UNLISTEN and DISCARD, as far as channels of taskq's are meant.
 */
#ifndef TASKQ_LISTEN_COMMANDS_H
#define TASKQ_LISTEN_COMMANDS_H

#include "nodes/nodes.h"

extern void listen_command(Node *statement);

#endif							/* TASKQ_LISTEN_COMMANDS_H */
