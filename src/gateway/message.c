/*
 * message.c
 *		Messages as gRPC frames them.
 */
#include "gateway/message.h"

#include <stdlib.h>
#include <string.h>

#include <zlib.h>

#define GZIP 16					/* added to zlib's window bits */
#define WORTH_COMPRESSING 1024	/* bytes */
#define FIRST_INFLATED 4096		/* bytes; what is needed beyond is doubled */

/*
 * Is the message behind this prefix compressed?
 */
bool
message_is_compressed(const void *prefix)
{
	return ((const uint8_t *) prefix)[0] != 0;
}

/*
 * How many bytes does the message behind this prefix have?
 */
uint32_t
message_length(const void *prefix)
{
	const uint8_t *bytes = prefix;

	return (uint32_t) bytes[1] << 24 | (uint32_t) bytes[2] << 16 | (uint32_t) bytes[3] << 8 | bytes[4];
}

static InflateResult
inflate_all(z_stream *stream, Buffer *to, size_t limit)
{
	size_t		step = FIRST_INFLATED;
	int			result;

	do
	{
		if (to->length > limit)
			return INFLATE_TOO_LARGE;
		if (step > limit + 1 - to->length)
			step = limit + 1 - to->length;
		stream->next_out = (Bytef *) buffer_reserve(to, step);
		stream->avail_out = (uInt) step;
		result = inflate(stream, Z_NO_FLUSH);
		to->length += step - stream->avail_out;
		step = to->length;
	} while (result == Z_OK && stream->avail_out == 0);

	if (to->length > limit)
		return INFLATE_TOO_LARGE;
	return result == Z_STREAM_END && stream->avail_in == 0 ? INFLATE_DONE : INFLATE_BROKEN;
}

/*
 * Add what the gzipped bytes stand for; at most "limit" bytes of it are ever
 * made. The buffer is an empty one.
 */
InflateResult
message_inflate(Buffer *to, const void *data, size_t length, size_t limit)
{
	static z_stream stream;		/* made once: what it needs is a lot to get and to clear */
	static bool is_made;

	if (is_made ? inflateReset(&stream) != Z_OK : inflateInit2(&stream, MAX_WBITS + GZIP) != Z_OK)
		abort();
	is_made = true;
	stream.next_in = (Bytef *) data;
	stream.avail_in = (uInt) length;
	return inflate_all(&stream, to, limit);
}

static void
write_prefix(char *to, bool is_compressed, size_t length)
{
	to[0] = is_compressed ? 1 : 0;
	to[1] = (char) (length >> 24);
	to[2] = (char) (length >> 16);
	to[3] = (char) (length >> 8);
	to[4] = (char) length;
}

/* The frame anew, compressed. */
static char *
compress_frame(char *frame, size_t *length)
{
	z_stream	stream = {.next_in = (Bytef *) frame + MESSAGE_PREFIX, .avail_in = (uInt) (*length - MESSAGE_PREFIX)};
	char	   *compressed;
	size_t		bound;

	if (deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, MAX_WBITS + GZIP, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		abort();
	bound = deflateBound(&stream, *length - MESSAGE_PREFIX);
	compressed = memory_resize(NULL, MESSAGE_PREFIX + bound);
	stream.next_out = (Bytef *) compressed + MESSAGE_PREFIX;
	stream.avail_out = (uInt) bound;
	if (deflate(&stream, Z_FINISH) != Z_STREAM_END)
		abort();
	write_prefix(compressed, true, stream.total_out);
	*length = MESSAGE_PREFIX + stream.total_out;
	deflateEnd(&stream);
	free(frame);
	return compressed;
}

/*
 * The message with its prefix, to be given back with free(). It may be
 * compressed if that is worth while.
 */
char *
message_frame(const ProtobufCMessage *message, bool may_compress, size_t *length)
{
	size_t		size = protobuf_c_message_get_packed_size(message);
	char	   *frame = memory_resize(NULL, MESSAGE_PREFIX + size);

	write_prefix(frame, false, size);
	protobuf_c_message_pack(message, (uint8_t *) frame + MESSAGE_PREFIX);
	*length = MESSAGE_PREFIX + size;
	return may_compress && size >= WORTH_COMPRESSING ? compress_frame(frame, length) : frame;
}
