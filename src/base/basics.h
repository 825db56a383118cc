/*
 * basics.h
 *		How taskq is named, and what C has no name for.
 */
#ifndef TASKQ_BASICS_H
#define TASKQ_BASICS_H

#include "datatype/timestamp.h"

#include "common/sqlstates.h"

#define TASKQ_SCHEMA		"taskq"
#define TASKQ_EXTENSION		"taskq"

/* for errcode() */
#define MAKE_ERRCODE(sqlstate) \
	MAKE_SQLSTATE((sqlstate)[0], (sqlstate)[1], (sqlstate)[2], \
				  (sqlstate)[3], (sqlstate)[4])
#define ERRCODE_TASKQ_NOT_FOUND				MAKE_ERRCODE(SQLSTATE_NOT_FOUND)
#define ERRCODE_TASKQ_ALREADY_STARTED		MAKE_ERRCODE(SQLSTATE_ALREADY_STARTED)
#define ERRCODE_TASKQ_FAILED_PRECONDITION	MAKE_ERRCODE(SQLSTATE_FAILED_PRECONDITION)
#define ERRCODE_TASKQ_RESOURCE_EXHAUSTED	MAKE_ERRCODE(SQLSTATE_RESOURCE_EXHAUSTED)

/* An instant that never comes; also "no deadline". */
#define TIMESTAMP_NEVER			DT_NOEND

#endif							/* TASKQ_BASICS_H */
