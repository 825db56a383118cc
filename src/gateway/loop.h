/*
 * loop.h
 *		The one event loop of the gateway: sockets, timers, and what is to be
 *		done at the end of a turn.
 *
 * Everything runs in one thread.  A handler may add, change and forget any
 * socket or timer, its own included.
 */
#ifndef TASKQ_GATEWAY_LOOP_H
#define TASKQ_GATEWAY_LOOP_H

#include <stdbool.h>
#include <stdint.h>

/* microseconds of the monotonic clock; NEVER is later than all of them */
typedef int64_t Instant;

#define NEVER INT64_MAX

/* events: EPOLLIN, EPOLLOUT and what epoll adds */
typedef void (*SocketHandler) (void *arg, uint32_t events);
typedef void (*TimerHandler) (void *arg);

/* A socket that is watched.  Lives in its owner's struct. */
typedef struct LoopSocket
{
	int			fd;				/* -1: not watched */
	uint32_t	events;
	SocketHandler handler;
	void	   *arg;
} LoopSocket;

/* A timer.  Lives in its owner's struct; all zeros is one that is not set. */
typedef struct LoopTimer
{
	Instant		when;
	int			place;			/* in the heap, counted from 1; 0: not set */
	TimerHandler handler;
	void	   *arg;
} LoopTimer;

extern void loop_init(void);

/* Until loop_stop(). */
extern void loop_run(void);
extern void loop_stop(void);

/* The time of this turn of the loop. */
extern Instant loop_now(void);

extern void loop_watch(LoopSocket *socket, int fd, uint32_t events, SocketHandler handler, void *arg);
extern void loop_change(LoopSocket *socket, uint32_t events);
extern void loop_forget(LoopSocket *socket);

extern void loop_set_timer(LoopTimer *timer, Instant when, TimerHandler handler, void *arg);
extern void loop_clear_timer(LoopTimer *timer);

/*
 * Call the handler once, at the end of this turn, when all sockets that were
 * ready have been served: what came in at the same moment is together then.
 */
extern void loop_at_end_of_turn(TimerHandler handler, void *arg);

#endif
