/*
 * printing.h
 *		Rows for people, and for programs.
 */
#ifndef TASKQ_PRINTING_H
#define TASKQ_PRINTING_H

#include <libpq-fe.h>
#include <stdbool.h>

extern void print_table(const PGresult *result, int columns);
extern void print_record(const PGresult *result);
extern void print_json(const PGresult *result);

#endif							/* TASKQ_PRINTING_H */
