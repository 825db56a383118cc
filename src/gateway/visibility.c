/*
 * visibility.c
 *		Queries of lists and counts, as SQL conditions on taskq.activities.
 *
 *		query:		[condition] [GROUP BY ExecutionStatus]
 *		condition:	any of AND, OR, NOT, parentheses, and predicates:
 *					column =, !=, <>, <, <=, >, >= value
 *					column [NOT] IN (value, ...)
 *					column [NOT] BETWEEN value AND value
 *					column [NOT] STARTS_WITH value
 *					column IS [NOT] NULL
 *
 * A value is a string in quotes of either kind, or a number.  It becomes a
 * parameter of the condition, never a part of it.
 */
#include "gateway/visibility.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "common/proto_times.h"
#include "common/statuses.h"
#include "gateway/texts.h"

#define lengthof(array) (sizeof(array) / sizeof((array)[0]))

/* How a column is compared. */
typedef enum ColumnType
{
	COLUMN_TEXT,
	COLUMN_STATUS,
	COLUMN_RUN,
	COLUMN_TIME
} ColumnType;

typedef struct Column
{
	const char *name;
	const char *sql;
	const char *cast;
	ColumnType	type;
} Column;

static const Column columns[] = {
	{"ActivityId", "activity_id", "text", COLUMN_TEXT},
	{"ActivityType", "activity_type", "text", COLUMN_TEXT},
	{"TaskQueue", "task_queue", "text", COLUMN_TEXT},
	{"ExecutionStatus", "status", "taskq.activity_status", COLUMN_STATUS},
	{"Status", "status", "taskq.activity_status", COLUMN_STATUS},
	{"RunId", "taskq.run_uuid(run_id)", "uuid", COLUMN_RUN},
	{"ActivityRunId", "taskq.run_uuid(run_id)", "uuid", COLUMN_RUN},
	{"StartTime", "schedule_time", "timestamptz", COLUMN_TIME},
	{"ExecutionTime", "execution_time", "timestamptz", COLUMN_TIME},
	{"CloseTime", "close_time", "timestamptz", COLUMN_TIME},
};

static const struct
{
	const char *name;
	const char *sql;
}			statuses[] = {
	{"Running", STATUS_RUNNING},
	{"Paused", STATUS_PAUSED},
	{"Completed", STATUS_COMPLETED},
	{"Failed", STATUS_FAILED},
	{"Canceled", STATUS_CANCELED},
	{"Terminated", STATUS_TERMINATED},
	{"TimedOut", STATUS_TIMED_OUT},
};

typedef enum TokenType
{
	TOKEN_END,
	TOKEN_WORD,
	TOKEN_STRING,
	TOKEN_NUMBER,
	TOKEN_SYMBOL
} TokenType;

typedef struct Parser
{
	VisibilityQuery *query;
	const char *text;
	const char *at;				/* behind the token */
	int			first;			/* number of the first parameter */
	int			depth;
	bool		is_bad;

	/* the token that comes next */
	TokenType	type;
	const char *start;
	Slice		token;			/* of a string what it means */
	TextBuffer	string;
} Parser;

/* false; the first problem is kept. */
static bool __attribute__((format(printf, 2, 3)))
fail(Parser *parser, const char *format,...)
{
	va_list		args;
	char	   *problem = parser->query->problem;
	size_t		room = sizeof(parser->query->problem);
	int			length;

	if (parser->is_bad)
		return false;
	parser->is_bad = true;
	length = snprintf(problem, room, "invalid query: ");
	va_start(args, format);
	length += vsnprintf(problem + length, room - (size_t) length, format, args);
	va_end(args);
	if ((size_t) length < room)
		snprintf(problem + length, room - (size_t) length, " at position %d",
				 (int) (parser->start - parser->text) + 1);
	return false;
}

/* ------------------------------------------------------------------------
 * Tokens
 * ------------------------------------------------------------------------
 */

static bool
is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* A string: its quote is in it twice, or behind a backslash. */
static bool
next_string(Parser *parser, char quote)
{
	parser->string.length = 0;
	text_buffer_add(&parser->string, "", 0);
	for (parser->at++;; parser->at++)
	{
		if (*parser->at == '\0')
			return fail(parser, "string without an end");
		if (*parser->at == quote && *++parser->at != quote)
			break;
		if (*parser->at == '\\' && parser->at[1] != '\0')
			parser->at++;
		text_buffer_char(&parser->string, *parser->at);
	}
	parser->type = quote == '`' ? TOKEN_WORD : TOKEN_STRING;
	parser->token = (Slice) {parser->string.data, parser->string.length};
	return true;
}

