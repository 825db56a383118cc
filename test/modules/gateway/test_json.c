/*
 * test_json.c
 *		Tests of json_check.c, json_text.c, utf8.c and base64.c.
 */
#include "tap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base64.h"
#include "common/json_check.h"
#include "common/json_text.h"
#include "common/utf8.h"
#include "gateway/texts.h"

static JsonFault
check_bytes(const char *text, size_t length)
{
	/* memory of its own, so that what is read beyond it is seen */
	char	   *copy = malloc(length > 0 ? length : 1);
	JsonFault	fault;

	memcpy(copy, text, length);
	fault = json_check((Slice) {copy, length}, &gateway_allocator);
	free(copy);
	return fault;
}

static void
judge(const char *text, JsonFault wanted)
{
	JsonFault	got = check_bytes(text, strlen(text));

	if (got != wanted)
		fault("%.60s: %s, not %s", text, json_fault_text(got), json_fault_text(wanted));
}

static void
good_and_bad(void)
{
	static const char *const good[] = {
		"0", "-1", "1.50", "1e5", "1E-5", "-0.1", "\"\"", "\"a\\u00e9\\n\\\"\"", "null", "true", "false",
		"[]", "{}", "[1,2, 3 ]", " {\"a\" : [ { } ] } ", "\"\\ud83d\\ude00\"", "\"\xF0\x9F\x98\x80\"",
		"{\"a\":1,\"b\":{\"a\":1}}", "1e40", "1e-40", "\"\x7F\"", "[{\"a\":1},{\"a\":2}]",
	};
	static const char *const bad[] = {
		"", " ", "nul", "truee", "NaN", "Infinity", "-Infinity", "-", "01", "1.", ".5", "1e", "1e+", "+1",
		"\"", "\"\\x\"", "\"\\u12\"", "\"\t\"", "[", "]", "[1,]", "[,1]", "[1 2]", "{", "{1:2}", "{\"a\"}",
		"{\"a\":}", "{\"a\":1,}", "{,}", "[}", "{]", "1 2", "'a'", "{\"a\":1 \"b\":2}", "[1]]", "\"\\",
		"\xEF\xBB\xBF{}",
	};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		judge(good[i], JSON_FAULT_NONE);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		judge(bad[i], JSON_FAULT_SYNTAX);
	no_fault("JSON is told from what is none");
	ok(check_bytes("[1,\0 2]", 7) == JSON_FAULT_SYNTAX, "a zero byte is no white space");
}

static void
what_jsonb_does_not_keep(void)
{
	judge("\"a\\u0000\"", JSON_FAULT_ZERO);
	judge("\"\\ud83d\"", JSON_FAULT_SURROGATE);
	judge("\"\\ude00\"", JSON_FAULT_SURROGATE);
	judge("\"\\ud83d\\u0041\"", JSON_FAULT_SURROGATE);
	judge("-0", JSON_FAULT_NUMBER);
	judge("[-0.00]", JSON_FAULT_NUMBER);
	judge("1e131072", JSON_FAULT_NUMBER);
	judge("1e-16384", JSON_FAULT_NUMBER);
	judge("1e41", JSON_FAULT_EXPONENT);
	judge("[1e-41, 1]", JSON_FAULT_EXPONENT);
	judge("1e99999999999999999999", JSON_FAULT_NUMBER);
	judge("\"\xFF\"", JSON_FAULT_UTF8);
	judge("\"\xC0\x80\"", JSON_FAULT_UTF8);
	judge("\"\xED\xA0\x80\"", JSON_FAULT_UTF8);
	judge("\"\xF4\x90\x80\x80\"", JSON_FAULT_UTF8);
	judge("{\"a\":1,\"a\":2}", JSON_FAULT_DUPLICATE_KEY);
	judge("{\"a\":1,\"b\":{\"c\":1},\"\\u0061\":2}", JSON_FAULT_DUPLICATE_KEY);
	judge("{\"\\u00e9\":1,\"\xC3\xA9\":2}", JSON_FAULT_DUPLICATE_KEY);
	judge("{\"1\":0,\"2\":0,\"3\":0,\"4\":0,\"5\":0,\"6\":0,\"7\":0,\"8\":0,\"9\":0,\"3\":0}", JSON_FAULT_DUPLICATE_KEY);
	no_fault("what jsonb refuses or forgets is told");
}

static void
large_and_deep(void)
{
	size_t		length = 10 * 1024 * 1024;
	char	   *text = repeated("[", 10000);

	judge(text, JSON_FAULT_DEPTH);
	free(text);
	text = repeated("{\"a\":", 10000);
	judge(text, JSON_FAULT_DEPTH);
	free(text);
	text = malloc(length + 1);
	memset(text, 'x', length);
	text[0] = text[length - 1] = '"';
	text[length] = '\0';
	judge(text, JSON_FAULT_NONE);
	text[length - 1] = 'x';
	judge(text, JSON_FAULT_SYNTAX);
	memset(text, '1', length);
	judge(text, JSON_FAULT_NUMBER);
	free(text);
	text = repeated("[[],{}],", 1000000);
	judge(text, JSON_FAULT_SYNTAX);
	free(text);
	no_fault("deep and large texts are judged, too");
}

