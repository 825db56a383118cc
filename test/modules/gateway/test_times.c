/*
 * test_times.c
 *		Tests of proto_times.c and times.c.
 */
#include "tap.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/proto_times.h"
#include "gateway/texts.h"
#include "gateway/times.h"
#include "google/protobuf/duration.pb-c.h"
#include "google/protobuf/timestamp.pb-c.h"

static void
duration(const char *text, int64_t seconds, int32_t nanoseconds, const char *wanted)
{
	TextBuffer	written = text_begin();
	ProtoTime	time;

	if (!proto_duration_read(slice_of(text), &time))
		fault("%s is refused", text);
	else
	{
		proto_duration_write(&written, time);
		if (time.seconds != seconds || time.nanoseconds != nanoseconds || strcmp(written.data, wanted) != 0)
			fault("%s is %s", text, written.data);
		text_buffer_free(&written);
	}
}

static void
durations(void)
{
	static const char *const bad[] = {
		"", "s", "1.5.5s", "1.s", ".5s", "1e3s", "1.0000000001s", "1s ", " 1s", "--1s", "315576000001s",
		"9999999999999s", "1:00", "00:60:00", "00:00:61", "00:00:00x", "1 day", "1:1:1",
	};
	ProtoTime	time;

	duration("1.5s", 1, 500000000, "1.500s");
	duration("0s", 0, 0, "0s");
	duration("0.000000001s", 0, 1, "0.000000001s");
	duration("-0.5s", 0, -500000000, "-0.500s");
	duration("-3.000001s", -3, -1000, "-3.000001s");
	duration("315576000000s", INT64_C(315576000000), 0, "315576000000s");
	duration("1.5", 1, 500000000, "1.500s");
	duration("00:00:01.5", 1, 500000000, "1.500s");
	duration("240:01:00", 864060, 0, "864060s");
	no_fault("durations are read and written");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (proto_duration_read(slice_of(bad[i]), &time))
			fault("%s", bad[i]);
	no_fault("... and nothing else");
	ok(!proto_duration_valid((ProtoTime) {1, -1}) && !proto_duration_valid((ProtoTime) {0, 1000000000}) &&
	   !proto_duration_valid((ProtoTime) {INT64_MIN, 0}), "... nor what is none in a message");
}

static void
instants(void)
{
	static const char *const bad[] = {
		"", "2026-01-31", "2026-01-31T12:00:00", "2026-02-29T12:00:00Z", "2026-13-01T00:00:00Z", "2026-00-01T00:00:00Z",
		"0000-01-01T00:00:00Z", "2026-01-31T24:00:00Z", "2026-01-31T12:60:00Z", "2026-01-31T12:00:00.Z",
		"2026-01-31T12:00:00+1:00", "9999-12-31T23:59:59-01:00", "2026-01-31T12:00:00Zx", "2026-1-31T12:00:00Z",
	};
	ProtoTime	instant;

	for (int64_t second = INT64_C(-62135596800); second <= INT64_C(253402300799); second += 40 * 86400 + 3671)
	{
		TextBuffer	text = text_begin();
		time_t		same = (time_t) second;
		struct tm	parts;
		char		wanted[80];

		proto_instant_write(&text, (ProtoTime) {second, 0});
		gmtime_r(&same, &parts);
		snprintf(wanted, sizeof(wanted), "%04d-%02d-%02dT%02d:%02d:%02dZ", parts.tm_year + 1900, parts.tm_mon + 1,
				 parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec);
		if (strcmp(text.data, wanted) != 0 || !proto_instant_read(slice_of(wanted), &instant) || instant.seconds != second)
			fault("%s, not %s", text.data, wanted);
		text_buffer_free(&text);
	}
	no_fault("instants of ten thousand years");
	ok(proto_instant_read(slice_of("2026-01-31T12:00:00.123456789+02:00"), &instant) &&
	   instant.seconds == 1769853600 && instant.nanoseconds == 123456789, "... in other zones, and exact");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (proto_instant_read(slice_of(bad[i]), &instant))
			fault("%s", bad[i]);
	no_fault("... and nothing else");
}

static void
messages(void)
{
	char		room[DURATION_TEXT];
	const char *text;
	Google__Protobuf__Duration *duration = duration_from_text("00:01:00.25");
	Google__Protobuf__Timestamp *timestamp = timestamp_from_microseconds(-1);

	google__protobuf__timestamp__free_unpacked(timestamp, NULL);
	timestamp = timestamp_from_microseconds(INT64_MAX);
	ok(timestamp->seconds == INT64_C(253402300799), "nothing is later than the year 9999");
	google__protobuf__timestamp__free_unpacked(timestamp, NULL);
	timestamp = timestamp_from_microseconds(-1);
	ok(duration_to_sql(duration, room, &text), "a duration of a message");
	is_text(text, "60.250s", "... is an interval");
	duration->seconds = INT64_MIN;
	ok(!duration_to_sql(duration, room, &text), "... if protobuf allows it");
	ok(duration_to_sql(NULL, room, &text) && text == NULL, "... and NULL if there is none");
	ok(timestamp->seconds == -1 && timestamp->nanos == 999999000, "before 1970");
	protobuf_c_message_free_unpacked(&duration->base, NULL);
	protobuf_c_message_free_unpacked(&timestamp->base, NULL);
	duration = duration_from_microseconds(INT64_MAX);
	ok(duration_to_sql(duration, room, &text) && duration->seconds == PROTO_MOST_SECONDS, "the longest one");
	protobuf_c_message_free_unpacked(&duration->base, NULL);
	duration = duration_from_text("2400000000:00:00");
	ok(duration != NULL && duration->seconds == PROTO_MOST_SECONDS, "... which stands for what SQL has longer");
	if (duration != NULL)
		protobuf_c_message_free_unpacked(&duration->base, NULL);
	ok(duration_from_text("soon") == NULL && duration_from_text(NULL) == NULL && duration_from_text("1:00:00:00") == NULL, "none");
}

int
main(void)
{
	durations();
	instants();
	messages();
	return done();
}