/* Go on to the next token; false: it is none. */
static bool
next(Parser *parser)
{
	char		c;

	while (*parser->at == ' ' || (*parser->at >= '\t' && *parser->at <= '\r'))
		parser->at++;
	parser->start = parser->at;
	c = *parser->at;
	if (c == '\'' || c == '"' || c == '`')
		return next_string(parser, c);
	if (c == '\0')
		parser->type = TOKEN_END;
	else if (is_letter(c))
	{
		parser->type = TOKEN_WORD;
		while (is_letter(*parser->at) || is_digit(*parser->at))
			parser->at++;
	}
	else if (is_digit(c) || (c == '-' && is_digit(parser->at[1])))
	{
		parser->type = TOKEN_NUMBER;
		parser->at++;
		while (is_digit(*parser->at) || *parser->at == '.')
			parser->at++;
	}
	else
	{
		parser->type = TOKEN_SYMBOL;
		parser->at++;
		if (((c == '<' || c == '>' || c == '!') && *parser->at == '=') || (c == '<' && *parser->at == '>'))
			parser->at++;
	}
	parser->token = (Slice) {parser->start, (size_t) (parser->at - parser->start)};
	return true;
}

static bool
is_keyword(const Parser *parser, const char *keyword)
{
	return parser->type == TOKEN_WORD && *parser->start != '`' &&
		parser->token.length == strlen(keyword) &&
		strncasecmp(parser->token.data, keyword, parser->token.length) == 0;
}

static bool
is_symbol(const Parser *parser, const char *symbol)
{
	return parser->type == TOKEN_SYMBOL && slice_equals(parser->token, symbol);
}

/* If the keyword is next, go on. */
static bool
take_keyword(Parser *parser, const char *keyword)
{
	return is_keyword(parser, keyword) && next(parser);
}

static bool
expect_keyword(Parser *parser, const char *keyword)
{
	return take_keyword(parser, keyword) || fail(parser, "%s is expected", keyword);
}

static bool
expect_symbol(Parser *parser, const char *symbol)
{
	return (is_symbol(parser, symbol) && next(parser)) || fail(parser, "\"%s\" is expected", symbol);
}

/* ------------------------------------------------------------------------
 * Values
 * ------------------------------------------------------------------------
 */

/* What SQL is to read as the column's type; false: it is none. */
static bool
convert_time(Parser *parser, TextBuffer *to)
{
	ProtoTime	instant = {0, 0};

	if (parser->type == TOKEN_NUMBER)
	{
		long long	nanoseconds = 0;
		int			length = 0;

		/* since 1970 */
		if (parser->token.length > 18 ||
			sscanf(parser->token.data, "%lld%n", &nanoseconds, &length) != 1 ||
			(size_t) length != parser->token.length)
			return fail(parser, "not an instant");
		instant.seconds = nanoseconds / 1000000000 - (nanoseconds % 1000000000 < 0);
		instant.nanoseconds = (int32_t) (nanoseconds - instant.seconds * 1000000000);
	}
	else if (!proto_instant_read(parser->token, &instant))
		return fail(parser, "not an instant such as '2026-01-31T12:00:00Z'");
	proto_instant_write(to, instant);
	return true;
}

/* The same of "TimedOut", "timed_out", "TIMED_OUT". */
static bool
convert_status(Parser *parser, TextBuffer *to)
{
	char		name[32];
	size_t		length = 0;

	for (size_t i = 0; i < parser->token.length && length < sizeof(name) - 1; i++)
		if (parser->token.data[i] != '_')
			name[length++] = parser->token.data[i];
	name[length] = '\0';
	for (size_t i = 0; i < lengthof(statuses); i++)
	{
		if (strcasecmp(name, statuses[i].name) == 0)
		{
			text_buffer_text(to, statuses[i].sql);
			return true;
		}
	}
	return fail(parser, "not a status");
}

static bool
convert_run(Parser *parser, TextBuffer *to)
{
	Slice		run = parser->token;

	for (size_t i = 0; i < run.length; i++)
	{
		bool		is_dash = i == 8 || i == 13 || i == 18 || i == 23;
		char		c = run.data[i];

		if (is_dash ? c != '-' : !is_digit(c) && !((c | 0x20) >= 'a' && (c | 0x20) <= 'f'))
			return fail(parser, "not a run id");
	}
	if (run.length != 36)
		return fail(parser, "not a run id");
	text_buffer_slice(to, run);
	return true;
}

