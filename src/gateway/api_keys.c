/*
 * api_keys.c
 *		Keys that clients show, and the roles that they stand for.
 *
 * Only digests of keys are kept. A key that is shown is compared with all of
 * them, whatever is found, so that the time says nothing about them.
 */
#include "gateway/api_keys.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include "gateway/log.h"

#define SCHEME "Bearer "
#define SPACE " \t\r\n"

typedef struct Key
{
	unsigned char digest[SHA256_DIGEST_LENGTH];
	const char *role;			/* NULL: who connects */
} Key;

typedef struct Keys
{
	Key		   *keys;
	int			count;
} Keys;

typedef struct Role
{
	struct Role *next;
	char	   *name;
} Role;

static bool is_on;				/* a file was loaded */
static Keys current;
static Role *roles;				/* all that there ever were: calls keep their names */

static const char *
keep_role(const char *name)
{
	Role	   *role = roles;

	while (role != NULL && strcmp(role->name, name) != 0)
		role = role->next;
	if (role == NULL)
	{
		role = memory_new(sizeof(Role));
		role->name = memory_text(name);
		role->next = roles;
		roles = role;
	}
	return role->name;
}

/* A line: a key, and what follows is the name of a role. */
static void
add_line(Keys *keys, char *line)
{
	char	   *end = line + strlen(line);
	char	   *role;
	Key		   *key;

	while (end > line && strchr(SPACE, end[-1]) != NULL)
		*--end = '\0';
	line += strspn(line, SPACE);
	if (*line == '\0' || *line == '#')
		return;
	role = line + strcspn(line, SPACE);
	if (*role != '\0')
	{
		*role++ = '\0';
		role += strspn(role, SPACE);
	}
	keys->keys = memory_resize(keys->keys, (size_t) (keys->count + 1) * sizeof(Key));
	key = &keys->keys[keys->count++];
	SHA256((const unsigned char *) line, strlen(line), key->digest);
	key->role = *role != '\0' ? keep_role(role) : NULL;
	OPENSSL_cleanse(line, strlen(line));
}

/*
 * Take the keys of a file, in place of those there were. Each line has a key
 * and the role that it stands for; without a role it is who connects; "#"
 * begins a comment. If the file can't be read or has no key, everything stays
 * as it is, and the error says why.
 */
bool
api_keys_load(const char *path, Buffer *error)
{
	Keys		new = {0};
	FILE	   *file = fopen(path, "re");
	char	   *line = NULL;
	size_t		size = 0;
	struct stat status;
	bool		failed;

	if (file == NULL)
	{
		buffer_format(error, "could not open API key file \"%s\": %s", path, strerror(errno));
		return false;
	}
	if (fstat(fileno(file), &status) == 0 && (status.st_mode & S_IRWXO) != 0)
		log_line(LOG_LEVEL_WARNING, "API key file \"%s\" can be read by everybody", path);
	errno = 0;
	while (getline(&line, &size, file) >= 0)
		add_line(&new, line);
	failed = ferror(file) || new.count == 0;
	if (failed)
	{
		buffer_format(error, "could not read API keys from \"%s\": %s", path,
					  ferror(file) ? strerror(errno) : "there are none");
		free(new.keys);
	}
	else
	{
		free(current.keys);
		current = new;
		is_on = true;
	}
	if (line != NULL)
		OPENSSL_cleanse(line, size);
	free(line);
	fclose(file);
	return !failed;
}

/*
 * NULL if the call may go on, with the role to run as, NULL being who
 * connects. Otherwise why not. The value of the header field may be NULL.
 */
const char *
api_key_refusal(const char *authorization, const char **role)
{
	unsigned char digest[SHA256_DIGEST_LENGTH];
	const Key  *found = NULL;

	*role = NULL;
	if (!is_on)
		return NULL;
	if (authorization == NULL || strncasecmp(authorization, SCHEME, strlen(SCHEME)) != 0)
		return "API key is missing";
	authorization += strlen(SCHEME);
	SHA256((const unsigned char *) authorization, strlen(authorization), digest);
	for (int i = 0; i < current.count; i++)
	{
		if (CRYPTO_memcmp(current.keys[i].digest, digest, sizeof(digest)) == 0)
			found = &current.keys[i];
	}
	if (found == NULL)
		return "API key is not known";
	*role = found->role;
	return NULL;
}
