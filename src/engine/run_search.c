/*
 * run_search.c
 *		Search attributes of runs, and their types.
 *
 * The first use of a name declares its type: that of its payload, or the one that its
 * value gets.  From then on another type, or a value that the type does not have, is an
 * error.  What is refused declares nothing: all are judged first, and declared when
 * what they are part of is carried out.
 */
#include "postgres.h"

#include "base/grow.h"
#include "base/json.h"
#include "base/shown.h"
#include "common/lengths.h"
#include "engine/run_search.h"
#include "model/search_values.h"
#include "store/search_attributes.h"

/* A name that gets a type. */
typedef struct NewType
{
	const char *name;
	const char *type;
} NewType;

/* What a look at search attributes has found. */
typedef struct Judgement
{
	NewType    *types;			/* that are to be declared */
	int			n;
	int			room;
	char	   *fault;			/* NULL = all are right */
} Judgement;

/* the type of the name by now, or NULL */
static const char *
type_by_now(const Judgement *judgement, const char *name)
{
	for (int i = 0; i < judgement->n; i++)
		if (strcmp(judgement->types[i].name, name) == 0)
			return judgement->types[i].type;
	return search_attribute_type(name);
}

static void
add_type(Judgement *judgement, const char *name, const char *type)
{
	judgement->types = grow(judgement->types, NULL, &judgement->room, judgement->n + 1,
							sizeof(NewType), CurrentMemoryContext);
	judgement->types[judgement->n++] = (NewType) {name, type};
}

static const char *
shown_value(Jsonb *value)
{
	JsonbValue	scalar;

	if (value == NULL)
		return "it is no JSON";
	if (JB_ROOT_IS_SCALAR(value) && JsonbExtractScalar(&value->root, &scalar) && scalar.type == jbvString)
		return text_shown(pnstrdup(scalar.val.string.val, scalar.val.string.len));
	return text_shown(JsonbToCString(NULL, &value->root, VARSIZE(value)));
}

static char *
another_type(const char *name, const char *type, const char *declared)
{
	return psprintf("invalid value for search attribute %s of type %s: the value is of type %s",
					name, declared, type);
}

static void
judge(void *arg, const SearchValue *value)
{
	Judgement  *judgement = arg;
	const char *name = value->name;
	const char *declared;
	const char *type;

	if (judgement->fault != NULL || value->removes)
		return;
	declared = strlen(name) > MAX_NAME_LENGTH ? NULL : type_by_now(judgement, name);
	type = value->type != NULL ? value->type : declared != NULL ? declared :
		value->value != NULL ? search_type_of(value->value) : NULL;
	if (strlen(name) > MAX_NAME_LENGTH)
		judgement->fault = psprintf("name of a search attribute exceeds length limit. Length=%zu Limit=%d",
									strlen(name), MAX_NAME_LENGTH);
	else if (type == NULL)
		judgement->fault = psprintf("invalid value for search attribute %s: %s", name, shown_value(value->value));
	else if (!search_type_is_known(type))
		judgement->fault = psprintf("search attribute %s has an unknown type: %s", name, text_shown(type));
	else if (declared != NULL && strcmp(declared, type) != 0)
		judgement->fault = another_type(name, type, declared);
	else if (value->value == NULL || !search_value_fits(value->value, type))
		judgement->fault = psprintf("invalid value for search attribute %s of type %s: %s",
									name, type, shown_value(value->value));
	else if (declared == NULL)
		add_type(judgement, name, type);
}

static int
compare_names(const void *a, const void *b)
{
	return strcmp(((const NewType *) a)->name, ((const NewType *) b)->name);
}

/*
 * Declare what is new, in the order of names, so that two who declare the same wait for
 * each other at most once.  If somebody else was faster with another type, that is a
 * fault, and nothing is declared.
 */
static void
declare(Judgement *judgement)
{
	if (judgement->n > 1)
		qsort(judgement->types, judgement->n, sizeof(NewType), compare_names);
	for (int i = 0; judgement->fault == NULL && i < judgement->n; i++)
	{
		const NewType *new_type = &judgement->types[i];
		const char *declared = search_attribute_declare(new_type->name, new_type->type);

		if (strcmp(declared, new_type->type) == 0)
			continue;
		judgement->fault = another_type(new_type->name, new_type->type, declared);
		while (--i >= 0)
			search_attribute_forget(judgement->types[i].name);
		return;
	}
}

/* run_search_type: that the name is declared with, or NULL. */
const char *
run_search_type(const char *name)
{
	return strlen(name) > MAX_NAME_LENGTH ? NULL : search_attribute_type(name);
}

/* run_search_upsert: the values of a command take the place of earlier ones. */
void
run_search_upsert(Run *run, Jsonb *fields)
{
	Jsonb	   *values = run->search_attributes == NULL ? NULL :
		DatumGetJsonbP(PointerGetDatum(run->search_attributes));

	run->search_attributes = (struct varlena *) search_values_merged(values, fields);
}

/*
 * run_search_settle: have those of the step's commands, and of its successor, the types
 * that are declared, and values of these?  What is new is declared; otherwise *fault.
 */
void
run_search_settle(RunStep *step, CommandFault *fault)
{
	Jsonb	   *next = step->successor.command == NULL ? NULL :
		json_get_object(step->successor.command, "searchAttributes");
	Judgement	judgement = {0};

	for (int i = 0; i < step->nactions; i++)
		if (step->actions[i].type == RUN_UPSERT_ATTRIBUTES)
			search_values_read(step->actions[i].attributes, judge, &judgement);
	if (next != NULL)
		search_values_read(json_get_object(next, "indexedFields"), judge, &judgement);
	declare(&judgement);
	if (judgement.fault == NULL)
		return;
	fault->cause = "WORKFLOW_TASK_FAILED_CAUSE_BAD_SEARCH_ATTRIBUTES";
	fault->message = psprintf("BadSearchAttributes: %s", judgement.fault);
}

static void
raise_fault(const Judgement *judgement)
{
	if (judgement->fault != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s", judgement->fault)));
}

/* run_search_check: likewise those of a start, which may come to nothing: declares nothing.  Raises 22023. */
void
run_search_check(Jsonb *fields)
{
	Judgement	judgement = {0};

	search_values_read(fields, judge, &judgement);
	raise_fault(&judgement);
}

/* run_search_declare: those of a run that has begun.  Raises 22023. */
void
run_search_declare(Jsonb *fields)
{
	Judgement	judgement = {0};

	search_values_read(fields, judge, &judgement);
	declare(&judgement);
	raise_fault(&judgement);
}
