/*
 * token.h
 *		Task tokens.
 */
#ifndef TASKQ_TOKEN_H
#define TASKQ_TOKEN_H

#include "utils/uuid.h"

extern int64 token_new_nonce(void);
extern PGDLLEXPORT pg_uuid_t *token_make(int64 run_id, int64 nonce);
extern PGDLLEXPORT bool token_read(const pg_uuid_t *token, int64 *run_id,
								   int64 *nonce);

#endif							/* TASKQ_TOKEN_H */
