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

/* microseconds */
#define AGAIN_MIN		100000
#define AGAIN_MAX		5000000
#define AGAIN_UNTIL		INT64_C(600000000)

typedef struct Delivery
{
	const char *role;
	char	   *queue;
	GivenBackHandler handler;
	LoopTimer	again;
	Instant		pause;			/* the last one */
	Instant		began;			/* to give it back; 0: it is not to be */
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

static void give_back(void *arg);

/*
 * While the database is not there it is tried again: a token that was given
 * back by then is just not good any more. What never can be, its timeouts will
 * give back.
 */
static void
on_released(void *item, DatabaseOutcome outcome, const PGresult *result, int row)
{
	Delivery   *delivery = item;

	if (outcome != DATABASE_OK && outcome != DATABASE_DENIED && loop_now() < delivery->began + AGAIN_UNTIL)
	{
		delivery->pause = delivery->pause == 0 ? AGAIN_MIN : 2 * delivery->pause;
		if (delivery->pause > AGAIN_MAX)
			delivery->pause = AGAIN_MAX;
		loop_set_timer(&delivery->again, loop_now() + delivery->pause, give_back, delivery);
		return;
	}
	if (outcome == DATABASE_OK && row >= 0 && row_bool(result, row, 1))
		delivery->handler(delivery->queue);
	free_delivery(delivery);
}

static const BatchKind release_kind = {&release_statement, bind_release, on_released, false};

static void
give_back(void *arg)
{
	Delivery   *delivery = arg;

	batch_add(&release_kind, delivery->role, delivery);
}

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
	{
		delivery->began = loop_now();
		give_back(delivery);
	}
}
