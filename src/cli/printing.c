/*
 * printing.c
 *		Rows for people, and for programs.
 */
#include "cli/printing.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "client/plain_memory.h"
#include "common/json_text.h"

/* Of pg_type; these never change. */
#define BOOL_TYPE 16
#define BIGINT_TYPE 20
#define SMALLINT_TYPE 21
#define INT_TYPE 23
#define FLOAT8_TYPE 701
#define JSONB_TYPE 3802

#define CONTROL_WIDTH 4			/* of \x1B */

/* How many bytes of a control character a text begins with; a tab is none. */
static int
control_length(const char *text)
{
	unsigned char first = text[0];
	unsigned char second = first == 0 ? 0 : text[1];

	if (first == 0xC2 && second >= 0x80 && second < 0xA0)
		return 2;
	return first != 0 && (first < 0x20 || first == 0x7F) && first != '\t';
}

/* How many columns of a terminal a text takes, more or less: its characters. */
static int
width_of(const char *text)
{
	int			width = 0;
	int			control;

	for (; *text != '\0'; text += control > 0 ? control : 1)
	{
		control = control_length(text);
		width += control > 0 ? CONTROL_WIDTH : (*text & 0xC0) != 0x80;
	}
	return width;
}

/* Who has named a thing does not control the terminal. */
static void
print_text(const char *text)
{
	int			control;

	for (; *text != '\0'; text += control > 0 ? control : 1)
	{
		control = control_length(text);
		if (control > 0)
			printf("\\x%02X", (unsigned char) text[control - 1]);
		else
			putchar(*text);
	}
}

static void
print_row(const PGresult *result, int row, const int *widths, int columns)
{
	for (int column = 0; column < columns; column++)
	{
		const char *text = row < 0 ? PQfname(result, column) : PQgetvalue(result, row, column);

		fputs(column > 0 ? "  " : "", stdout);
		print_text(text);
		if (column + 1 < columns)
			printf("%*s", widths[column] - width_of(text), "");
	}
	putchar('\n');
}

/* How wide a line may be: what COLUMNS says, else the terminal; 0: as wide as it is. */
static int
screen_width(void)
{
	const char *columns = getenv("COLUMNS");
	struct winsize size;

	if (columns != NULL && atoi(columns) > 0)
		return atoi(columns);
	return isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

/* Of a table that does not, the last column still may, if it has half of the screen to be wrapped in. */
static bool
fits(const int *widths, int columns)
{
	int			screen = screen_width();
	int			begin = 0;

	for (int column = 0; column + 1 < columns; column++)
		begin += widths[column] + 2;
	return screen == 0 || begin <= screen / 2 || begin + widths[columns - 1] <= screen;
}

/*
 * print_table: names, and a line for each row, of the first so many columns; NULL is nothing.  What
 * is too wide for the screen is printed as by print_record.
 */
void
print_table(const PGresult *result, int columns)
{
	int		   *widths = plain_zeroed((columns + 1) * sizeof *widths);

	for (int column = 0; column < columns; column++)
	{
		widths[column] = width_of(PQfname(result, column));
		for (int row = 0; row < PQntuples(result); row++)
		{
			int			width = width_of(PQgetvalue(result, row, column));

			if (width > widths[column])
				widths[column] = width;
		}
	}
	if (columns > 0 && PQntuples(result) > 0 && !fits(widths, columns))
		print_record(result);
	else
		for (int row = -1; row < PQntuples(result); row++)
			print_row(result, row, widths, columns);
	plain_memory.release(widths);
}

/*
 * print_record: a line for each column that is not NULL, of each row, and an empty line between rows.
 */
void
print_record(const PGresult *result)
{
	int			width = 0;

	for (int column = 0; column < PQnfields(result); column++)
		if (width_of(PQfname(result, column)) > width)
			width = width_of(PQfname(result, column));
	for (int row = 0; row < PQntuples(result); row++)
	{
		if (row > 0)
			putchar('\n');
		for (int column = 0; column < PQnfields(result); column++)
		{
			if (PQgetisnull(result, row, column))
				continue;
			printf("%-*s  ", width, PQfname(result, column));
			print_text(PQgetvalue(result, row, column));
			putchar('\n');
		}
	}
}

static void
add_value(TextBuffer *line, const PGresult *result, int row, int column)
{
	const char *text = PQgetvalue(result, row, column);
	unsigned	type = PQftype(result, column);
	bool		is_number = type == BIGINT_TYPE || type == SMALLINT_TYPE || type == INT_TYPE ||
		(type == FLOAT8_TYPE && isdigit((unsigned char) text[text[0] == '-']));

	if (PQgetisnull(result, row, column))
		text_buffer_text(line, "null");
	else if (type == BOOL_TYPE)
		text_buffer_text(line, text[0] == 't' ? "true" : "false");
	else if (is_number || type == JSONB_TYPE)
		text_buffer_text(line, text);
	else
		json_text_encode(line, slice_of(text));
}

/*
 * print_json: an object on a line for each row.
 */
void
print_json(const PGresult *result)
{
	for (int row = 0; row < PQntuples(result); row++)
	{
		TextBuffer	line;

		text_buffer_init(&line, &plain_memory);
		for (int column = 0; column < PQnfields(result); column++)
		{
			text_buffer_text(&line, column == 0 ? "{" : ", ");
			json_text_encode(&line, slice_of(PQfname(result, column)));
			text_buffer_text(&line, ": ");
			add_value(&line, result, row, column);
		}
		text_buffer_text(&line, "}");
		puts(line.data);
		text_buffer_free(&line);
	}
}