/* Every text that is cut short, and every one with a byte changed, is read to its end and no further. */
static void
broken(void)
{
	static const char text[] = "{\"a\": [1.5e3, \"\\ud83d\\ude00 \xC3\xA9\", null, {\"b\": {}}], \"c\": \"\\\\\"}";
	size_t		length = strlen(text);
	char		changed[sizeof(text)];

	for (size_t i = 0; i < length; i++)
	{
		if (check_bytes(text, i) == JSON_FAULT_NONE)
			fault("cut to %zu", i);
		for (int byte = 0; byte < 256; byte++)
		{
			TextBuffer	decoded = text_begin();
			char	   *copy = malloc(length);
			Slice		all = {copy, length};
			JsonReader	reader;
			Slice		key;
			Slice		value;

			memcpy(changed, text, sizeof(text));
			changed[i] = (char) byte;
			check_bytes(changed, length);
			memcpy(copy, changed, length);
			reader = json_text_open(all);
			while (json_text_member(&reader, &key, &value))
			{
				JsonReader	elements = json_text_open(value);
				Slice		element;

				json_text_decode(&decoded, key);
				while (json_text_element(&elements, &element))
					json_text_decode(&decoded, element);
			}
			text_buffer_free(&decoded);
			free(copy);
		}
	}
	no_fault("broken texts are noticed, and read to their end only");
}

static void
pieces(void)
{
	Slice		text = json_text_trim(slice_of("  {\"a\" : [1, \"]\\\"\" , {\"x\":[]}], \"b\":null}  "));
	JsonReader	reader = json_text_open(text);
	JsonReader	elements;
	Slice		key;
	Slice		value;
	TextBuffer	all = text_begin();

	while (json_text_member(&reader, &key, &value))
	{
		text_buffer_slice(&all, key);
		text_buffer_char(&all, '=');
		text_buffer_slice(&all, value);
		text_buffer_char(&all, ';');
		elements = json_text_open(value);
		while (json_text_element(&elements, &value))
		{
			text_buffer_slice(&all, value);
			text_buffer_char(&all, ';');
		}
	}
	is_text(text_end(&all), "\"a\"=[1, \"]\\\"\" , {\"x\":[]}];1;\"]\\\"\";{\"x\":[]};\"b\"=null;",
			"objects and arrays are taken apart");
	all.length = 0;
	json_text_decode(&all, slice_of("\"\\ud83d\\ude00\\u00e9\\n\\/\\\\x\""));
	is_text(all.data, "\xF0\x9F\x98\x80\xC3\xA9\n/\\x", "escapes are read");
	all.length = 0;
	json_text_encode(&all, (Slice) {"a\0b\"\\\n\x01\xFF\xC3\xA9", 10});
	is_text(all.data, "\"a\xEF\xBF\xBD" "b\\\"\\\\\\n\\u0001\xEF\xBF\xBD\xC3\xA9\"",
			"... and written; what is no character becomes U+FFFD");
	text_buffer_free(&all);
}

static void
base64(void)
{
	TextBuffer	text = text_begin();
	TextBuffer	bytes = text_begin();
	char		data[64];

	for (int length = 0; length < 64; length++)
	{
		for (int i = 0; i < length; i++)
			data[i] = (char) (i * 37 + length * 11);
		for (int cut = 0; cut < 3; cut++)
		{
			text.length = bytes.length = 0;
			base64_encode(&text, (Slice) {data, (size_t) length});
			while (cut > 0 && text.length > 0 && text.data[text.length - 1] == '=')
				text.length--;
			if (!base64_decode(&bytes, (Slice) {text.data, text.length}) ||
				bytes.length != (size_t) length || memcmp(bytes.data, data, bytes.length) != 0)
				fault("%d bytes", length);
		}
	}
	no_fault("bytes come back from base64, padded or not");
	text.length = 0;
	base64_encode(&text, slice_of("any carnal pleas"));
	is_text(text.data, "YW55IGNhcm5hbCBwbGVhcw==", "... as everybody writes it");
	bytes.length = 0;
	ok(base64_decode(&bytes, slice_of("-_8")) && memcmp(bytes.data, "\xFB\xFF", 2) == 0, "... in the other alphabet, too");
	ok(!base64_decode(&bytes, slice_of("A")) && !base64_decode(&bytes, slice_of("AB=C")) &&
	   !base64_decode(&bytes, slice_of("A===")) && !base64_decode(&bytes, slice_of("AA\xFF")), "... and nothing else");
	text_buffer_free(&text);
	text_buffer_free(&bytes);
}

static void
utf8(void)
{
	char		bytes[4];

	for (uint32_t character = 1; character <= 0x10FFFF; character++)
	{
		int			length;

		if (character >= 0xD800 && character <= 0xDFFF)
			continue;
		length = utf8_encode(character, bytes);
		if (utf8_length(bytes, 4) != length || !utf8_valid(bytes, (size_t) length) ||
			(length > 1 && utf8_valid(bytes, (size_t) length - 1)))
			fault("U+%X", character);
	}
	no_fault("every character is one");
	ok(!utf8_valid("abcdefgh\xFFijk", 12) && !utf8_valid("\xE2\x82", 2) && utf8_valid("abcdefghijklmno\xE2\x82\xAC", 18),
	   "... among others, too");
}

int
main(void)
{
	good_and_bad();
	what_jsonb_does_not_keep();
	large_and_deep();
	broken();
	pieces();
	base64();
	utf8();
	return done();
}
