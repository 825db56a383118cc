/*
 * fairness.h
 *		Which fairness key comes next, and how fast each may go.
 */
#ifndef TASKQ_FAIRNESS_H
#define TASKQ_FAIRNESS_H

#include "engine/admission.h"
#include "store/ready.h"

extern void fairness_begin(const Admission *admission, Lane **lanes, int n);
extern double fairness_stride(const Lane *lane);
extern void fairness_seen(const Admission *admission, const Lane *lane,
						  bool has_candidate);
extern bool fairness_may_refuse(const Admission *admission);
extern bool fairness_admit(const Admission *admission, Lane *lane);
extern void fairness_refund(const Admission *admission, Lane *lane);
extern void fairness_dispatched(const Admission *admission, Lane *lane);
extern bool fairness_would_admit(const Admission *admission, const Lane *lane,
								 TimestampTz *when);

#endif							/* TASKQ_FAIRNESS_H */
