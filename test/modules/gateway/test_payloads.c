/*
 * test_payloads.c
 *		Tests of payload_form.c, payload_json.c and payloads.c.
 */
#include "tap.h"

#include <stdlib.h>
#include <string.h>

#include "common/payload_json.h"
#include "gateway/payloads.h"
#include "gateway/texts.h"
#include "gateway/proto/common.pb-c.h"
#include "gateway/proto/sdk.pb-c.h"

static PayloadEntry encoding_entry = {{"encoding", 8}, {NULL, 0}};

/* The plain form of one payload, to be freed. */
static char *
plain_of(const char *encoding, Slice data, PayloadStyle style)
{
	TextBuffer	plain = text_begin();
	Payload		payload = {.metadata = &encoding_entry,.entries = 1,.data = data};

	encoding_entry.value = slice_of(encoding);
	payloads_to_plain(&plain, &payload, 1, style);
	return text_end(&plain);
}

static void
expect_plain(const char *encoding, const char *data, size_t length, const char *wanted)
{
	char	   *plain = plain_of(encoding, (Slice) {data, length}, PAYLOADS_PLAIN);

	if (strcmp(plain, wanted) != 0)
		fault("%s, not %s", plain, wanted);
	free(plain);
}

/* JSON of Payloads, there and back. */
static void
there_and_back(const char *json, const char *wanted, PayloadStyle style)
{
	TextBuffer	plain = text_begin();
	TextBuffer	again = text_begin();
	bool		is_null = true;

	if (!payloads_json_to_plain(&plain, slice_of(json), style, &is_null))
		fault("%s is refused", json);
	else if (is_null ? wanted != NULL : wanted == NULL || strcmp(plain.data, wanted) != 0)
		fault("%s gives %s, not %s", json, is_null ? "NULL" : plain.data, wanted);
	else if (!is_null)
	{
		payloads_json_from_plain(&again, (Slice) {plain.data, plain.length},
								 style == PAYLOADS_EXACT ? PAYLOADS_PLAIN : style);
		if (strcmp(again.data, json) != 0)
			fault("%s comes back as %s", json, again.data);
	}
	text_buffer_free(&plain);
	text_buffer_free(&again);
}

static void
plain_form(void)
{
	expect_plain("json/plain", "\"Temporal\"", 10, "\"Temporal\"");
	expect_plain("json/plain", " {\"a\":1} \n", 10, "{\"a\":1}");
	expect_plain("json/plain", "null", 4, "null");
	expect_plain("json/plain", "[1,2]", 5, "[1,2]");
	no_fault("one JSON value is itself");
	expect_plain("binary/null", NULL, 0, "{\"$payloads\":[{\"metadata\":{\"encoding\":\"binary/null\"}}]}");
	expect_plain("binary/plain", "\0\1", 2, "{\"$payloads\":[{\"metadata\":{\"encoding\":\"binary/plain\"},\"data\":\"AAE=\"}]}");
	expect_plain("json/plain", "NaN", 3, "{\"$payloads\":[{\"metadata\":{\"encoding\":\"json/plain\"},\"data\":\"TmFO\"}]}");
	expect_plain("json/plain", "\"\\u0000\"", 8, "{\"$payloads\":[{\"metadata\":{\"encoding\":\"json/plain\"},\"data\":\"Ilx1MDAwMCI=\"}]}");
	expect_plain("json/plain", "-0", 2, "{\"$payloads\":[{\"metadata\":{\"encoding\":\"json/plain\"},\"data\":\"LTA=\"}]}");
	expect_plain("json/plain", "", 0, "{\"$payloads\":[{\"metadata\":{\"encoding\":\"json/plain\"}}]}");
	expect_plain("\xFF\x01", "1", 1, "{\"$payloads\":[{\"metadata\":{\"encoding\":{\"$b64\":\"/wE=\"}},\"data\":\"MQ==\"}]}");
	no_fault("... what is no JSON, or loses something in jsonb, is kept as bytes");
	expect_plain("json/plain", "{\"$payloads\":[]}", 16, "{\"$payloads\":[{\"json\":{\"$payloads\":[]}}]}");
	expect_plain("json/plain", "{\"a\":1,\"$b64\":\"\"}", 17, "{\"$payloads\":[{\"json\":{\"a\":1,\"$b64\":\"\"}}]}");
	expect_plain("json/plain", "{\"\\u0024payloads\":1}", 20, "{\"$payloads\":[{\"json\":{\"\\u0024payloads\":1}}]}");
	expect_plain("json/plain", "[{\"$payloads\":[]}]", 18, "[{\"$payloads\":[]}]");
	no_fault("... what looks like a list is put into one");
}

