/*
 * write_known.h
 *		What is kept of tables that are written to; for write.c only.
 */
#ifndef TASKQ_WRITE_KNOWN_H
#define TASKQ_WRITE_KNOWN_H

#include "nodes/execnodes.h"
#include "utils/rel.h"

#include "task/store_result.h"

/* What is kept of a table. */
typedef struct Known
{
	Oid			relation;		/* InvalidOid = unused */
	bool		complete;
	bool		stale;			/* something has changed since */
	bool		in_use;			/* a write uses it, and nobody else may */
	int			level;			/* of transactions, where it is in use */
	bool		transient;		/* rows do not stay long */
	MemoryContext context;		/* of all below */
	TupleTableSlot *slots[STORE_BATCH]; /* beyond the first when needed */
	EState	   *estate;
	ResultRelInfo *info;		/* its relations are open during calls only */
	int			nindexes;
	Oid		   *indexes;
} Known;

extern Known *known_take(Relation relation);
extern void known_index_used(Known *entry, Relation index);
extern void known_give_back(Known *entry);

#endif							/* TASKQ_WRITE_KNOWN_H */
