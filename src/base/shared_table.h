/*
 * shared_table.h
 *		Hash tables of fixed size in shared memory, made of parts that are
 *		locked one by one.
 */
#ifndef TASKQ_SHARED_TABLE_H
#define TASKQ_SHARED_TABLE_H

/* Parts of every table; who locks a part locks it in all of them. */
#define TABLE_PARTS		16

StaticAssertDecl(TABLE_PARTS < 32 && (TABLE_PARTS & (TABLE_PARTS - 1)) == 0,
				 "parts are the bits of a word, chosen by some bits of a hash");

/* a set of parts is made of such bits */
static inline uint32
part_bit(int part)
{
	return ((uint32) 1) << part;
}

#define ALL_PARTS			(part_bit(TABLE_PARTS) - 1)

typedef struct SharedTable SharedTable;

extern Size shared_table_size(int entries, Size entry_size);
extern SharedTable *shared_table_init(const char *name, int entries,
									  Size key_size, Size entry_size);

/* caller holds the lock of the part, exclusively to add or remove */
extern void *shared_table_find(SharedTable *table, int part, const void *key);
extern void *shared_table_add(SharedTable *table, int part, const void *key);
extern void shared_table_remove(SharedTable *table, void *entry);
extern void *shared_table_next(SharedTable *table, int part,
							   const void *previous);

/* without a lock: a guess, to be checked under the lock of the part */
extern int	shared_table_size_of(const SharedTable *table);
extern int	shared_table_used(const SharedTable *table);
extern void *shared_table_at(SharedTable *table, int i);
extern int	shared_table_place(const SharedTable *table, const void *entry);
extern int	shared_table_part(const SharedTable *table, const void *entry);

#endif							/* TASKQ_SHARED_TABLE_H */
