/*
 * token.c
 *		Task tokens.
 *
 * A task token is a uuid: node (2 bytes, in clear), the low 48 bits of the
 * run_id masked with a hash of key and nonce (6 bytes), nonce (8 bytes).  The
 * nonce is random, drawn at each start and kept in the activity's row: that is
 * what makes the token valid for one attempt only.  The mask hides the run_id.
 */
#include "postgres.h"

#include "port/pg_bswap.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

#include "base/compat.h"
#include "base/recent.h"
#include "engine/token.h"
#include "store/instance.h"
#include "store/open.h"

/* nonces that are drawn at once, and kept by the backend */
#define NONCES_DRAWN	64

/*
 * token_new_nonce: never 0.  Random numbers are drawn some at a time, since
 * what a draw costs hardly depends on how many.
 */
int64
token_new_nonce(void)
{
	static int64 drawn[NONCES_DRAWN];
	static int	left = 0;
	int64		nonce = 0;

	while (nonce == 0)
	{
		if (left == 0)
		{
			instance_random(drawn, sizeof(drawn));
			left = NONCES_DRAWN;
		}
		nonce = drawn[--left];
	}
	return nonce;
}

/*
 * Six bytes that mask the run_id in a token.  Who makes a token is mostly the
 * one who reads it again, so some of the last ones are kept.
 */
static uint64
mask48(const char *key, int64 nonce)
{
	static Recent masks;		/* with this key: */
	static char masks_key[INSTANCE_KEY_LENGTH];
	const uint64 *known;
	union
	{
		bytea		bytes;
		char		data[VARHDRSZ + INSTANCE_KEY_LENGTH + 8];
	}			input;
	bytea	   *digest;
	uint64		bits = pg_hton64((uint64) nonce);

	if (memcmp(masks_key, key, INSTANCE_KEY_LENGTH) != 0)
	{
		memset(&masks, 0, sizeof(masks));
		memcpy(masks_key, key, INSTANCE_KEY_LENGTH);
	}
	known = recent_find(&masks, (uint64) nonce);
	if (known != NULL)
		return *known;
	SET_VARSIZE(&input, sizeof(input.data));
	memcpy(input.data + VARHDRSZ, key, INSTANCE_KEY_LENGTH);
	memcpy(input.data + VARHDRSZ + INSTANCE_KEY_LENGTH, &bits, 8);
	digest = DatumGetByteaPP(DirectFunctionCall1(sha256_bytea,
												 PointerGetDatum(&input)));
	bits = 0;
	for (int i = 0; i < 6; i++)
		bits = bits << 8 | (unsigned char) VARDATA_ANY(digest)[i];
	recent_put(&masks, (uint64) nonce, bits);
	return bits;
}

/*
 * token_make: the token of the attempt with that nonce.
 */
pg_uuid_t *
token_make(int64 run_id, int64 nonce)
{
	pg_uuid_t  *token = palloc(sizeof(pg_uuid_t));
	InstanceKeys keys;
	uint64		masked;
	uint64		bits = (uint64) nonce;

	for (int i = 0; i < 8; i++)
		token->data[8 + i] = (unsigned char) (bits >> (56 - 8 * i));
	(void) instance_keys(&keys, true);
	masked = ((uint64) run_id ^ mask48(keys.token_key, nonce)) &
		((UINT64CONST(1) << NODE_SHIFT) - 1);
	for (int i = 0; i < 6; i++)
		token->data[2 + i] = (unsigned char) (masked >> (40 - 8 * i));
	token->data[0] = (unsigned char) ((uint64) run_id >> 56);
	token->data[1] = (unsigned char) ((uint64) run_id >> 48);
	return token;
}

/*
 * token_read: the run_id and nonce that a token claims; whether they are true
 * only the row can tell.  False when there is no key, hence no token.
 */
bool
token_read(const pg_uuid_t *token, int64 *run_id, int64 *nonce)
{
	InstanceKeys keys;
	uint64		masked = 0;
	uint64		bits = 0;
	uint64		node = (uint64) token->data[0] << 8 | token->data[1];

	if (!instance_keys(&keys, false))
		return false;
	for (int i = 0; i < 6; i++)
		masked = masked << 8 | token->data[2 + i];
	for (int i = 0; i < 8; i++)
		bits = bits << 8 | token->data[8 + i];
	*nonce = (int64) bits;
	*run_id = (int64) (node << NODE_SHIFT | (masked ^ mask48(keys.token_key, *nonce)));
	return true;
}
