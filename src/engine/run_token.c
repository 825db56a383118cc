/*
 * run_token.c
 *		Tokens of workflow tasks: those of tasks, with the first bit set, which
 *		that of no node has.  So one of the wrong kind is none.
 */
#include "postgres.h"

#include "engine/run_token.h"
#include "engine/token.h"

#define WORKFLOW_BIT	0x80

/* run_token_make: the token of the attempt with that nonce. */
pg_uuid_t *
run_token_make(int64 run_id, int64 nonce)
{
	pg_uuid_t  *token = token_make(run_id, nonce);

	Assert(!(token->data[0] & WORKFLOW_BIT));
	token->data[0] |= WORKFLOW_BIT;
	return token;
}

/* run_token_read: what the token claims; false when it can be none of ours. */
bool
run_token_read(const pg_uuid_t *token, int64 *run_id, int64 *nonce)
{
	pg_uuid_t	plain = *token;

	if (!(plain.data[0] & WORKFLOW_BIT))
		return false;
	plain.data[0] &= ~WORKFLOW_BIT;
	return token_read(&plain, run_id, nonce);
}
