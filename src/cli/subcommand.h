/*
 * subcommand.h
 *		Carries out a subcommand that is one call.
 */
#ifndef TASKQ_SUBCOMMAND_H
#define TASKQ_SUBCOMMAND_H

#include "cli/subcommands.h"

extern const Subcommand *subcommand_find(int count, char **arguments, int *words);
extern int	subcommand_main(const Subcommand *subcommand, int count, char **arguments);

#endif							/* TASKQ_SUBCOMMAND_H */
