/*
 * channel_asks.h
 *		Who asks for channels, and who listens to them.
 */
#ifndef TASKQ_CHANNEL_ASKS_H
#define TASKQ_CHANNEL_ASKS_H

#include "shared/channels.h"

extern ChannelRef channel_ask(const char *name, int length, NameKind kind,
							  const char *channel);
extern bool channel_known(const char *name, int length, NameKind kind,
						  const char *channel, ChannelRef *ref);
extern bool channel_unask(const char *name, int length, NameKind kind,
						  const char *channel, ChannelRef *ref);
extern void channel_hold(const char *channel, uint64 hash, NameKind kind,
						 bool make, ChannelRef *ref);

/* cannot fail, no allocation; caller holds control->lock exclusively */
extern bool channel_listened(const ChannelRef *ref);
extern void channel_let_go(const ChannelRef *ref, bool listened);

#endif							/* TASKQ_CHANNEL_ASKS_H */
