/*
 * loop.c
 *		The one event loop of the gateway.
 *
 * A turn: wait for sockets or the next timer, serve the sockets that are
 * ready, then the timers that are due, then what was put off to the end of
 * the turn, until nothing of that is left.
 *
 * Timers are in a binary heap, each of which knows its place: setting and
 * clearing one of 10,000 is a matter of a dozen steps.
 */
#include "gateway/loop.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "gateway/memory.h"

#define EVENTS_PER_TURN 256

typedef struct Task
{
	TimerHandler handler;
	void	   *arg;
} Task;

static int	epoll_fd = -1;
static bool is_stopped;
static Instant turn_time;

/* the turn's sockets that are not served yet */
static struct epoll_event ready[EVENTS_PER_TURN];
static int	ready_count;

static LoopTimer **heap;		/* heap[1] is the earliest */
static int	heap_count;
static int	heap_size;

static Task *tasks;				/* for the end of the turn */
static int	task_count;
static int	task_size;

static void
look_at_clock(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	turn_time = (Instant) now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/*
 * To be called once, before anything else. Ends the program if the system
 * refuses.
 */
void
loop_init(void)
{
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (epoll_fd < 0)
	{
		perror("taskq-gateway: epoll_create1");
		exit(1);
	}
	look_at_clock();
}

/*
 * The time of this turn of the loop.
 */
Instant
loop_now(void)
{
	return turn_time;
}

/* ---- sockets ------------------------------------------------------------ */

static void
control(LoopSocket *socket, int operation)
{
	struct epoll_event event = {.events = socket->events, .data.ptr = socket};

	if (epoll_ctl(epoll_fd, operation, socket->fd, &event) < 0)
	{
		perror("taskq-gateway: epoll_ctl");
		abort();
	}
}

/*
 * Call the handler whenever one of the events is there, as long as it is.
 */
void
loop_watch(LoopSocket *socket, int fd, uint32_t events, SocketHandler handler, void *arg)
{
	*socket = (LoopSocket) {.fd = fd, .events = events, .handler = handler, .arg = arg};
	control(socket, EPOLL_CTL_ADD);
}

/*
 * Wait for other events of a socket that is watched.
 */
void
loop_change(LoopSocket *socket, uint32_t events)
{
	if (socket->events == events)
		return;
	socket->events = events;
	control(socket, EPOLL_CTL_MOD);
}

/*
 * Watch a socket no longer, to be called before it is closed. Its handler is
 * not called again, not even for what this turn brought.
 */
void
loop_forget(LoopSocket *socket)
{
	control(socket, EPOLL_CTL_DEL);
	socket->fd = -1;
	for (int i = 0; i < ready_count; i++)
	{
		if (ready[i].data.ptr == socket)
			ready[i].data.ptr = NULL;
	}
}

/* ---- timers ------------------------------------------------------------- */

static void
put(LoopTimer *timer, int place)
{
	heap[place] = timer;
	timer->place = place;
}

/* Find the place of a timer that may go up or down from here. */
static void
sift(LoopTimer *timer, int place)
{
	while (place > 1 && heap[place / 2]->when > timer->when)
	{
		put(heap[place / 2], place);
		place /= 2;
	}
	for (;;)
	{
		int			child = 2 * place;

		if (child < heap_count && heap[child + 1]->when < heap[child]->when)
			child++;
		if (child > heap_count || heap[child]->when >= timer->when)
			break;
		put(heap[child], place);
		place = child;
	}
	put(timer, place);
}

/*
 * Call the handler once, not before "when"; in place of what the timer was
 * set to. NEVER is the same as to clear it.
 */
void
loop_set_timer(LoopTimer *timer, Instant when, TimerHandler handler, void *arg)
{
	if (when == NEVER)
	{
		loop_clear_timer(timer);
		return;
	}
	timer->when = when;
	timer->handler = handler;
	timer->arg = arg;
	if (timer->place == 0)
	{
		if (++heap_count >= heap_size)
		{
			heap_size = heap_size > 0 ? 2 * heap_size : 64;
			heap = memory_resize(heap, (size_t) heap_size * sizeof(LoopTimer *));
		}
		timer->place = heap_count;
		heap[heap_count] = timer;
	}
	sift(timer, timer->place);
}

/*
 * The handler will not be called. A timer that is not set may be cleared.
 */
void
loop_clear_timer(LoopTimer *timer)
{
	int			place = timer->place;
	LoopTimer  *last;

	if (place == 0)
		return;
	timer->place = 0;
	last = heap[heap_count--];
	if (last != timer)
		sift(last, place);
}

static void
run_timers(void)
{
	while (heap_count > 0 && heap[1]->when <= turn_time)
	{
		LoopTimer  *timer = heap[1];

		loop_clear_timer(timer);
		timer->handler(timer->arg);
	}
}

/* ---- turns -------------------------------------------------------------- */

/*
 * Call the handler once, at the end of this turn. What it puts off in its turn
 * is done in the same one.
 */
void
loop_at_end_of_turn(TimerHandler handler, void *arg)
{
	if (task_count == task_size)
	{
		task_size = task_size > 0 ? 2 * task_size : 64;
		tasks = memory_resize(tasks, (size_t) task_size * sizeof(Task));
	}
	tasks[task_count++] = (Task) {handler, arg};
}

static void
end_turn(void)
{
	for (int i = 0; i < task_count; i++)
	{
		Task		task = tasks[i];

		task.handler(task.arg);
	}
	task_count = 0;
}

/* Milliseconds until the next timer, rounded up; -1 without any. */
static int
patience(void)
{
	Instant		wait;

	if (heap_count == 0)
		return -1;
	look_at_clock();
	wait = heap[1]->when - turn_time;
	if (wait <= 0)
		return 0;
	return wait > 60000000 ? 60000 : (int) ((wait + 999) / 1000);
}

static void
turn(void)
{
	int			count = epoll_wait(epoll_fd, ready, EVENTS_PER_TURN, patience());

	if (count < 0 && errno != EINTR)
	{
		perror("taskq-gateway: epoll_wait");
		abort();
	}
	look_at_clock();
	ready_count = count > 0 ? count : 0;
	for (int i = 0; i < ready_count; i++)
	{
		LoopSocket *socket = ready[i].data.ptr;

		if (socket != NULL)
			socket->handler(socket->arg, ready[i].events);
	}
	ready_count = 0;
	run_timers();
	end_turn();
}

/*
 * Serve until loop_stop(). What was put off before it started comes first.
 */
void
loop_run(void)
{
	is_stopped = false;
	end_turn();
	while (!is_stopped)
		turn();
}

/*
 * Let loop_run() return after this turn.
 */
void
loop_stop(void)
{
	is_stopped = true;
}
