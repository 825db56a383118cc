/*
 * run_mail.h
 *		Mail of runs as jsonb.
 */
#ifndef TASKQ_RUN_MAIL_H
#define TASKQ_RUN_MAIL_H

#include "model/run_step.h"

extern bool run_mail_closes_activity(const RunMail *mail);
extern Jsonb *run_mail_write(const RunMail *mail);
extern void run_mail_read(Jsonb *stored, RunMail *mail);

#endif							/* TASKQ_RUN_MAIL_H */
