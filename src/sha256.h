/*
 * sha256.h
 *		SHA-256 of short messages.
 */
#ifndef TASKQ_SHA256_H
#define TASKQ_SHA256_H

#define SHA256_MAX_SHORT		55	/* bytes that fit into one block */
#define SHA256_WORDS			8

extern void sha256_short(const unsigned char *message, int length,
						 uint32 digest[SHA256_WORDS]);

#endif							/* TASKQ_SHA256_H */
