/*
 * shown.h
 *		Texts of callers in messages.
 */
#ifndef TASKQ_SHOWN_H
#define TASKQ_SHOWN_H

extern const char *text_shown(const char *text);

#endif							/* TASKQ_SHOWN_H */