/* A value that the column is compared with: a parameter. */
static bool
parse_value(Parser *parser, const Column *column)
{
	VisibilityQuery *query = parser->query;
	TextBuffer *texts = &query->texts;
	char		number[32];
	bool		is_good = true;

	if (parser->type != TOKEN_STRING && parser->type != TOKEN_NUMBER)
		return fail(parser, "a value is expected");
	if (parser->type == TOKEN_NUMBER && column->type != COLUMN_TIME)
		return fail(parser, "%s is compared with strings", column->name);
	if (query->parameters == VISIBILITY_PARAMETERS)
		return fail(parser, "more than %d values", VISIBILITY_PARAMETERS);
	if (column->type == COLUMN_TIME)
		is_good = convert_time(parser, texts);
	else if (column->type == COLUMN_STATUS)
		is_good = convert_status(parser, texts);
	else if (column->type == COLUMN_RUN)
		is_good = convert_run(parser, texts);
	else
		text_buffer_slice(texts, parser->token);
	if (!is_good)
		return false;
	text_buffer_char(texts, '\0');
	snprintf(number, sizeof(number), "$%d::", parser->first + query->parameters++);
	text_buffer_text(&query->sql, number);
	text_buffer_text(&query->sql, column->cast);
	return next(parser);
}

/* ------------------------------------------------------------------------
 * Conditions
 * ------------------------------------------------------------------------
 */

static bool parse_or(Parser *parser);

static const Column *
parse_column(Parser *parser)
{
	if (parser->type != TOKEN_WORD)
	{
		fail(parser, parser->type == TOKEN_END ? "a condition is expected" : "a name is expected");
		return NULL;
	}
	for (size_t i = 0; i < lengthof(columns); i++)
		if (slice_equals(parser->token, columns[i].name))
			return next(parser) ? &columns[i] : NULL;
	fail(parser, "%.*s is no column of activities",
		 (int) (parser->token.length < 60 ? parser->token.length : 60), parser->token.data);
	return NULL;
}

static bool
parse_in(Parser *parser, const Column *column)
{
	text_buffer_text(&parser->query->sql, " IN (");
	if (!expect_symbol(parser, "(") || !parse_value(parser, column))
		return false;
	while (is_symbol(parser, ","))
	{
		text_buffer_text(&parser->query->sql, ", ");
		if (!next(parser) || !parse_value(parser, column))
			return false;
	}
	text_buffer_char(&parser->query->sql, ')');
	return expect_symbol(parser, ")");
}

static bool
parse_between(Parser *parser, const Column *column)
{
	if (column->type == COLUMN_STATUS || column->type == COLUMN_RUN)
		return fail(parser, "%s has no order", column->name);
	text_buffer_text(&parser->query->sql, " BETWEEN ");
	if (!parse_value(parser, column) || !expect_keyword(parser, "AND"))
		return false;
	text_buffer_text(&parser->query->sql, " AND ");
	return parse_value(parser, column);
}

static bool
parse_comparison(Parser *parser, const Column *column)
{
	static const char *const operators[] = {"=", "!=", "<>", "<", "<=", ">", ">="};
	const char *operator= NULL;

	for (size_t i = 0; i < lengthof(operators); i++)
		if (is_symbol(parser, operators[i]))
			operator= operators[i];
	if (operator== NULL)
		return fail(parser, "a comparison is expected");
	if ((column->type == COLUMN_STATUS || column->type == COLUMN_RUN) &&
		operator[0] != '=' && strcmp(operator, "!=") != 0 && strcmp(operator, "<>") != 0)
		return fail(parser, "%s has no order", column->name);
	text_buffer_char(&parser->query->sql, ' ');
	text_buffer_text(&parser->query->sql, operator);
	text_buffer_char(&parser->query->sql, ' ');
	return next(parser) && parse_value(parser, column);
}

static bool
parse_starts_with(Parser *parser, const Column *column, bool is_negated)
{
	TextBuffer *sql = &parser->query->sql;

	if (column->type != COLUMN_TEXT)
		return fail(parser, "%s is no text", column->name);
	text_buffer_text(sql, is_negated ? "NOT starts_with(" : "starts_with(");
	text_buffer_text(sql, column->sql);
	text_buffer_text(sql, ", ");
	if (!parse_value(parser, column))
		return false;
	text_buffer_char(sql, ')');
	return true;
}

