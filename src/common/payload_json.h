/*
 * payload_json.h
 *		Payloads in the JSON form of protobuf, from and to the form that SQL
 *		sees.
 */
#ifndef TASKQ_PAYLOAD_JSON_H
#define TASKQ_PAYLOAD_JSON_H

#include <stdbool.h>

#include "common/payload_form.h"

/* of the JSON: {"payloads": [...]}, one payload, {"fields": {name: payload}} */
extern bool payloads_json_to_plain(TextBuffer *plain, Slice json, PayloadStyle style, bool *is_null);
extern bool payload_json_to_plain(TextBuffer *plain, Slice json, PayloadStyle style);
extern bool payload_map_json_to_plain(TextBuffer *plain, Slice fields, PayloadStyle style);

extern void payloads_json_from_plain(TextBuffer *json, Slice plain, PayloadStyle style);
extern bool payload_json_from_plain(TextBuffer *json, Slice plain);
extern void payload_map_json_from_plain(TextBuffer *json, Slice plain);

#endif							/* TASKQ_PAYLOAD_JSON_H */