static void
json_form(void)
{
	there_and_back("{\"payloads\":[]}", NULL, PAYLOADS_PLAIN);
	there_and_back("{\"payloads\":[{\"metadata\":{\"encoding\":\"anNvbi9wbGFpbg==\"},\"data\":\"MQ==\"}]}", "1", PAYLOADS_PLAIN);
	there_and_back("{\"payloads\":[{\"metadata\":{\"encoding\":\"anNvbi9wbGFpbg==\"},\"data\":\"MQ==\"},{},{\"data\":\"/w==\"}]}",
				   "{\"$payloads\":[{\"json\":1},{},{\"data\":\"/w==\"}]}", PAYLOADS_PLAIN);
	there_and_back("{\"payloads\":[{\"metadata\":{\"a\":\"\",\"encoding\":\"anNvbi9wbGFpbg==\"},\"data\":\"MQ==\"}]}",
				   "{\"$payloads\":[{\"metadata\":{\"a\":\"\",\"encoding\":\"json/plain\"},\"data\":\"MQ==\"}]}", PAYLOADS_PLAIN);
	there_and_back("{\"payloads\":[{\"metadata\":{\"encoding\":\"anNvbi9wbGFpbg==\"},\"data\":\"MQ==\"}]}",
				   "{\"$payloads\":[{\"metadata\":{\"encoding\":\"json/plain\"},\"data\":\"MQ==\"}]}", PAYLOADS_EXACT);
	there_and_back("{\"payloads\":[{\"metadata\":{\"encoding\":\"anNvbi9wbGFpbg==\"},\"data\":\"MQ==\",\"externalPayloads\":[{\"sizeBytes\":\"7\"}]}]}",
				   "{\"$payloads\":[{\"metadata\":{\"encoding\":\"json/plain\"},\"data\":\"MQ==\",\"externalPayloads\":[{\"sizeBytes\":\"7\"}]}]}", PAYLOADS_PLAIN);
	there_and_back("{\"payloads\":[{\"metadata\":{\"encoding\":\"anNvbi9wbGFpbg==\"},\"data\":\"WyJyIl0=\"}]}",
				   "{\"$payloads\":[{\"json\":[\"r\"]}]}", PAYLOADS_OF_CANCEL);
	there_and_back("{\"payloads\":[{\"metadata\":{\"encoding\":\"anNvbi9wbGFpbg==\"},\"data\":\"WyJyIl0=\"}]}", "[\"r\"]", PAYLOADS_PLAIN);
	no_fault("payloads come back from the plain form as they were");
}

static void
from_sql(const char *plain, const char *wanted, PayloadStyle style)
{
	TextBuffer	json = text_begin();

	payloads_json_from_plain(&json, slice_of(plain), style);
	if (strcmp(json.data, wanted) != 0)
		fault("%s is %s", plain, json.data);
	text_buffer_free(&json);
}

static void
what_sql_writes(void)
{
#define JSON "{\"metadata\":{\"encoding\":\"anNvbi9wbGFpbg==\"},\"data\":"

	from_sql("{\"$payloads\": [{\"json\": 1}, {\"json\": \"x\"}]}",
			 "{\"payloads\":[" JSON "\"MQ==\"}," JSON "\"Ingi\"}]}", PAYLOADS_PLAIN);
	from_sql("{\"$payloads\": []}", "{\"payloads\":[]}", PAYLOADS_PLAIN);
	from_sql("[\"reason\"]", "{\"payloads\":[" JSON "\"InJlYXNvbiI=\"}]}", PAYLOADS_OF_CANCEL);
	from_sql("[\"a\",\"b\"]", "{\"payloads\":[" JSON "\"WyJhIiwiYiJd\"}]}", PAYLOADS_OF_CANCEL);
	no_fault("SQL writes lists of arguments, and reasons");
	from_sql("{\"$payloads\":1}", "{\"payloads\":[" JSON "\"eyIkcGF5bG9hZHMiOjF9\"}]}", PAYLOADS_PLAIN);
	from_sql("{\"$payloads\":[1]}", "{\"payloads\":[" JSON "\"eyIkcGF5bG9hZHMiOlsxXX0=\"}]}", PAYLOADS_PLAIN);
	from_sql("{\"$payloads\":[{\"json\":1},{\"data\":\"?\"}]}",
			 "{\"payloads\":[" JSON "\"eyIkcGF5bG9hZHMiOlt7Impzb24iOjF9LHsiZGF0YSI6Ij8ifV19\"}]}", PAYLOADS_PLAIN);
	from_sql("{\"a\":1,\"$payloads\":[]}", "{\"payloads\":[" JSON "\"eyJhIjoxLCIkcGF5bG9hZHMiOltdfQ==\"}]}", PAYLOADS_PLAIN);
	no_fault("... what is no proper list is a value");
}

