/*
 * owner_mail.h
 *		What activities of runs have to tell their owners.
 */
#ifndef TASKQ_OWNER_MAIL_H
#define TASKQ_OWNER_MAIL_H

#include "access/xact.h"

#include "model/activity.h"
#include "model/run_step.h"
#include "task/store_result.h"

/* Mail on its way to a run. */
typedef struct OwnerMail
{
	int64		run_id;
	int			number;			/* in the order in which it came */
	RunMail		mail;
	SubTransactionId sub;
} OwnerMail;

extern StoreResult owner_share(const Activity *activity, bool wait);
extern void owner_share_all(const int64 *run_ids, int n);
extern void owner_mail_closed(const Activity *activity, const Activity *before);
extern int	owner_mail_take(OwnerMail **list);
extern bool owner_mail_any(void);
extern void owner_mail_store(void);
extern void owner_mail_store_for(int64 run_id);
extern void owner_mail_forget(void);
extern void owner_mail_subtransaction(SubXactEvent event, SubTransactionId mine,
									  SubTransactionId parent);

#endif							/* TASKQ_OWNER_MAIL_H */
