/*
 * channel_names.c
 *		The names of the LISTEN channels of task queues, workers, listeners and
 *		runs.
 *
 * A prefix that says which kind it is, what can be read of the queue's or
 * worker's name, "_", and a hash of the whole name: 63 bytes at most, lower-case
 * ASCII that needs no quotes, and the same in all databases of one encoding.
 *
 * The hash is the one by which queues and workers are found in shared memory,
 * but for the database.  So a LISTEN says of which queue it is, to a server that
 * has never heard of it.  Two names that share a hash, which somebody may have
 * made so, have a channel each unless they can be read alike.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "lib/stringinfo.h"

#include "task/channel_names.h"
#include "task/queue_keys.h"

#define LONGEST_PREFIX		"taskqw_"
#define RUN_PREFIX			"taskq_runs_"
#define RUN_CHANNELS		16
#define READABLE_LENGTH		39
#define HASH_DIGITS			16

StaticAssertDecl(sizeof(LONGEST_PREFIX) + READABLE_LENGTH + 1 + HASH_DIGITS <= NAMEDATALEN,
				 "names of channels are identifiers");

static const char *const prefixes[] = {
	[NAME_OF_QUEUE] = "taskq_",
	[NAME_OF_WORKER] = LONGEST_PREFIX,
	[NAME_OF_LISTENER] = "taskql_",
};

StaticAssertDecl(lengthof(prefixes) == NAME_KINDS, "each has one");

/*
 * channel_name: the name of the channel of what is called so, palloc'd.
 */
char *
channel_name(const char *name, int length, NameKind kind)
{
	StringInfoData result;

	initStringInfo(&result);
	appendStringInfoString(&result, prefixes[kind]);
	for (int i = 0; i < Min(length, READABLE_LENGTH); i++)
	{
		char		c = name[i];

		if (c >= 'A' && c <= 'Z')
			c += 'a' - 'A';
		else if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')))
			c = '_';
		appendStringInfoChar(&result, c);
	}
	appendStringInfo(&result, "_%0*llx", HASH_DIGITS,
					 (unsigned long long) name_digest(name, length));
	return result.data;
}

/*
 * run_channel: the name of the channel on which the run is told of, palloc'd:
 * one of RUN_CHANNELS, which are there for all runs.
 */
char *
run_channel(int64 run_id)
{
	uint64		hash = hash_bytes_extended((const unsigned char *) &run_id,
										   sizeof(run_id), 0);

	return psprintf("%s%d", RUN_PREFIX, (int) (hash % RUN_CHANNELS));
}

/*
 * parse_hash: "_" and the digits at the end of a name.
 */
static bool
parse_hash(const char *from, uint64 *digest)
{
	if (*from++ != '_')
		return false;
	*digest = 0;
	for (int i = 0; i < HASH_DIGITS; i++)
	{
		char		c = from[i];

		if (c >= '0' && c <= '9')
			c -= '0';
		else if (c >= 'a' && c <= 'f')
			c -= 'a' - 10;
		else
			return false;
		*digest = *digest << 4 | (uint64) c;
	}
	return true;
}

/*
 * channel_parse: is that the name of a channel of ours, and then of which kind
 * and with which name_hash() in this database?  Does not fail.
 */
bool
channel_parse(const char *channel, uint64 *hash, NameKind *kind)
{
	int			length = (int) strlen(channel);
	int			prefix;
	int			readable;
	uint64		digest;

	for (*kind = 0; *kind < NAME_KINDS; (*kind)++)
		if (strncmp(channel, prefixes[*kind], strlen(prefixes[*kind])) == 0)
			break;
	if (*kind == NAME_KINDS)
		return false;
	prefix = (int) strlen(prefixes[*kind]);
	readable = length - prefix - 1 - HASH_DIGITS;
	if (readable < 1 || readable > READABLE_LENGTH)
		return false;
	for (int i = prefix; i < prefix + readable; i++)
	{
		char		c = channel[i];

		if (!(c == '_' || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')))
			return false;
	}
	if (!parse_hash(channel + prefix + readable, &digest))
		return false;
	*hash = digest_hash(digest, *kind);
	return true;
}
