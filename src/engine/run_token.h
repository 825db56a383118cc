/*
 * run_token.h
 *		Tokens of workflow tasks.
 */
#ifndef TASKQ_RUN_TOKEN_H
#define TASKQ_RUN_TOKEN_H

#include "utils/uuid.h"

extern pg_uuid_t *run_token_make(int64 run_id, int64 nonce);
extern bool run_token_read(const pg_uuid_t *token, int64 *run_id, int64 *nonce);

#endif							/* TASKQ_RUN_TOKEN_H */