static void
maps(void)
{
	static const char fields[] =
	"{\"a\\n\":" JSON "\"MQ==\"},\"b\":{\"metadata\":{\"encoding\":\"YmluYXJ5L251bGw=\"}},\"\":{}}";
	TextBuffer	plain = text_begin();
	TextBuffer	again = text_begin();

	ok(payload_map_json_to_plain(&plain, slice_of(fields), PAYLOADS_PLAIN), "a map of payloads, such as the fields of a header");
	is_text(plain.data,
			"{\"a\\n\":1,\"b\":{\"$payloads\":[{\"metadata\":{\"encoding\":\"binary/null\"}}]},\"\":{\"$payloads\":[{}]}}",
			"... is an object");
	payload_map_json_from_plain(&again, (Slice) {plain.data, plain.length});
	is_text(again.data, fields, "... and comes back");
	ok(!payload_map_json_to_plain(&plain, slice_of("[]"), PAYLOADS_PLAIN) &&
	   !payload_map_json_to_plain(&plain, slice_of("{\"a\":1}"), PAYLOADS_PLAIN), "what is no such map is refused");
	again.length = 0;
	payload_map_json_from_plain(&again, slice_of("7"));
	is_text(again.data, "{}", "what is no object has no fields");
	text_buffer_free(&plain);
	text_buffer_free(&again);
}

static void
refused(void)
{
	static const char *const bad[] = {
		"[]", "{\"payloads\":{}}", "{\"payload\":[]}", "{\"payloads\":[1]}", "{\"payloads\":[{\"data\":1}]}",
		"{\"payloads\":[{\"data\":\"?\"}]}", "{\"payloads\":[{\"metadata\":[]}]}",
		"{\"payloads\":[{\"metadata\":{\"a\":1}}]}", "{\"payloads\":[{\"other\":1}]}",
	};
	TextBuffer	plain = text_begin();
	bool		is_null;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (payloads_json_to_plain(&plain, slice_of(bad[i]), PAYLOADS_PLAIN, &is_null))
			fault("%s", bad[i]);
	no_fault("what is no Payloads is refused");
	text_buffer_free(&plain);
}

static Temporal__Payload *
new_payload(const char *encoding, const char *data)
{
	TextBuffer	json = text_begin();
	Temporal__Payloads *payloads;
	Temporal__Payload *payload;

	text_buffer_text(&json, "{\"$payloads\":[{\"metadata\":{\"encoding\":\"");
	text_buffer_text(&json, encoding);
	text_buffer_text(&json, "\"}}]}");
	payloads = payloads_from_text(json.data);
	payload = payloads->payloads[0];
	payloads->n_payloads = 0;
	protobuf_c_message_free_unpacked(&payloads->base, NULL);
	payload->data.len = strlen(data);
	payload->data.data = (uint8_t *) text_copy(slice_of(data));
	text_buffer_free(&json);
	return payload;
}

static void
expect_summary(const char *encoding, const char *data, const char *wanted, const char *claim)
{
	Temporal__UserMetadata metadata = TEMPORAL__USER_METADATA__INIT;
	Temporal__UserMetadata *again;
	char	   *summary;

	metadata.summary = new_payload(encoding, data);
	summary = summary_to_text(&metadata);
	is_text(summary, wanted, claim);
	again = user_metadata_from_text(summary, NULL);
	ok(strstr(data, "u0000") != NULL ||
	   (again->summary->data.len == strlen(data) && memcmp(again->summary->data.data, data, strlen(data)) == 0 &&
		memcmp(again->summary->metadata[0]->value.data, encoding, strlen(encoding)) == 0),
	   "... and back");
	protobuf_c_message_free_unpacked(&again->base, NULL);
	protobuf_c_message_free_unpacked(&metadata.summary->base, NULL);
	free(summary);
}

