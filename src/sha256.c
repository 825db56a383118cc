/*
 * sha256.c
 *		SHA-256 (FIPS 180-4) of a message that fits into one block.
 *
 * Each start and each report of an attempt hashes 40 bytes.  Through the
 * server's interface to its cryptographic library that costs several times
 * as much as the hash itself, for the machinery of algorithms and contexts
 * around it.
 */
#include "postgres.h"

#include "port/pg_bswap.h"

#include "sha256.h"

#define ROUNDS			64
#define BLOCK_WORDS		16

/* the first 32 bits of the fractions of the cube roots of the first 64 primes */
static const uint32 round_constants[ROUNDS] = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5,
	0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
	0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3,
	0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
	0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc,
	0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
	0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7,
	0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
	0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13,
	0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
	0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3,
	0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
	0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5,
	0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
	0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208,
	0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2
};

/* likewise of the square roots of the first 8 primes */
static const uint32 initial_state[SHA256_WORDS] = {
	0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
	0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19
};

static inline uint32
rotate_right(uint32 word, int n)
{
	return (word >> n) | (word << (32 - n));
}

/* the message, padded to one block and expanded to a word per round */
static void
expand(const unsigned char *message, int length, uint32 words[ROUNDS])
{
	unsigned char *block = (unsigned char *) words;

	memset(block, 0, BLOCK_WORDS * sizeof(uint32));
	memcpy(block, message, length);
	block[length] = 0x80;
	for (int i = 0; i < BLOCK_WORDS; i++)
		words[i] = pg_ntoh32(words[i]);
	words[BLOCK_WORDS - 1] = length * 8;
	for (int i = BLOCK_WORDS; i < ROUNDS; i++)
	{
		uint32		x = words[i - 15];
		uint32		y = words[i - 2];

		words[i] = words[i - 16] + words[i - 7] +
			(rotate_right(x, 7) ^ rotate_right(x, 18) ^ (x >> 3)) +
			(rotate_right(y, 17) ^ rotate_right(y, 19) ^ (y >> 10));
	}
}

/*
 * One round.  Instead of moving the eight words of the state on by one, they
 * are found one place further back; after eight rounds they are at home again.
 */
static inline void
one_round(uint32 *s, int j, uint32 word)
{
#define AT(k)	s[((k) - j) & (SHA256_WORDS - 1)]
	uint32		a = AT(0);
	uint32		e = AT(4);
	uint32		t = AT(7) + word + ((e & AT(5)) ^ (~e & AT(6))) +
		(rotate_right(e, 6) ^ rotate_right(e, 11) ^ rotate_right(e, 25));

	AT(3) += t;
	AT(7) = t + ((a & AT(1)) ^ (a & AT(2)) ^ (AT(1) & AT(2))) +
		(rotate_right(a, 2) ^ rotate_right(a, 13) ^ rotate_right(a, 22));
#undef AT
}

/*
 * sha256_short: the digest, as words whose most significant byte comes first,
 * of a message of at most SHA256_MAX_SHORT bytes.
 */
void
sha256_short(const unsigned char *message, int length,
			 uint32 digest[SHA256_WORDS])
{
	uint32		words[ROUNDS];
	uint32		s[SHA256_WORDS];

	Assert(length <= SHA256_MAX_SHORT);
	expand(message, length, words);
	memcpy(s, initial_state, sizeof(s));
	for (int i = 0; i < ROUNDS; i += SHA256_WORDS)
	{
		const uint32 *word = &words[i];
		const uint32 *constant = &round_constants[i];

		/* spelled out: with fixed places the state stays in registers */
		one_round(s, 0, word[0] + constant[0]);
		one_round(s, 1, word[1] + constant[1]);
		one_round(s, 2, word[2] + constant[2]);
		one_round(s, 3, word[3] + constant[3]);
		one_round(s, 4, word[4] + constant[4]);
		one_round(s, 5, word[5] + constant[5]);
		one_round(s, 6, word[6] + constant[6]);
		one_round(s, 7, word[7] + constant[7]);
	}
	for (int i = 0; i < SHA256_WORDS; i++)
		digest[i] = initial_state[i] + s[i];
}
