/*
 * shown.c
 *		Texts of callers in messages.
 */
#include "postgres.h"

#include "mb/pg_wchar.h"

#include "base/shown.h"

/* bytes that are shown */
#define SHOWN			100

/* text_shown: the text, or its beginning and "...", palloc'd, if it is long. */
const char *
text_shown(const char *text)
{
	size_t		length = strlen(text);

	if (length <= SHOWN)
		return text;
	return psprintf("%.*s...", pg_mbcliplen(text, length, SHOWN), text);
}
