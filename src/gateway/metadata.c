/*
 * metadata.c
 *		What gRPC says in header fields: timeouts, encodings, messages, details.
 */
#include "gateway/metadata.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/proto/status.pb-c.h"

#define TIMEOUT_DIGITS 8
#define TYPE_URL "type.googleapis.com/"

/*
 * A timeout in microseconds, from digits and a unit; what is less than one is
 * none at all. False if it isn't one.
 */
bool
metadata_timeout(const char *value, Instant *timeout)
{
	static const char units[] = "HMSmun";
	static const Instant factors[] = {INT64_C(3600000000), 60000000, 1000000, 1000, 1, 0};
	size_t		digits = strspn(value, "0123456789");
	const char *unit;

	if (digits == 0 || digits > TIMEOUT_DIGITS || value[digits] == '\0' || value[digits + 1] != '\0')
		return false;
	unit = strchr(units, value[digits]);
	if (unit == NULL)
		return false;
	*timeout = *unit == 'n' ? atol(value) / 1000 : atol(value) * factors[unit - units];
	return true;
}

/*
 * Does a list with commas have the item?
 */
bool
metadata_lists(const char *value, const char *item)
{
	size_t		length = strlen(item);

	for (;;)
	{
		size_t		end;

		value += strspn(value, ", \t");
		if (*value == '\0')
			return false;
		end = strcspn(value, ", \t");
		if (end == length && memcmp(value, item, length) == 0)
			return true;
		value += end;
	}
}

/*
 * Add a message as grpc-message has it: what isn't printable ASCII, and "%",
 * becomes %XX. After so many bytes, escaped, it ends, never within a character
 * of UTF-8.
 */
void
metadata_escape(Buffer *to, const char *message, size_t limit)
{
	for (; *message != '\0'; message++)
	{
		unsigned char c = (unsigned char) *message;

		if (to->length >= limit && (c & 0xc0) != 0x80)
			return;
		if (c < 0x20 || c > 0x7e || c == '%')
			buffer_format(to, "%%%02X", c);
		else
			buffer_append(to, message, 1);
	}
}

/* Base64, without padding. */
static void
append_base64(Buffer *to, const uint8_t *data, size_t length)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	char	   *end = buffer_reserve(to, (length * 4 + 2) / 3);
	char	   *start = end;
	unsigned	bits = 0;
	int			count = 0;

	for (size_t i = 0; i < length; i++)
	{
		bits = bits << 8 | data[i];
		for (count += 8; count >= 6; count -= 6)
			*end++ = letters[bits >> (count - 6) & 63];
	}
	if (count > 0)
		*end++ = letters[bits << (6 - count) & 63];
	*end = '\0';
	to->length += (size_t) (end - start);
}

/*
 * Add a status with a detail as grpc-status-details-bin has it.
 */
void
metadata_details(Buffer *to, StatusCode code, const char *message, const ProtobufCMessage *detail)
{
	Google__Rpc__Status status = GOOGLE__RPC__STATUS__INIT;
	Google__Protobuf__Any any = GOOGLE__PROTOBUF__ANY__INIT;
	Google__Protobuf__Any *details = &any;
	Buffer		type = {0};
	Buffer		packed = {0};

	buffer_format(&type, TYPE_URL "%s", detail->descriptor->name);
	any.type_url = type.data;
	any.value.len = protobuf_c_message_get_packed_size(detail);
	any.value.data = memory_new(any.value.len);
	protobuf_c_message_pack(detail, any.value.data);
	status.code = (int32_t) code;
	status.message = (char *) message;
	status.n_details = 1;
	status.details = &details;

	packed.length = protobuf_c_message_get_packed_size(&status.base);
	packed.data = memory_new(packed.length);
	protobuf_c_message_pack(&status.base, (uint8_t *) packed.data);
	append_base64(to, (const uint8_t *) packed.data, packed.length);
	buffer_free(&packed);
	buffer_free(&type);
	free(any.value.data);
}
