/*
 * compat.h
 *		What differs between PostgreSQL 15 and 18, and between servers with and
 *		without assertions; the only file that looks at PG_VERSION_NUM and
 *		USE_ASSERT_CHECKING.
 */
#ifndef TASKQ_COMPAT_H
#define TASKQ_COMPAT_H

#include "postgres.h"

#include "catalog/pg_database.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_tablespace.h"
#include "utils/acl.h"
#include "utils/wait_event.h"

/* 16: the VARDATA family moved to a header of its own */
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

/* 16: one function for every kind of object */
#if PG_VERSION_NUM >= 160000
#define database_ownercheck(database, role) \
	object_ownercheck(DatabaseRelationId, (database), (role))
#define database_aclcheck(database, role, mode) \
	object_aclcheck(DatabaseRelationId, (database), (role), (mode))
#define tablespace_aclcheck(tablespace, role, mode) \
	object_aclcheck(TableSpaceRelationId, (tablespace), (role), (mode))
#define function_aclcheck(function, role, mode) \
	object_aclcheck(ProcedureRelationId, (function), (role), (mode))
#define function_ownercheck(function, role) \
	object_ownercheck(ProcedureRelationId, (function), (role))
#else
#define database_ownercheck(database, role) \
	pg_database_ownercheck((database), (role))
#define database_aclcheck(database, role, mode) \
	pg_database_aclcheck((database), (role), (mode))
#define tablespace_aclcheck(tablespace, role, mode) \
	pg_tablespace_aclcheck((tablespace), (role), (mode))
#define function_aclcheck(function, role, mode) \
	pg_proc_aclcheck((function), (role), (mode))
#define function_ownercheck(function, role) \
	pg_proc_ownercheck((function), (role))
#endif

/* 16: who inherits from a role need not be able to become it */
#if PG_VERSION_NUM >= 160000
#define may_set_role(member, role)	member_can_set_role((member), (role))
#else
#define may_set_role(member, role)	is_member_of_role((member), (role))
#endif

/* 18: a word before the declaration */
#if PG_VERSION_NUM < 180000
#define pg_noreturn					pg_attribute_noreturn()
#endif

/* 17: extensions name their wait events; asked again, the name is found */
#if PG_VERSION_NUM >= 170000
#define custom_wait_event(name)		WaitEventExtensionNew(name)
#else
#define custom_wait_event(name)		PG_WAIT_EXTENSION
#endif

/* 17: one more timeout that must not hit a background worker */
#if PG_VERSION_NUM >= 170000
#define HAVE_TRANSACTION_TIMEOUT	1
#else
#define HAVE_TRANSACTION_TIMEOUT	0
#endif

/* ------------------------------------------------------------------------
 * Table access
 * ------------------------------------------------------------------------
 */
#include "access/genam.h"
#include "access/tableam.h"
#include "executor/executor.h"
#include "utils/timestamp.h"

/* 16: an update tells which indexes need entries, not only whether any does */
#if PG_VERSION_NUM >= 160000
typedef TU_UpdateIndexes CompatUpdateIndexes;
#define COMPAT_UPDATE_NO_INDEXES		TU_None
#define compat_only_summarizing(u)		((u) == TU_Summarizing)
#define compat_insert_index_tuples(info, slot, estate, update, nodup, \
								   conflict, arbiters, only_summarizing) \
	ExecInsertIndexTuples(info, slot, estate, update, nodup, conflict, \
						  arbiters, only_summarizing)
#else
typedef bool CompatUpdateIndexes;
#define COMPAT_UPDATE_NO_INDEXES		false
#define compat_only_summarizing(u)		false
#define compat_insert_index_tuples(info, slot, estate, update, nodup, \
								   conflict, arbiters, only_summarizing) \
	ExecInsertIndexTuples(info, slot, estate, update, nodup, conflict, \
						  arbiters)
#endif

/*
 * compat_update_nowait: replace a row version by what is in the slot unless
 * somebody holds it, be it our own transaction (TM_BeingModified).
 *
 * An update that does not wait does what one would think, but PostgreSQL has
 * no caller of it and asserts so.  A server with assertions therefore locks
 * the row first.  That costs a WAL record, which this function is there to
 * save where each task would pay it: when attempts start.
 */
static inline TM_Result
compat_update_nowait(Relation table, ItemPointer tid, TupleTableSlot *slot,
					 CompatUpdateIndexes *update_indexes)
{
	TM_FailureData failure;
	LockTupleMode mode;
	bool		wait = false;

#ifdef USE_ASSERT_CHECKING
	TupleTableSlot *locked = table_slot_create(table, NULL);
	TM_Result	result;

	result = table_tuple_lock(table, tid, InvalidSnapshot, locked,
							  GetCurrentCommandId(true),
							  LockTupleNoKeyExclusive, LockWaitSkip, 0,
							  &failure);
	ExecDropSingleTupleTableSlot(locked);
	if (result != TM_Ok)
		return result == TM_WouldBlock ? TM_BeingModified : result;
	wait = true;
#endif
	return table_tuple_update(table, tid, slot, GetCurrentCommandId(true),
							  InvalidSnapshot, InvalidSnapshot, wait,
							  &failure, &mode, update_indexes);
}

/* 18: ON CONFLICT checks can name the row that is being replaced */
#if PG_VERSION_NUM >= 180000
#define compat_check_index_constraints(info, slot, estate, rival, arbiters) \
	ExecCheckIndexConstraints(info, slot, estate, rival, NULL, arbiters)
#else
#define compat_check_index_constraints(info, slot, estate, rival, arbiters) \
	ExecCheckIndexConstraints(info, slot, estate, rival, arbiters)
#endif

/* 17: what an index has gathered while rows were inserted */
#if PG_VERSION_NUM >= 170000
#define compat_index_insert_cleanup(index, info) \
	index_insert_cleanup(index, info)
#else
#define compat_index_insert_cleanup(index, info)	((void) 0)
#endif

/* 18: index scans can be instrumented */
#if PG_VERSION_NUM >= 180000
#define compat_index_beginscan(table, index, snapshot, nkeys) \
	index_beginscan(table, index, snapshot, NULL, nkeys, 0)
#else
#define compat_index_beginscan(table, index, snapshot, nkeys) \
	index_beginscan(table, index, snapshot, nkeys, 0)
#endif

/* 17: processes are known by number */
#include "storage/proc.h"
#if PG_VERSION_NUM >= 170000
#define compat_my_proc_number()		((int) MyProcNumber)
#else
#define compat_my_proc_number()		(MyProc->pgprocno)
#endif

/*
 * All: what libpq/libpq.h declares.  That header needs those of GSSAPI when the
 * server was built with it, and they need not be installed.
 */
#include "storage/latch.h"
#define FeBeWaitSetSocketPos	0
extern PGDLLIMPORT WaitEventSet *FeBeWaitSet;
extern bool pq_check_connection(void);

/* 17: infinite intervals */
#if PG_VERSION_NUM >= 170000
#define interval_is_infinite(i)		INTERVAL_NOT_FINITE(i)
#else
#define interval_is_infinite(i)		false
#endif

#endif							/* TASKQ_COMPAT_H */
