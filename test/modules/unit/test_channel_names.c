/*
 * test_channel_names.c
 *		Tests of channel_names.c.
 */
#include "unit.h"

#include "common/lengths.h"
#include "task/channel_names.h"
#include "task/queue_keys.h"

/* does the channel of the name lead back to it? */
static bool
leads_back(const char *name, int length, NameKind kind)
{
	char	   *channel = channel_name(name, length, kind);
	uint64		hash = 0;
	NameKind	found = (kind + 1) % NAME_KINDS;

	return strlen(channel) < NAMEDATALEN &&
		channel_parse(channel, &hash, &found) &&
		hash == name_hash(name, length, kind) && found == kind;
}

static bool
is_ours(const char *channel)
{
	uint64		hash;
	NameKind	kind;

	return channel_parse(channel, &hash, &kind);
}

static void
names(void)
{
	char	   *mail = channel_name("Mail/2 x", 8, NAME_OF_QUEUE);

	ok(strncmp(mail, "taskq_mail_2_x_", 15) == 0 && strlen(mail) == 31, "prefix, what can be read, hash");
	ok(strncmp(channel_name("w", 1, NAME_OF_WORKER), "taskqw_w_", 9) == 0, "a worker has another prefix");
	ok(strcmp(mail, channel_name("mail/2 x", 8, NAME_OF_QUEUE)) != 0, "names that are read alike have a channel each");
	ok(strcmp(mail, channel_name("Mail/2 xyz", 8, NAME_OF_QUEUE)) == 0, "what is behind the name does not count");
	ok(is_ours(mail), "the name of a channel is one");
}

static void
no_names(void)
{
	static const char *const others[] = {
		"", "taskq", "taskq_", "taskq_mail", "taskqw_", "taskq_runs_1", "taskqx_mail_0123456789abcdef",
		"taskq_0123456789abcdef", "taskq__0123456789abcdef", "taskqw__0123456789abcdef",
		"taskq_mail_0123456789abcde", "taskq_mail_0123456789abcdef0",
		"taskq_mail_0123456789abcdeF", "taskq_mail_0123456789abcdeg", "taskq_mail-0123456789abcdef",
		"taskq_Mail_0123456789abcdef", "taskq_ma-il_0123456789abcdef", "Taskq_mail_0123456789abcdef",
		"taskq_m\303\274ll_0123456789abcdef", "mail_0123456789abcdef", "_0123456789abcdef",
		"taskq_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa_0123456789abcdef",
	};

	for (int i = 0; i < (int) lengthof(others); i++)
		if (is_ours(others[i]))
			fault("\"%s\"", others[i]);
	no_fault("names that are none of ours");
	ok(is_ours("taskq_a_0123456789abcdef") && is_ours("taskqw____0000000000000000") && is_ours("taskql_g_0123456789abcdef"), "names that may be");
	ok(is_ours("taskq_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa_0123456789abcdef"), "... up to the longest");
}

static void
at_random(void)
{
	static char name[MAX_NAME_LENGTH];

	for (int i = 0; i < 20000; i++)
	{
		int			length = random_int(1, i % 10 == 0 ? MAX_NAME_LENGTH : 60);

		for (int j = 0; j < length; j++)
			name[j] = (char) random_int(1, 255);
		if (!leads_back(name, length, random_int(0, NAME_KINDS - 1)))
			fault("\"%.*s\"", length, name);
	}
	no_fault("20000 names lead back");
}

UNIT(unit_channel_names, names, no_names, at_random);
