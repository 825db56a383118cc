/*
 * receipts.h
 *		Answers that were sent, until it is known whether they arrived.
 */
#ifndef TASKQ_GATEWAY_RECEIPTS_H
#define TASKQ_GATEWAY_RECEIPTS_H

#include <stdbool.h>
#include <stdint.h>

typedef struct Receipt Receipt;

/* Those of one connection. */
typedef struct Receipts
{
	Receipt   *first;			/* in the order of sending */
	Receipt  **end;
	int			count;
	uint64_t	pings;			/* sent so far */
} Receipts;

extern void receipts_init(Receipts *receipts);
extern void receipts_add(Receipts *receipts, int32_t stream_id,
						   void (*handler) (void *arg, bool delivered), void *arg);
extern uint64_t receipts_ping(Receipts *receipts);
extern void receipts_confirm(Receipts *receipts, uint64_t ping);
extern void receipts_lose(Receipts *receipts, int32_t stream_id);
extern void receipts_lose_all(Receipts *receipts);

#endif
