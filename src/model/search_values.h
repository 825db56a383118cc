/*
 * search_values.h
 *		Search attributes: payloads with a type, decoded.
 */
#ifndef TASKQ_SEARCH_VALUES_H
#define TASKQ_SEARCH_VALUES_H

#include "utils/jsonb.h"

/* One of them, as a payload has it. */
typedef struct SearchValue
{
	const char *name;
	const char *type;			/* that the payload tells, or NULL */
	Jsonb	   *value;			/* NULL = no JSON, or "removes" */
	bool		removes;		/* the attribute is to go */
} SearchValue;

typedef void (*SearchValueReader) (void *arg, const SearchValue *value);

/* the type that a name is declared with, or NULL */
typedef const char *(*SearchTypeLookup) (const char *name);

extern bool search_type_is_known(const char *type);
extern bool search_value_fits(Jsonb *value, const char *type);
extern const char *search_type_of(Jsonb *value);
extern Jsonb *search_values(Jsonb *fields);
extern Jsonb *search_values_merged(Jsonb *values, Jsonb *fields);
extern Jsonb *search_values_exact(Jsonb *values, SearchTypeLookup declared);
extern void search_values_read(Jsonb *fields, SearchValueReader reader, void *arg);

#endif							/* TASKQ_SEARCH_VALUES_H */
