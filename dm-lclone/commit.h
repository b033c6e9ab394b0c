/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Group commit: makes the exceptions that changed durable with one write to the log.
 *
 * A round covers every entry that is DIRTY when it starts.  One round or checkpoint is under
 * way at a time: who sets busy owns the log.  Once the mode is not rw any more all rounds
 * fail.
 */
#ifndef LCLONE_COMMIT_H
#define LCLONE_COMMIT_H

#include "extent.h"
#include "leaf.h"
#include "super.h"

/**
 * struct lclone_commit - the commit of a delta
 * @lock: all lists, and the flags up to @want_checkpoint; irqs off
 * @busy: a commit or checkpoint is under way
 * @clean: not busy, nothing uncommitted, no commit has failed
 * @overdue: the timer has ended: a round is wanted
 * @want_checkpoint: a checkpoint takes the place of the next round
 * @uncommitted: leaves with DIRTY entries
 * @round: those of the round under way
 * @dirty: leaves that differ from the tree
 * @nr_dirty: their number
 * @dirty_max: no more leaves than this are dirty at a time
 * @dirty_soft: with so many a checkpoint starts
 * @waiters: flushes for the next round
 * @serving: those of the round under way
 * @freed: chunks freed by entries not yet committed
 * @freeing: those of the round under way
 * @free: chunks that a durable commit freed
 * @log_tail: owned by who set busy, like all up to @checkpoints
 * @next_commit: the number of the next commit
 * @nr_blocks: in the step under way
 * @log: room for one leaf, always there
 * @big: a larger one for the write under way, or NULL
 * @bio: for the step's flush and its write
 * @bvec: of @bio
 * @commits: how many there were
 * @checkpoints: how many there were
 * @interval: ms, until what changed is committed by itself; changed in preresume only
 * @timer: after @interval
 * @work: starts or goes on with a round
 * @log_work: writes the log behind its flush
 * @checkpoint: the work that makes a checkpoint, see checkpoint.h
 * @super: the delta's superblock
 */
struct lclone_commit {
	spinlock_t lock;	/* see above */
	bool busy;
	bool clean;
	bool overdue;
	bool want_checkpoint;
	struct list_head uncommitted;
	struct list_head round;
	struct list_head dirty;
	u32 nr_dirty;
	u32 dirty_max;
	u32 dirty_soft;
	struct bio_list waiters;
	struct bio_list serving;
	struct list_head freed;
	struct list_head freeing;
	struct list_head free;
	u32 log_tail;
	u64 next_commit;
	u32 nr_blocks;
	struct lclone_log_disk *log;
	struct lclone_log_disk *big;
	struct bio bio;
	struct bio_vec bvec;
	u64 commits;
	u64 checkpoints;
	u32 interval;
	struct delayed_work timer;
	struct work_struct work;
	struct work_struct log_work;
	struct work_struct *checkpoint;
	struct lclone_super *super;
};

/**
 * lclone_commit_mark() - put a leaf on the commit's lists before its entries change
 * @c: the commit
 * @leaf: the leaf, pinned
 *
 * Process context.  Return: false: too many leaves are dirty, the caller waits for a
 * checkpoint.
 */
bool lclone_commit_mark(struct lclone_commit *c, struct lclone_leaf *leaf);

/**
 * lclone_commit_marked() - is lclone_commit_mark() needless?
 * @leaf: the leaf, pinned
 */
static inline bool lclone_commit_marked(const struct lclone_leaf *leaf)
{
	const unsigned long both = BIT(LEAF_UNCOMMITTED) | BIT(LEAF_DIRTY);

	/* behind the pin: pairs with lclone_commit_take() */
	return (READ_ONCE(leaf->flags) & both) == both;
}

/**
 * lclone_commit_clean() - is all durable that was published before this call?
 * @c: the commit
 *
 * Durable, or in what a flush of the device makes durable.  One load of what changes under
 * the lock only: see 8 of the crash argument in design.rst.
 */
static inline bool lclone_commit_clean(struct lclone_commit *c)
{
	return smp_load_acquire(&c->clean);	/* pairs with lclone_commit_end() */
}

/**
 * lclone_commit_idle() - is an entry durable that was just seen without DIRTY?
 * @c: the commit
 * @s: the delta's superblock
 */
static inline bool lclone_commit_idle(struct lclone_commit *c, const struct lclone_super *s)
{
	smp_rmb();	/* DIRTY goes after busy was set */
	if (READ_ONCE(c->busy))
		return false;
	smp_rmb();	/* a commit that fails degrades the delta before it lets go of busy */
	return READ_ONCE(s->mode) == LCLONE_RW;
}

