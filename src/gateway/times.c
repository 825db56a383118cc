/*
 * times.c
 *		Durations and instants between messages and SQL.
 */
#include "gateway/times.h"

#include <stdlib.h>
#include <string.h>

#include "common/proto_times.h"
#include "gateway/memory.h"
#include "gateway/texts.h"
#include "google/protobuf/duration.pb-c.h"
#include "google/protobuf/timestamp.pb-c.h"

#define MICROSECONDS 1000000
#define LAST_MICROSECOND INT64_C(253402300799999999)	/* of the year 9999 */

static Google__Protobuf__Duration *
new_duration(ProtoTime time)
{
	Google__Protobuf__Duration *duration = memory_new(sizeof(*duration));

	google__protobuf__duration__init(duration);
	duration->seconds = time.seconds;
	duration->nanos = time.nanoseconds;
	return duration;
}

/*
 * The text of a duration in the room given, of DURATION_TEXT bytes; NULL if it
 * is unset.  false: it is beyond what protobuf allows.
 */
bool
duration_to_sql(const Google__Protobuf__Duration *duration, char *room, const char **text)
{
	TextBuffer	buffer = text_begin();
	ProtoTime	time;

	*text = NULL;
	if (duration == NULL)
		return true;
	time = (ProtoTime) {duration->seconds, duration->nanos};
	if (!proto_duration_valid(time))
		return false;
	proto_duration_write(&buffer, time);
	memcpy(room, buffer.data, buffer.length + 1);
	text_buffer_free(&buffer);
	*text = room;
	return true;
}

/* is it an interval of SQL, "90000000:00:00", that is longer than protobuf allows? */
static bool
is_too_long(const char *text)
{
	char	   *end;
	long long	hours = strtoll(text, &end, 10);

	return *end == ':' && hours >= PROTO_MOST_SECONDS / 3600;
}

/*
 * The duration that a text stands for; NULL of NULL, and of what is none.  What is longer than
 * protobuf allows is the longest.
 */
Google__Protobuf__Duration *
duration_from_text(const char *text)
{
	ProtoTime	time;

	if (text == NULL)
		return NULL;
	if (proto_duration_read(slice_of(text), &time))
		return new_duration(time);
	return is_too_long(text) ? new_duration((ProtoTime) {PROTO_MOST_SECONDS, 0}) : NULL;
}

/*
 * The same of a number; what is longer than protobuf allows is the longest.
 */
Google__Protobuf__Duration *
duration_from_microseconds(int64_t microseconds)
{
	ProtoTime	time = {microseconds / MICROSECONDS, (int32_t) (microseconds % MICROSECONDS) * 1000};

	if (time.seconds >= PROTO_MOST_SECONDS)
		time = (ProtoTime) {PROTO_MOST_SECONDS, 0};
	return new_duration(time);
}

/*
 * The instant so long after 1970; what is later than protobuf allows is the
 * last one.
 */
Google__Protobuf__Timestamp *
timestamp_from_microseconds(int64_t microseconds)
{
	Google__Protobuf__Timestamp *timestamp = memory_new(sizeof(*timestamp));
	int64_t		left;

	if (microseconds > LAST_MICROSECOND)
		microseconds = LAST_MICROSECOND;
	left = microseconds % MICROSECONDS;

	google__protobuf__timestamp__init(timestamp);
	if (left < 0)
		left += MICROSECONDS;
	timestamp->seconds = (microseconds - left) / MICROSECONDS;
	timestamp->nanos = (int32_t) left * 1000;
	return timestamp;
}
