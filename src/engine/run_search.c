/*
 * run_search.c
 *		Search attributes of runs.
 *
 * A name that nobody has used gets the type of its first payload; another type is
 * an error from then on.
 */
#include "postgres.h"

#include "base/json.h"
#include "engine/run_search.h"
#include "model/search_values.h"
#include "store/search_attributes.h"

/* What a look at the types has found. */
typedef struct TypeFault
{
	char	   *message;		/* NULL = all are right */
} TypeFault;

static void
check_type(void *arg, const char *name, const char *type)
{
	TypeFault  *fault = arg;
	const char *declared;

	if (fault->message != NULL)
		return;
	if (!search_type_is_known(type))
	{
		fault->message = psprintf("search attribute %s has an unknown type: %s", name, type);
		return;
	}
	declared = search_attribute_declare(name, type);
	if (strcmp(declared, type) != 0)
		fault->message = psprintf("invalid value for search attribute %s of type %s: its type is %s",
								  name, declared, type);
}

/* run_search_upsert: the values of a command take the place of earlier ones. */
void
run_search_upsert(Run *run, Jsonb *fields)
{
	Jsonb	   *values = run->search_attributes == NULL ? NULL :
		DatumGetJsonbP(PointerGetDatum(run->search_attributes));

	run->search_attributes = (struct varlena *) search_values_merged(values, fields);
}

static void
check_fields(Jsonb *fields, CommandFault *fault)
{
	TypeFault	types = {NULL};

	search_value_types(fields, check_type, &types);
	if (types.message == NULL || fault->cause != NULL)
		return;
	fault->cause = "WORKFLOW_TASK_FAILED_CAUSE_BAD_SEARCH_ATTRIBUTES";
	fault->message = psprintf("BadSearchAttributes: %s", types.message);
}

/* run_search_check: have those of the step's commands, and of its successor, the types that are declared? */
void
run_search_check(RunStep *step, CommandFault *fault)
{
	Jsonb	   *next = step->successor.command == NULL ? NULL :
		json_get_object(step->successor.command, "searchAttributes");

	for (int i = 0; i < step->nactions; i++)
		if (step->actions[i].type == RUN_UPSERT_ATTRIBUTES)
			check_fields(step->actions[i].attributes, fault);
	if (next != NULL)
		check_fields(json_get_object(next, "indexedFields"), fault);
}

/* run_search_declare: those of a start.  Raises 22023 for another type. */
void
run_search_declare(Jsonb *fields)
{
	TypeFault	types = {NULL};

	search_value_types(fields, check_type, &types);
	if (types.message != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s", types.message)));
}
