/*
 * search_values.h
 *		Search attributes: payloads with a type, decoded.
 */
#ifndef TASKQ_SEARCH_VALUES_H
#define TASKQ_SEARCH_VALUES_H

#include "utils/jsonb.h"

/* One of them: its name, and the type that its payload tells. */
typedef void (*SearchValueReader) (void *arg, const char *name, const char *type);

extern bool search_type_is_known(const char *type);
extern Jsonb *search_values(Jsonb *fields);
extern Jsonb *search_values_merged(Jsonb *values, Jsonb *fields);
extern Jsonb *search_values_exact(Jsonb *values);
extern Jsonb *search_values_untyped(Jsonb *values);
extern void search_value_types(Jsonb *fields, SearchValueReader reader, void *arg);

#endif							/* TASKQ_SEARCH_VALUES_H */
