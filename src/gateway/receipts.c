/*
 * receipts.c
 *		Answers that were sent, until it is known whether they arrived.
 *
 * That the system took an answer's bytes says little. So behind answers whose
 * delivery somebody wants to know a PING is sent: a client acknowledges it when
 * it has read what came before. If the client cancels the stream before that,
 * or the connection ends, the answer counts as lost.
 *
 * A client that cancels what it has already got may thus have an answer that
 * counts as lost; never the reverse, as long as it reads in order.
 */
#include "gateway/receipts.h"

#include <stddef.h>
#include <stdlib.h>

#include "gateway/memory.h"

struct Receipt
{
	int32_t		stream_id;
	uint64_t	ping;			/* whose acknowledgement confirms it; 0: not sent yet */
	void		(*handler) (void *arg, bool delivered);
	void	   *arg;
	Receipt   *next;
};

/*
 * To be called before anything else.
 */
void
receipts_init(Receipts *receipts)
{
	*receipts = (Receipts) {.end = &receipts->first};
}

/*
 * An answer was sent, and the handler wants to know.
 */
void
receipts_add(Receipts *receipts, int32_t stream_id, void (*handler) (void *arg, bool delivered), void *arg)
{
	Receipt   *receipt = memory_new(sizeof(Receipt));

	*receipt = (Receipt) {.stream_id = stream_id, .handler = handler, .arg = arg};
	*receipts->end = receipt;
	receipts->end = &receipt->next;
	receipts->count++;
}

/*
 * The number of a PING that has to be sent now; 0 if there is no need for one.
 */
uint64_t
receipts_ping(Receipts *receipts)
{
	bool		is_needed = false;

	for (Receipt *each = receipts->first; each != NULL; each = each->next)
	{
		if (each->ping == 0)
		{
			each->ping = receipts->pings + 1;
			is_needed = true;
		}
	}
	return is_needed ? ++receipts->pings : 0;
}

/* Take a receipt out, and tell. */
static void
settle(Receipts *receipts, Receipt **link, bool delivered)
{
	Receipt   *receipt = *link;

	*link = receipt->next;
	if (*link == NULL)
		receipts->end = link;
	receipts->count--;
	receipt->handler(receipt->arg, delivered);
	free(receipt);
}

/*
 * A PING was acknowledged: what was sent before it has arrived.
 */
void
receipts_confirm(Receipts *receipts, uint64_t ping)
{
	while (receipts->first != NULL && receipts->first->ping != 0 && receipts->first->ping <= ping)
		settle(receipts, &receipts->first, true);
}

/*
 * The client has cancelled the stream.
 */
void
receipts_lose(Receipts *receipts, int32_t stream_id)
{
	for (Receipt **link = &receipts->first; *link != NULL; link = &(*link)->next)
	{
		if ((*link)->stream_id == stream_id)
		{
			settle(receipts, link, false);
			return;
		}
	}
}

/*
 * The connection has ended.
 */
void
receipts_lose_all(Receipts *receipts)
{
	while (receipts->first != NULL)
		settle(receipts, &receipts->first, false);
}
