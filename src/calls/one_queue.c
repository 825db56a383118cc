/*
 * one_queue.c
 *		Views of queues that are asked for one queue.
 *
 * A view reads functions that tell of all queues, unless their last argument
 * says of which one.  Where the query does, as in WHERE task_queue = 'x', the
 * planner gets the comparison down to the scan of the function, and there puts
 * it into a filter.  This support function, which the planner asks how many rows
 * there will be, finds it by then and gives the function the name that is
 * compared with, so that the others are never looked at.  The filter stays.
 *
 * Only equality of bytes will do: the operator of text, by a collation under
 * which nothing else is equal.
 */
#include "postgres.h"

#include "catalog/pg_operator_d.h"
#include "catalog/pg_type_d.h"
#include "fmgr.h"
#include "nodes/nodeFuncs.h"
#include "nodes/pathnodes.h"
#include "nodes/supportnodes.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "utils/lsyscache.h"

#define TASK_QUEUE		1		/* the column */
#define ROWS_OF_ONE		5		/* of a queue, about: one for each level */

static bool
asks_for_all(const FuncExpr *call)
{
	Const	   *last = call->args == NIL ? NULL : llast(call->args);

	return last != NULL && IsA(last, Const) && last->consttype == TEXTOID &&
		last->constisnull;
}

/* the scan of that very call; NULL when it is none */
static RelOptInfo *
scan_of(PlannerInfo *root, Node *call)
{
	for (int i = 1; root != NULL && i < root->simple_rel_array_size; i++)
	{
		RelOptInfo *rel = root->simple_rel_array[i];
		RangeTblEntry *entry = root->simple_rte_array[i];

		if (rel != NULL && entry->rtekind == RTE_FUNCTION &&
			list_length(entry->functions) == 1 &&
			linitial_node(RangeTblFunction, entry->functions)->funcexpr == call)
			return rel;
	}
	return NULL;
}

static bool
is_task_queue(Node *node, const RelOptInfo *rel)
{
	Var		   *var = (Var *) strip_implicit_coercions(node);

	while (IsA(var, RelabelType))
		var = (Var *) ((RelabelType *) var)->arg;
	return IsA(var, Var) && var->varno == (int) rel->relid &&
		var->varattno == TASK_QUEUE && var->varlevelsup == 0;
}

/* the name that the column has to be equal to; NULL when the filter says none */
static Node *
name_wanted(const RelOptInfo *rel)
{
	ListCell   *cell;

	foreach(cell, rel->baserestrictinfo)
	{
		OpExpr	   *clause = (OpExpr *) lfirst_node(RestrictInfo, cell)->clause;
		Node	   *left;
		Node	   *right;

		if (!IsA(clause, OpExpr) || clause->opno != TextEqualOperator ||
			!get_collation_isdeterministic(clause->inputcollid))
			continue;
		left = linitial(clause->args);
		right = lsecond(clause->args);
		if (is_task_queue(left, rel) && is_pseudo_constant_clause(right))
			return right;
		if (is_task_queue(right, rel) && is_pseudo_constant_clause(left))
			return left;
	}
	return NULL;
}

PG_FUNCTION_INFO_V1(taskq_one_queue);

/* taskq.one_queue(internal) returns internal: support function of such functions */
Datum
taskq_one_queue(PG_FUNCTION_ARGS)
{
	SupportRequestRows *request = (SupportRequestRows *) PG_GETARG_POINTER(0);
	FuncExpr   *call;
	RelOptInfo *scan;
	Node	   *name;

	if (!IsA(request, SupportRequestRows) || !IsA(request->node, FuncExpr))
		PG_RETURN_POINTER(NULL);
	call = (FuncExpr *) request->node;
	scan = asks_for_all(call) ? scan_of(request->root, request->node) : NULL;
	name = scan == NULL ? NULL : name_wanted(scan);
	if (name == NULL)
		PG_RETURN_POINTER(NULL);
	llast(call->args) = copyObject(name);
	request->rows = ROWS_OF_ONE;
	PG_RETURN_POINTER(request);
}
