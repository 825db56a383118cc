/*
 * json_print.h
 *		jsonb as text.
 */
#ifndef TASKQ_JSON_PRINT_H
#define TASKQ_JSON_PRINT_H

#include "lib/stringinfo.h"
#include "utils/jsonb.h"

#include "common/text_buffer.h"

extern void json_print(StringInfo to, Jsonb *value);
extern Slice json_printed(Jsonb *value);

#endif							/* TASKQ_JSON_PRINT_H */
