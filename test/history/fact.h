/*
 * fact.h
 *		What a client of the crash tests logs; see fact.c.
 */
#ifndef HISTORY_FACT_H
#define HISTORY_FACT_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include <libpq-fe.h>

#define FIELDS_SIZE		8192	/* of one line of the log */

typedef enum Answer
{
	OK,
	FAILED,
	UNKNOWN
} Answer;

extern const char *client_name;
extern char refusal[6];			/* SQLSTATE of the last call that failed */
extern long facts;				/* so many have been begun */
extern volatile sig_atomic_t ending;	/* SIGUSR1: no new work */
extern volatile sig_atomic_t stopping;	/* SIGTERM: nothing any more */
extern int	pause_ms;			/* to rest between two calls */

extern void facts_begin(int argc, char **argv);
extern void die(const char *what);
extern int64_t clock_us(void);
extern void rest(int ms);
extern int	chance(int n);
extern void append(char *fields, const char *format,...)
			__attribute__((format(printf, 2, 3)));
extern Answer call(const char *what, const char *fields, PGresult **result,
				   const char *format,...)
			__attribute__((format(printf, 4, 5)));
extern bool undecided(Answer answer);

/* a call whose answer has nothing that the client needs */
#define CALL(what, fields, ...) \
	__extension__ ({ \
		PGresult   *result_; \
		Answer		answer_ = call(what, fields, &result_, __VA_ARGS__); \
		if (answer_ == OK) \
			PQclear(result_); \
		answer_; \
	})

#endif							/* HISTORY_FACT_H */
