/*
 * failure_form.h
 *		Failures in the JSON form of protobuf, from and to the form that SQL
 *		sees.
 */
#ifndef TASKQ_FAILURE_FORM_H
#define TASKQ_FAILURE_FORM_H

#include <stdbool.h>

#include "common/payload_form.h"

/*
 * A failure and its causes; those below are left out.  With what is around it (request,
 * commands, command, attributes) and in the last cause (its kind, details, payloads,
 * payload, metadata) they are no deeper than PROTO_DEEPEST.
 */
#define FAILURE_DEPTH 91

extern bool failure_to_plain(TextBuffer *plain, Slice json, PayloadStyle style);
extern void failure_from_plain(TextBuffer *json, Slice plain, bool with_info);
extern bool failure_plain_fault(TextBuffer *fault, Slice plain);

#endif							/* TASKQ_FAILURE_FORM_H */
