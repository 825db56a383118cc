/*
 * subcommands.h
 *		Subcommands that are one call: what each takes, and which SQL it is.
 */
#ifndef TASKQ_SUBCOMMANDS_H
#define TASKQ_SUBCOMMANDS_H

#include <stdbool.h>

#define MOST_PLACES 3

/* An option or place, and the argument of the SQL function that it gives. */
typedef struct SubcommandArgument
{
	const char *name;			/* of the option, or in the usage */
	const char *parameter;		/* its name in SQL, or NULL where there are none */
	const char *value;			/* SQL, with %d for the number of the parameter */
	bool		is_flag;		/* an option without a value */
	const char *help;
} SubcommandArgument;

/* What a subcommand does with a result. */
typedef enum SubcommandKind
{
	SUBCOMMAND_ROWS,
	SUBCOMMAND_QUIET,			/* nothing but errors; rows with --where */
	SUBCOMMAND_LIST,
	SUBCOMMAND_RECORD,			/* one row, a line for each column */
	SUBCOMMAND_RESULT,			/* status, result, failure */
	SUBCOMMAND_HEALTH
} SubcommandKind;

typedef struct Subcommand
{
	const char *name;			/* one word or two */
	const char *summary;
	SubcommandKind kind;
	const char *before;			/* the statement, up to the arguments */
	const char *after;			/* and after them */
	const char *before_many;	/* the same for --where; NULL: it has none */
	const SubcommandArgument *places;
	int			places_needed;
	const SubcommandArgument *options;
	const char *fixed;			/* an argument that is always given, or NULL */
} Subcommand;

extern const Subcommand subcommands[];

#endif							/* TASKQ_SUBCOMMANDS_H */