/**
 * lclone_commit_join() - end a bio when all is durable that was published before this call
 * @c: the commit
 * @bio: is ended then, or with an error
 * @atomic: the caller may not sleep: the commit is started by a work
 *
 * Any context.  What the delta acknowledged before is durable as well.
 */
void lclone_commit_join(struct lclone_commit *c, struct bio *bio, bool atomic);

/**
 * lclone_commit_sync() - commit, and wait for it
 * @c: the commit
 * @checkpoint: by a checkpoint
 *
 * Process context, sleeps.  Return: 0 or -errno.
 */
int lclone_commit_sync(struct lclone_commit *c, bool checkpoint);

/**
 * lclone_commit_want_checkpoint() - start a checkpoint
 * @c: the commit
 *
 * Any context.
 */
void lclone_commit_want_checkpoint(struct lclone_commit *c);

/**
 * lclone_commit_throttle() - let a bio wait for a checkpoint
 * @c: the commit
 * @bio: the bio
 *
 * Worker only.
 */
void lclone_commit_throttle(struct lclone_commit *c, struct bio *bio);

/**
 * lclone_commit_busy() - is a commit or checkpoint under way?
 * @c: the commit
 *
 * Process context.  Return: false: it does not touch the delta any more, either.
 */
bool lclone_commit_busy(struct lclone_commit *c);

/* Freed chunks */

/**
 * lclone_commit_free() - a chunk was cleared from the table
 * @c: the commit
 * @phys: the chunk; the entry was published before the call
 *
 * Worker only.
 */
void lclone_commit_free(struct lclone_commit *c, u32 phys);

/**
 * lclone_commit_freeing() - are chunks on their way to be free?
 * @c: the commit
 *
 * Process context.  Starts the commit that they wait for.
 */
bool lclone_commit_freeing(struct lclone_commit *c);

/**
 * lclone_commit_take_freed() - hand over the chunks that a durable commit has freed
 * @c: the commit
 * @list: they are moved to its end
 *
 * Worker only.
 */
void lclone_commit_take_freed(struct lclone_commit *c, struct list_head *list);

/**
 * lclone_commit_mark_freed() - set the bits of chunks that are on their way to be free
 * @c: the commit
 * @used: the bitmap of a scan that begins
 *
 * Worker only.
 */
void lclone_commit_mark_freed(struct lclone_commit *c, unsigned long *used);

/* For the checkpoint and for replay */

/**
 * lclone_commit_begin_checkpoint() - a checkpoint begins
 * @c: the commit; busy is the caller's
 * @leaves: the leaves that are dirty are moved to it
 */
void lclone_commit_begin_checkpoint(struct lclone_commit *c, struct list_head *leaves);

/**
 * lclone_commit_end() - go on with the next round or checkpoint, or let go of busy
 * @c: the commit; busy is the caller's
 * @status: of the round that has ended
 *
 * Any context.  Once busy is clear a suspend may go on, and the delta with it: it is left
 * alone then.  See lclone_commit_busy().  The bios keep the clone, not the delta.
 */
void lclone_commit_end(struct lclone_commit *c, blk_status_t status);

/**
 * lclone_commit_take() - take a leaf off the uncommitted list
 * @c: the commit; busy is the caller's
 * @leaf: stays there if it is pinned or was changed just now
 *
 * Return: the groups that hold all entries which were DIRTY before.
 */
unsigned long lclone_commit_take(struct lclone_commit *c, struct lclone_leaf *leaf);

/**
 * lclone_commit_replayed() - put a leaf that replay has changed among the dirty ones
 * @c: the commit
 * @leaf: the leaf
 *
 * Before the first I/O.
 */
void lclone_commit_replayed(struct lclone_commit *c, struct lclone_leaf *leaf);

/* Life */

/**
 * lclone_commit_set_limits() - after the superblock was read, and after any change of size
 * @c: the commit
 */
void lclone_commit_set_limits(struct lclone_commit *c);

/**
 * lclone_commit_init() - make the commit
 * @c: zeroed, but for @c->super and @c->checkpoint
 *
 * Return: 0 or -ENOMEM; lclone_commit_exit() is called in both cases.
 */
int lclone_commit_init(struct lclone_commit *c);

/**
 * lclone_commit_exit() - free what the commit has
 * @c: the commit
 */
void lclone_commit_exit(struct lclone_commit *c);

#endif /* LCLONE_COMMIT_H */
