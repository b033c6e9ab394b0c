/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A leaf of the tree in RAM, and its entries.
 *
 * An entry is read with one load and changed with one cmpxchg, never under a lock.  Whoever
 * changes one keeps to this order: pin the leaf, mark it (lclone_commit_mark()), touch the
 * entry's group, change the entry, unpin the leaf.
 */
#ifndef LCLONE_LEAF_H
#define LCLONE_LEAF_H

#include <linux/atomic.h>
#include <linux/bitops.h>
#include <linux/list.h>
#include <linux/rcupdate.h>

#include "lclone_format.h"

struct lclone_cache;

/* Spare bits of an exception in RAM: never on disk. */
#define LCLONE_EXC_DIRTY	BIT_ULL(LCLONE_PHYS_BITS)	/* not yet in a durable commit */
#define LCLONE_EXC_BUSY		BIT_ULL(LCLONE_PHYS_BITS + 1)	/* first writes have to wait */

/**
 * struct lclone_leaf - a leaf of the tree in RAM
 * @pins: pins of mutators in flight and of jobs, or LCLONE_LEAF_DEAD
 * @index: of the leaf
 * @flags: LEAF_*
 * @groups: a bit for each group of 8 entries, set if one of them may be DIRTY
 * @uncommitted: its place in commit.uncommitted or commit.round; commit.lock
 * @dirty: its place in commit.dirty or in the checkpoint's list; commit.lock
 * @rcu: frees the leaf, once it is dead
 * @cache: the cache that it is in
 * @exceptions: the entries
 *
 * One page: the header of the disk node is replaced by what only RAM needs.
 */
struct lclone_leaf {
	atomic_t pins;
	u32 index;
	unsigned long flags;
	unsigned long groups;
	struct list_head uncommitted;
	union {
		struct list_head dirty;
		struct rcu_head rcu;
	};
	struct lclone_cache *cache;
	u64 exceptions[LCLONE_LEAF_EXCEPTIONS] __aligned(64);
};

static_assert(sizeof(struct lclone_leaf) <= PAGE_SIZE);

#define LCLONE_LEAF_DEAD	INT_MIN
#define LCLONE_PIN_JOB		0x100000	/* a job's pin, above all that bios can make */
#define LCLONE_GROUP		8

enum {
	LEAF_UNCOMMITTED,		/* may hold DIRTY entries: on commit.uncommitted, .round */
	LEAF_DIRTY,			/* differs from the tree on disk: on commit.dirty */
	LEAF_FRESH,			/* loaded since the last pass of eviction */
};

/* Stands for each leaf that the tree does not have.  It has no entries and can't be pinned. */
extern struct lclone_leaf lclone_empty_leaf;

/**
 * lclone_leaf_pin() - pin a leaf
 * @leaf: the leaf
 *
 * A mutator pins the leaf before it looks at the entry and unpins it after it has published.
 * A pinned leaf is neither evicted nor taken off the lists of the commit.  Called under RCU, or
 * with another pin held.  Fully ordered: pairs with lclone_commit_take() and task_is_quiet(),
 * which read pins.
 *
 * Return: false if it is being evicted, or is the empty one.
 */
static inline bool lclone_leaf_pin(struct lclone_leaf *leaf)
{
	return atomic_inc_unless_negative(&leaf->pins);
}

/**
 * lclone_leaf_unpin() - unpin a leaf after its entries were published
 * @leaf: the leaf
 */
static inline void lclone_leaf_unpin(struct lclone_leaf *leaf)
{
	smp_mb__before_atomic();	/* pairs with lclone_commit_take() */
	atomic_dec(&leaf->pins);
}

/**
 * lclone_leaf_touch() - note that an entry, and so its group, is about to be DIRTY
 * @leaf: the leaf, pinned and marked
 * @slot: of the entry, which is changed after this call
 *
 * Pairs with lclone_commit_take().
 */
static inline void lclone_leaf_touch(struct lclone_leaf *leaf, u32 slot)
{
	if (!test_bit(slot / LCLONE_GROUP, &leaf->groups))
		set_bit(slot / LCLONE_GROUP, &leaf->groups);
}

/**
 * lclone_leaf_pin_job() - a job's pin
 * @leaf: the leaf, which is pinned
 */
static inline void lclone_leaf_pin_job(struct lclone_leaf *leaf)
{
	atomic_add(LCLONE_PIN_JOB, &leaf->pins);
}

/**
 * lclone_leaf_unpin_job() - drop a job's pin; the job may have published as a mutator does
 * @leaf: the leaf
 */
static inline void lclone_leaf_unpin_job(struct lclone_leaf *leaf)
{
	smp_mb__before_atomic();	/* pairs with lclone_commit_take() */
	atomic_sub(LCLONE_PIN_JOB, &leaf->pins);
}

/**
 * lclone_set_busy() - make an entry BUSY
 * @leaf: the leaf, pinned
 * @slot: of the entry
 *
 * Return: false if it is BUSY already.
 */
bool lclone_set_busy(struct lclone_leaf *leaf, u32 slot);

/**
 * lclone_clear_busy() - clear BUSY of an entry
 * @leaf: the leaf, pinned
 * @slot: of the entry
 *
 * The caller has to let bios go on that wait for it (WAIT_BUSY).
 */
void lclone_clear_busy(struct lclone_leaf *leaf, u32 slot);

#endif /* LCLONE_LEAF_H */
