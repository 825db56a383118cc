/*
 * chains.h
 *		Which notes of a list are about the same.
 */
#ifndef TASKQ_CHAINS_H
#define TASKQ_CHAINS_H

/* What a note is about. */
typedef struct ChainKey
{
	uint64		a;
	uint64		b;
} ChainKey;

typedef struct Link
{
	ChainKey	key;
	int			older;			/* note about the same, index + 1; 0 = none */
	int			next;			/* in the chain of the newest, likewise */
} Link;

/* Of one list; all zero at first. */
typedef struct Chains
{
	Link	   *links;			/* one for each note; in TopMemoryContext */
	int			n;
	int			max;
	int		   *heads;			/* index + 1; 0 = none; likewise */
	int			nheads;			/* a power of two */
} Chains;

extern int	chains_newest(const Chains *chains, ChainKey key);
extern int	chains_older(const Chains *chains, int i);
extern void chains_reserve(Chains *chains);
extern void chains_add(Chains *chains, ChainKey key);
extern void chains_cut(Chains *chains);
extern void chains_forget(Chains *chains);

#endif							/* TASKQ_CHAINS_H */
