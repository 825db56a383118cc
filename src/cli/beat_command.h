/*
 * beat_command.h
 *		`taskq heartbeat`.
 */
#ifndef TASKQ_BEAT_COMMAND_H
#define TASKQ_BEAT_COMMAND_H

extern int	beat_main(int count, char **arguments);

#endif							/* TASKQ_BEAT_COMMAND_H */
