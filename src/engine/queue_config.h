/*
 * queue_config.h
 *		Configuration of task queues.
 */
#ifndef TASKQ_QUEUE_CONFIG_H
#define TASKQ_QUEUE_CONFIG_H

#include "model/queue_settings.h"
#include "task/queue_keys.h"

extern const QueueConfig *queue_config(const QueueRef *queue);
extern int	queue_config_unreadable(const char **task_queue);
extern int64 queue_config_retention(const QueueRef *queue);
extern ErrorData *queue_config_read(Jsonb *stored, QueueConfig *config);
extern double queue_config_override(const QueueConfig *config,
									const text *key);
extern double fairness_weight(double override, double task_weight);
extern double queue_config_weight(const QueueConfig *config, const text *key,
								  double task_weight);

#endif							/* TASKQ_QUEUE_CONFIG_H */
