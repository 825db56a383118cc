/*
 * delivery.c
 *		Tasks that were handed out, and those that are given back.
 */
#include "gateway/delivery.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/batch.h"
#include "gateway/memory.h"
#include "gateway/result_values.h"

typedef struct Delivery
{
	const char *role;
	char	   *queue;
	GivenBackHandler handler;
	uint8_t		token[16];
} Delivery;

static const Statement release_statement = {
	"release_many",
	"SELECT r.ordinality::int4, r.ok"
	" FROM taskq.release_many(task_tokens => $1) WITH ORDINALITY r",
	1, false
};

static void
bind_release(const void *item, SqlArray *arrays)
{
	sql_array_add_uuid(&arrays[0], ((const Delivery *) item)->token);
}

static void
free_delivery(Delivery *delivery)
{
	free(delivery->queue);
	free(delivery);
}

/* What could not be given back, its timeouts will. */
static void
on_released(void *item, DatabaseOutcome outcome, const PGresult *result, int row)
{
	Delivery   *delivery = item;

	if (outcome == DATABASE_OK && row >= 0 && row_bool(result, row, 1))
		delivery->handler(delivery->queue);
	free_delivery(delivery);
}

static const BatchKind release_kind = {&release_statement, bind_release, on_released};

/*
 * A task that is being handed out, by its token of 16 bytes. The handler is called
 * if its queue has it again.
 */
void *
delivery_new(const char *role, const char *queue, const uint8_t *token, GivenBackHandler handler)
{
	Delivery   *delivery = memory_new(sizeof(Delivery));

	delivery->role = role;
	delivery->queue = memory_text(queue);
	delivery->handler = handler;
	memcpy(delivery->token, token, sizeof(delivery->token));
	return delivery;
}

/*
 * What became of the answer: a DeliveryHandler, which frees the delivery.
 */
void
delivery_done(void *arg, bool delivered)
{
	Delivery   *delivery = arg;

	if (delivered)
		free_delivery(delivery);
	else
		batch_add(&release_kind, delivery->role, delivery);
}
