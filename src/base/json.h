/*
 * json.h
 *		Small helpers to build and read jsonb objects.
 */
#ifndef TASKQ_JSON_H
#define TASKQ_JSON_H

#include "utils/jsonb.h"

/* An object under construction; NULL values are left out. */
typedef struct JsonBuilder
{
	JsonbParseState *state;
	bool		empty;
} JsonBuilder;

extern void json_begin(JsonBuilder *builder);
extern void json_add(JsonBuilder *builder, const char *key, Jsonb *value);
extern void json_add_value(JsonBuilder *builder, const char *key,
						   JsonbValue *value);
extern void json_add_text(JsonBuilder *builder, const char *key,
						  const char *value);
extern void json_add_int64(JsonBuilder *builder, const char *key, int64 value);
extern void json_add_float8(JsonBuilder *builder, const char *key,
							double value);
extern void json_add_true(JsonBuilder *builder, const char *key, bool value);
extern void json_add_null(JsonBuilder *builder, const char *key);
extern void json_add_members(JsonBuilder *builder, Jsonb *object,
							 const char *except);
extern Jsonb *json_end(JsonBuilder *builder);

extern bool json_text_exceeds(Datum payload, Size limit);

extern JsonbValue *json_get(Jsonb *object, const char *key);
extern char *json_get_text(Jsonb *object, const char *key);
extern int64 json_get_int64(Jsonb *object, const char *key, int64 missing);
extern bool json_get_bool(Jsonb *object, const char *key);
extern Jsonb *json_get_object(Jsonb *object, const char *key);
extern bool json_array_has(Jsonb *array, const char *element);
extern Jsonb *json_array_push(Jsonb *array, const char *element, int max);
extern Jsonb *json_text_array1(const char *element);

#endif							/* TASKQ_JSON_H */
