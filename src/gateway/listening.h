/*
 * listening.h
 *		The one connection that listens, and listens again when it is made anew.
 */
#ifndef TASKQ_GATEWAY_LISTENING_H
#define TASKQ_GATEWAY_LISTENING_H

/* channel NULL: connected anew, anything may have been missed. */
typedef void (*NotifyHandler) (const char *channel, const char *payload);

extern void listening_init(const char *conninfo, const char *settings, NotifyHandler handler);
extern void listening_add(const char *channel);
extern void listening_close(void);

#endif