static bool
parse_predicate(Parser *parser)
{
	TextBuffer *sql = &parser->query->sql;
	const Column *column = parse_column(parser);
	bool		is_negated;

	if (column == NULL)
		return false;
	is_negated = take_keyword(parser, "NOT");
	if (take_keyword(parser, "STARTS_WITH"))
		return parse_starts_with(parser, column, is_negated);
	text_buffer_text(sql, column->sql);
	if (is_negated)
		text_buffer_text(sql, " NOT");
	if (take_keyword(parser, "IN"))
		return parse_in(parser, column);
	if (take_keyword(parser, "BETWEEN"))
		return parse_between(parser, column);
	if (is_negated)
		return fail(parser, "IN, BETWEEN or STARTS_WITH is expected");
	if (take_keyword(parser, "IS"))
	{
		text_buffer_text(sql, take_keyword(parser, "NOT") ? " IS NOT NULL" : " IS NULL");
		return expect_keyword(parser, "NULL");
	}
	return parse_comparison(parser, column);
}

static bool
parse_not(Parser *parser)
{
	bool		is_good;

	if (parser->depth == VISIBILITY_DEPTH)
		return fail(parser, "nested too deeply");
	parser->depth++;
	if (take_keyword(parser, "NOT"))
	{
		text_buffer_text(&parser->query->sql, "NOT ");
		is_good = parse_not(parser);
	}
	else if (is_symbol(parser, "("))
	{
		text_buffer_char(&parser->query->sql, '(');
		is_good = next(parser) && parse_or(parser);
		text_buffer_char(&parser->query->sql, ')');
		is_good = is_good && expect_symbol(parser, ")");
	}
	else
		is_good = parse_predicate(parser);
	parser->depth--;
	return is_good;
}

static bool
parse_and(Parser *parser)
{
	if (!parse_not(parser))
		return false;
	while (take_keyword(parser, "AND"))
	{
		text_buffer_text(&parser->query->sql, " AND ");
		if (!parse_not(parser))
			return false;
	}
	return true;
}

static bool
parse_or(Parser *parser)
{
	if (!parse_and(parser))
		return false;
	while (take_keyword(parser, "OR"))
	{
		text_buffer_text(&parser->query->sql, " OR ");
		if (!parse_and(parser))
			return false;
	}
	return true;
}

static bool
parse_query(Parser *parser)
{
	if (!next(parser))
		return false;
	if (parser->type == TOKEN_END || is_keyword(parser, "GROUP") || is_keyword(parser, "ORDER"))
		text_buffer_text(&parser->query->sql, "true");
	else if (!parse_or(parser))
		return false;
	if (take_keyword(parser, "GROUP"))
	{
		if (!expect_keyword(parser, "BY"))
			return false;
		if (!slice_equals(parser->token, "ExecutionStatus"))
			return fail(parser, "GROUP BY takes ExecutionStatus alone");
		parser->query->by_status = true;
		if (!next(parser))
			return false;
	}
	if (is_keyword(parser, "ORDER"))
		return fail(parser, "ORDER BY is not implemented");
	return !parser->is_bad && (parser->type == TOKEN_END || fail(parser, "nothing more is expected"));
}

static uint64_t
hash_of(const char *text)
{
	uint64_t	hash = UINT64_C(14695981039346656037);

	for (; *text != '\0'; text++)
		hash = (hash ^ (unsigned char) *text) * UINT64_C(1099511628211);
	return hash;
}

/*
 * Understand a query.  false: it can't be understood, and *problem says why,
 * for people; it is valid as long as the query.  "first" is the number of the
 * first parameter.  To be freed in both cases.
 */
bool
visibility_parse(VisibilityQuery *query, const char *text, int first, const char **problem)
{
	Parser		parser = {.query = query,.text = text,.at = text,.start = text,.first = first};
	const char *value;
	bool		is_good;

	*query = (VisibilityQuery) {.sql = text_begin(),.texts = text_begin(),.hash = hash_of(text)};
	parser.string = text_begin();
	*problem = query->problem;
	is_good = strlen(text) > VISIBILITY_LENGTH ?
		fail(&parser, "longer than %d bytes", VISIBILITY_LENGTH) : parse_query(&parser);
	text_buffer_free(&parser.string);
	query->condition = query->sql.data;
	value = query->texts.data;
	for (int i = 0; i < query->parameters; i++)
	{
		query->values[i] = value;
		value += strlen(value) + 1;
	}
	return is_good && !parser.is_bad;
}

/*
 * Give back what it has.
 */
void
visibility_free(VisibilityQuery *query)
{
	text_buffer_free(&query->sql);
	text_buffer_free(&query->texts);
}
