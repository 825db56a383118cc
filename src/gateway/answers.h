/*
 * answers.h
 *		What methods have in common: making messages, and answering with an error.
 */
#ifndef TASKQ_GATEWAY_ANSWERS_H
#define TASKQ_GATEWAY_ANSWERS_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/call.h"
#include "gateway/database.h"
#include "gateway/errors.h"

/* room for the text of a uuid */
#define UUID_TEXT 37

extern void *message_new(const ProtobufCMessageDescriptor *descriptor);
extern void answer(Call *call, void *message);
extern void answer_empty(Call *call, const ProtobufCMessageDescriptor *descriptor);
extern void answer_sql_error(Call *call, DatabaseOutcome outcome, const PGresult *result,
							 const ErrorContext *context);
extern void answer_not_found(Call *call, const char *message);
extern void uuid_to_text(const uint8_t *uuid, char *text);
extern bool uuid_from_text(const char *text, uint8_t *uuid);
extern char *uuid_copy(const uint8_t *uuid);
extern const char *flag(bool is_set);
extern const char *text_or_null(const char *text);

#endif
