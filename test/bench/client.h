/*
 * client.h
 *		What the benchmark's clients share; see client.c.
 */
#ifndef BENCH_CLIENT_H
#define BENCH_CLIENT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include <libpq-fe.h>

/* A point or a span of time, in microseconds of the monotonic clock. */
typedef int64_t usec;

#define USEC_PER_SECOND 1000000

/*
 * How often each duration was seen, with an error below 4 percent: each power
 * of two has its 32 buckets.
 */
#define HISTOGRAM_SUB	32
#define HISTOGRAM_SIZE	(32 * HISTOGRAM_SUB)

typedef struct Histogram
{
	uint64_t	n;
	uint32_t	bucket[HISTOGRAM_SIZE];
} Histogram;

/* A command line option, --name=value. */
typedef struct Option
{
	const char *name;			/* NULL ends the list */
	const char **text;			/* where a text goes, or ... */
	long	   *number;			/* ... a number */
} Option;

extern void die(const char *format,...)
			__attribute__((noreturn, format(printf, 1, 2)));
extern void options_parse(int argc, char **argv, const Option *options);

extern usec clock_us(void);
extern void sleep_until(usec when);

extern void histogram_add(Histogram *histogram, usec duration);
extern void histogram_merge(Histogram *into, const Histogram *from);
extern usec histogram_percentile(const Histogram *histogram, double percent);
extern void histogram_print(const char *name, const Histogram *histogram);

extern PGconn *connect_as(const char *application_name);
extern void prepare(PGconn *conn, const char *name, const char *sql);
extern PGresult *run(PGconn *conn, const char *name, int n,
					 const char *const *values);
extern PGresult *try_to_run(PGconn *conn, const char *name, int n,
							const char *const *values);
extern void command(PGconn *conn, const char *sql);
extern char *query_text(PGconn *conn, const char *sql);

extern void process_cpu(int pid, usec *cpu, long *wakes);
extern long process_memory(int pid, const char *field);

#endif							/* BENCH_CLIENT_H */
