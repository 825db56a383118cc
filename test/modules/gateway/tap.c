/*
 * tap.c
 *		Tests of the gateway's parts, each file a program that prints TAP.
 */
#include "tap.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json_text.h"
#include "gateway/memory.h"
#include "gateway/texts.h"

#define TOLD_FAULTS 5

static int	count;
static int	failed;
static int	faults;

/*
 * One assertion.
 */
void
ok(bool passed, const char *format,...)
{
	va_list		args;

	printf("%sok %d - ", passed ? "" : "not ", ++count);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
	fflush(stdout);
	failed += !passed;
}

/*
 * Is the text, which may be NULL, the one that is wanted?
 */
void
is_text(const char *got, const char *wanted, const char *claim)
{
	bool		passed = got == NULL || wanted == NULL ? got == wanted : strcmp(got, wanted) == 0;

	ok(passed, "%s", claim);
	if (!passed)
		printf("# got:    %s\n# wanted: %s\n", got ? got : "NULL", wanted ? wanted : "NULL");
}

/*
 * Something is wrong.
 */
void
fault(const char *format,...)
{
	va_list		args;

	if (faults++ >= TOLD_FAULTS)
		return;
	printf("# ");
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
}

/*
 * Was nothing wrong since the last time?
 */
void
no_fault(const char *claim)
{
	ok(faults == 0, "%s", claim);
	if (faults > 0)
		printf("# %d faults\n", faults);
	faults = 0;
}

/*
 * The end, for main() to return.
 */
int
done(void)
{
	printf("1..%d\n", count);
	return failed > 0;
}

static bool
find_member(Slice object, Slice wanted, Slice *value)
{
	JsonReader	reader = json_text_open(object);
	Slice		key;

	while (json_text_member(&reader, &key, value))
		if (key.length == wanted.length && memcmp(key.data, wanted.data, key.length) == 0)
			return true;
	return false;
}

static size_t
count_members(Slice object)
{
	JsonReader	reader = json_text_open(object);
	Slice		key;
	Slice		value;
	size_t		members = 0;

	while (json_text_member(&reader, &key, &value))
		members++;
	return members;
}

static bool
same_objects(Slice a, Slice b)
{
	JsonReader	reader = json_text_open(a);
	Slice		key;
	Slice		value;
	Slice		other;

	if (count_members(a) != count_members(b))
		return false;
	while (json_text_member(&reader, &key, &value))
		if (!find_member(b, key, &other) || !same_json(value, other))
			return false;
	return true;
}

static bool
same_arrays(Slice a, Slice b)
{
	JsonReader	first = json_text_open(a);
	JsonReader	second = json_text_open(b);
	Slice		value;
	Slice		other;

	while (json_text_element(&first, &value))
		if (!json_text_element(&second, &other) || !same_json(value, other))
			return false;
	return !json_text_element(&second, &other);
}

/*
 * Do two JSON texts mean the same?
 */
bool
same_json(Slice a, Slice b)
{
	TextBuffer	first = text_begin();
	TextBuffer	second = text_begin();
	bool		same;

	a = json_text_trim(a);
	b = json_text_trim(b);
	if (json_text_type(a) != json_text_type(b))
		return false;
	if (json_text_type(a) == '{')
		return same_objects(a, b);
	if (json_text_type(a) == '[')
		return same_arrays(a, b);
	json_text_decode(&first, a);
	json_text_decode(&second, b);
	same = strcmp(text_end(&first), text_end(&second)) == 0;
	text_buffer_free(&first);
	text_buffer_free(&second);
	return same;
}

/*
 * A text so many times, to be freed.
 */
char *
repeated(const char *text, size_t times)
{
	TextBuffer	all = text_begin();

	for (size_t i = 0; i < times; i++)
		text_buffer_text(&all, text);
	return text_end(&all);
}

/*
 * All of a file, to be freed.
 */
Slice
read_file(const char *path)
{
	FILE	   *file = fopen(path, "rb");
	TextBuffer	all = text_begin();
	char		piece[4096];
	size_t		length;

	if (file == NULL)
	{
		perror(path);
		exit(2);
	}
	while ((length = fread(piece, 1, sizeof(piece), file)) > 0)
		text_buffer_add(&all, piece, length);
	fclose(file);
	return (Slice) {text_end(&all), all.length};
}