static void
messages(void)
{
	Temporal__Payloads *payloads = payloads_from_text("{\"$payloads\":[{\"json\":{\"k\": 1}},{\"metadata\":{\"x\":{\"$b64\":\"/w==\"}},\"data\":\"AQI=\"},{}]}");
	Temporal__Header *header;
	Temporal__SearchAttributes *attributes;
	Temporal__UserMetadata *metadata;
	char	   *text;

	ok(payloads->n_payloads == 3 && payloads->payloads[1]->data.len == 2 &&
	   payloads->payloads[1]->metadata[0]->value.data[0] == 0xFF, "payloads are read into messages");
	text = payloads_to_text(payloads);
	is_text(text, "{\"$payloads\":[{\"json\":{\"k\": 1}},{\"metadata\":{\"x\":{\"$b64\":\"/w==\"}},\"data\":\"AQI=\"},{}]}", "... and back");
	free(text);
	payloads_keep_exact(true);
	text = payloads_to_text(payloads);
	payloads_keep_exact(false);
	is_text(text, "{\"$payloads\":[{\"metadata\":{\"encoding\":\"json/plain\"},\"data\":\"eyJrIjogMX0=\"},{\"metadata\":{\"x\":{\"$b64\":\"/w==\"}},\"data\":\"AQI=\"},{}]}",
			"... with each byte, if that is wished");
	free(text);
	protobuf_c_message_free_unpacked(&payloads->base, NULL);
	ok(payloads_from_text(NULL) == NULL && payloads_to_text(NULL) == NULL && header_to_text(NULL, NULL) == NULL &&
	   header_from_text(NULL) == NULL && summary_to_text(NULL) == NULL && user_metadata_from_text(NULL, NULL) == NULL,
	   "NULL is NULL");
	header = header_from_text("{\"a\": \"x\", \"b\": {\"$payloads\": [{\"json\": 1}, {\"json\": 2}]}, \"\": null}");
	text = header_to_text(header, NULL);
	is_text(text, "{\"a\":\"x\",\"b\":1,\"\":null}", "a header has one payload for each name");
	free(text);
	protobuf_c_message_free_unpacked(&header->base, NULL);
	header = header_from_text("{\"$details\": \"long\", \"$$details\": 1, \"$$$x\": 2, \"$y\": 3}");
	metadata = user_metadata_from_text(NULL, "{\"$details\": \"long\", \"$$details\": 1}");
	ok(header->n_fields == 3 && strcmp(header->fields[0]->key, "$details") == 0 && strcmp(header->fields[1]->key, "$$x") == 0 &&
	   strcmp(header->fields[2]->key, "$y") == 0, "details of metadata are not part of a header");
	ok(metadata->summary == NULL && metadata->details->data.len == 6, "... but of the metadata");
	text = header_to_text(header, metadata);
	is_text(text, "{\"$$details\":1,\"$$$x\":2,\"$$y\":3,\"$details\":\"long\"}", "... and kept in the header, apart from fields of that name");
	free(text);
	protobuf_c_message_free_unpacked(&header->base, NULL);
	protobuf_c_message_free_unpacked(&metadata->base, NULL);
	attributes = search_attributes_from_text("{\"K\": \"x\", \"N\": 1, \"D\": 1.5, \"T\": \"2026-01-01T00:00:00Z\", \"L\": [\"a\"], \"B\": true}");
	ok(search_attributes_to_text(attributes, &text), "search attributes are JSON");
	is_text(text, "{\"K\":\"x\",\"N\":1,\"D\":1.5,\"T\":\"2026-01-01T00:00:00Z\",\"L\":[\"a\"],\"B\":true}", "... there and back");
	free(text);
	protobuf_c_message_free_unpacked(&attributes->base, NULL);
	expect_summary("json/plain", "\"Sleep \xC3\xA9\"", "Sleep \xC3\xA9", "a summary is a text");
	expect_summary("json/plain", "\"a\\u0000b\"", "a\xEF\xBF\xBD" "b", "... without U+0000");
	expect_summary("binary/encrypted", "\"?", "{\"$payloads\":[{\"metadata\":{\"encoding\":\"binary/encrypted\"},\"data\":\"Ij8=\"}]}", "... or a payload");
	expect_summary("json/plain", "\"{\\\"$payloads\\\":\"",
				   "{\"$payloads\":[{\"metadata\":{\"encoding\":\"json/plain\"},\"data\":\"IntcIiRwYXlsb2Fkc1wiOiI=\"}]}", "... also if it looks like one");
}

static void
large(void)
{
	char	   *digits = repeated("1", 5 * 1024 * 1024);
	TextBuffer	json = text_begin();
	Temporal__Payloads *payloads;
	char	   *text;

	text_buffer_char(&json, '"');
	text_buffer_text(&json, digits);
	text_buffer_char(&json, '"');
	payloads = payloads_from_text(json.data);
	text = payloads_to_text(payloads);
	ok(strcmp(text, json.data) == 0, "a large payload is one like others");
	free(text);
	protobuf_c_message_free_unpacked(&payloads->base, NULL);
	text_buffer_free(&json);
	free(digits);
	digits = repeated("{},", 300000);
	text_buffer_text(&json, "{\"$payloads\":[");
	text_buffer_text(&json, digits);
	text_buffer_text(&json, "{}]}");
	payloads = payloads_from_text(json.data);
	ok(payloads->n_payloads == 300001, "... and so are many");
	protobuf_c_message_free_unpacked(&payloads->base, NULL);
	text_buffer_free(&json);
	free(digits);
}

int
main(void)
{
	plain_form();
	json_form();
	what_sql_writes();
	maps();
	refused();
	messages();
	large();
	return done();
}
