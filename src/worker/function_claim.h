/*
 * function_claim.h
 *		What a function worker takes next.
 */
#ifndef TASKQ_FUNCTION_CLAIM_H
#define TASKQ_FUNCTION_CLAIM_H

#include "datatype/timestamp.h"

#define FUNCTION_WORKER_IDENTITY	"taskq function worker "

extern const char *function_identity(void);
extern void function_begin(void);
extern bool function_may_take(uint64 queue);
extern bool function_claim(void);
extern void function_claim_ended(bool committed);
extern bool function_wait(TimestampTz leave_at);

#endif							/* TASKQ_FUNCTION_CLAIM_H */
