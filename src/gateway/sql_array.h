/*
 * sql_array.h
 *		Arrays as text, for parameters of statements: '{"a",NULL}'.
 *
 * Elements may be texts of any type: uuids and jsonb too.
 */
#ifndef TASKQ_GATEWAY_SQL_ARRAY_H
#define TASKQ_GATEWAY_SQL_ARRAY_H

#include "common/text_buffer.h"

typedef struct SqlArray
{
	TextBuffer	text;
} SqlArray;

extern void sql_array_begin(SqlArray *array);
extern void sql_array_add(SqlArray *array, const char *element);	/* NULL: SQL's */
extern void sql_array_add_uuid(SqlArray *array, const unsigned char *bytes);	/* 16; NULL: SQL's */
extern const char *sql_array_end(SqlArray *array);	/* valid until it is begun again or freed */
extern void sql_array_free(SqlArray *array);

#endif
