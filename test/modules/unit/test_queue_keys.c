/*
 * test_queue_keys.c
 *		Tests of queue_keys.c.
 */
#include "unit.h"

#include "miscadmin.h"
#include "utils/builtins.h"

#include "base/compat.h"
#include "task/queue_keys.h"

static QueueKey
key_of(const char *name)
{
	return queue_key(cstring_to_text(name));
}

static bool
same(QueueKey a, QueueKey b)
{
	return memcmp(&a, &b, sizeof(QueueKey)) == 0;
}

/* of so many bytes, the last one as given */
static text *
long_name(int length, char last)
{
	char	   *name = palloc(length);

	memset(name, 'x', length);
	name[length - 1] = last;
	return cstring_to_text_with_len(name, length);
}

static uint64
hash_of(text *name)
{
	return name_hash(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name), NAME_OF_QUEUE);
}

static void
keys(void)
{
	QueueKey	key = key_of("q");

	is_int(key.database, MyDatabaseId, "a key has the database");
	is_int(key.unused, 0, "... and no hole");
	is_int(key.hash, name_hash("q", 1, NAME_OF_QUEUE), "... and the hash of the name");
	ok(same(key, key_of("q")), "a name has one key");
	ok(!same(key, key_of("p")), "another has another, as long as it is");
	ok(same(key, key_of("q")), "... and the first one has its own again");
	ok(!same(key, key_of("qq")), "... when it is longer");
	ok(!same(key_of("qq"), key_of("qp")), "... with the same beginning");
	ok(!same(key_of(""), key), "the empty one, too");
	ok(name_hash("q", 1, NAME_OF_QUEUE) != name_hash("q", 1, NAME_OF_WORKER), "a worker of that name has another one");
	ok(name_hash("q", 1, NAME_OF_WORKER) == digest_hash(name_digest("q", 1), NAME_OF_WORKER), "... which follows from the digest");
	ok(name_hash("q1", 1, NAME_OF_QUEUE) == name_hash("q", 1, NAME_OF_QUEUE), "what is behind the name does not count");
}

static void
headers(void)
{
	text	   *packed = palloc0(2);

	SET_VARSIZE_SHORT(packed, 2);
	*VARDATA_SHORT(packed) = 'q';
	key_of("other");
	ok(same(queue_key(packed), key_of("q")), "a text as it lies in a table is the same name");
}

/* those that are remembered, and those that are not */
static void
lengths(void)
{
	for (int length = 1; length <= 300; length++)
		for (int i = 0; i < 8; i++)
		{
			text	   *name = long_name(length, "ab\0b"[i % 4]);

			if (queue_key(name).hash != hash_of(name))
				fault("name %d of %d bytes", i, length);
		}
	no_fault("names of all lengths, with the same beginning");
}

static void
at_random(void)
{
	for (int i = 0; i < 20000; i++)
	{
		char		name[8];
		int			length = random_int(0, 7);

		for (int j = 0; j < length; j++)
			name[j] = (char) random_int('a', 'b');
		if (queue_key(cstring_to_text_with_len(name, length)).hash != name_hash(name, length, NAME_OF_QUEUE))
			fault("\"%.*s\"", length, name);
	}
	no_fault("20000 names in turn");
}

UNIT(unit_queue_keys, keys, headers, lengths, at_random);
