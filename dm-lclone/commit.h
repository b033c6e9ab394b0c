/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Group commit: makes the exceptions that changed durable with one write to the log.
 *
 * A round covers every entry that is DIRTY when it starts.  One round or checkpoint is under
 * way at a time: whoever sets busy owns the log, until it clears busy.  Once the mode is not
 * rw any more all rounds fail.
 */
#ifndef LCLONE_COMMIT_H
#define LCLONE_COMMIT_H

#include "extent.h"
#include "leaf.h"
#include "super.h"

/**
 * struct lclone_commit - the commit of a delta
 * @lock: protects all lists, and the flags up to @want_checkpoint; interrupts off
 * @busy: a commit or checkpoint is under way
 * @clean: no commit is under way, nothing is uncommitted, and no commit has ever failed
 * @overdue: the timer has ended, so that a round is wanted
 * @want_checkpoint: a checkpoint takes the place of the next round
 * @uncommitted: leaves that may hold DIRTY entries
 * @round: those of them that the round under way has still to look at
 * @dirty: leaves that differ from the tree on disk
 * @nr_dirty: number of leaves in @dirty
 * @dirty_max: no more leaves than this may be dirty at a time
 * @dirty_soft: when so many leaves are dirty a checkpoint is started
 * @waiters: bios that wait for the next round
 * @serving: bios that wait for the round under way
 * @freed: chunks that were freed by entries which are not committed yet
 * @freeing: those that the round under way makes free
 * @free: chunks that a durable commit has freed, until the worker takes them
 * @log_tail: block of the log that is written next; belongs to whoever has set @busy, like
 *	all members up to @checkpoints
 * @next_commit: the number of the next commit
 * @nr_blocks: blocks of the log that the step under way writes
 * @log: a buffer for the records of one leaf, which is always there
 * @big: a larger buffer for the step under way, or NULL
 * @bio: for the step's flush and its write
 * @bvec: of @bio
 * @commits: how many commits there were
 * @checkpoints: how many checkpoints there were
 * @interval: ms after which changes are committed without a flush; changed in preresume only
 * @timer: ends @interval after a leaf was put on @uncommitted
 * @work: starts a round, or goes on with its next step
 * @log_work: writes the log after the flush that has to come before it
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
 * Process context.  Return: false if too many leaves are dirty; the caller has to wait for a
 * checkpoint then.
 */
bool lclone_commit_mark(struct lclone_commit *c, struct lclone_leaf *leaf);

/**
 * lclone_commit_marked() - is a leaf on the commit's lists already?
 * @leaf: the leaf, pinned
 *
 * Return: true if lclone_commit_mark() has nothing to do.
 */
static inline bool lclone_commit_marked(const struct lclone_leaf *leaf)
{
	const unsigned long both = BIT(LEAF_UNCOMMITTED) | BIT(LEAF_DIRTY);

	/* Read after the leaf was pinned: pairs with lclone_commit_take(). */
	return (READ_ONCE(leaf->flags) & both) == both;
}

/**
 * lclone_commit_clean() - is everything durable that was published before this call?
 * @c: the commit
 *
 * This is one load, of a flag that changes under the lock only: see 8 of the crash argument in
 * design.rst.  Return: true if all of it is durable, or will be by a flush of the device.
 */
static inline bool lclone_commit_clean(struct lclone_commit *c)
{
	return smp_load_acquire(&c->clean);	/* pairs with lclone_commit_end() */
}

/**
 * lclone_commit_idle() - is an entry durable that was just seen without DIRTY?
 * @c: the commit
 * @s: the delta's superblock
 *
 * The commit under way takes DIRTY off entries before it is durable.  Return: true if none is
 * under way, and the last one has not failed.
 */
static inline bool lclone_commit_idle(struct lclone_commit *c, const struct lclone_super *s)
{
	smp_rmb();	/* a commit sets busy before it takes DIRTY off */
	if (READ_ONCE(c->busy))
		return false;
	smp_rmb();	/* a commit that fails changes the mode before it clears busy */
	return READ_ONCE(s->mode) == LCLONE_RW;
}

/**
 * lclone_commit_join() - end a bio when all is durable that was published before this call
 * @c: the commit
 * @bio: is ended when the commit is durable, or with an error when it has failed
 * @atomic: the caller may not sleep, so that a work has to start the commit
 *
 * Any context.  All data that the delta has acknowledged before are durable then, too.
 */
void lclone_commit_join(struct lclone_commit *c, struct bio *bio, bool atomic);

/**
 * lclone_commit_sync() - commit, and wait for it
 * @c: the commit
 * @checkpoint: commit by a checkpoint
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
 * lclone_commit_throttle() - let a bio wait for a checkpoint, which is started
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
 * Process context.  Return: false if none is under way, and the last one does not touch the
 * delta any more.
 */
bool lclone_commit_busy(struct lclone_commit *c);

/* Freed chunks */

/**
 * lclone_commit_free() - free a chunk once it is durable that no entry names it
 * @c: the commit
 * @phys: the chunk; the entry without it was published before the call
 *
 * Worker only.
 */
void lclone_commit_free(struct lclone_commit *c, u32 phys);

/**
 * lclone_commit_freeing() - are chunks on their way to be free?
 * @c: the commit
 *
 * Process context.  Starts the commit that they wait for.  Return: true if there are any, and
 * the delta can still be written.
 */
bool lclone_commit_freeing(struct lclone_commit *c);

/**
 * lclone_commit_take_freed() - take over the chunks that durable commits have freed
 * @c: the commit
 * @list: the chunks are moved to its end
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
 * lclone_commit_begin_checkpoint() - begin a checkpoint in the place of a round
 * @c: the commit, whose busy flag belongs to the caller
 * @leaves: the leaves that are dirty are moved to this list
 */
void lclone_commit_begin_checkpoint(struct lclone_commit *c, struct list_head *leaves);

/**
 * lclone_commit_end() - end the bios of a round, and start the next one or clear busy
 * @c: the commit, whose busy flag belongs to the caller
 * @status: of the round or checkpoint that has ended
 *
 * Any context.  Once busy is clear a suspend may go on, and the delta may be destroyed after
 * it, so that the function does not touch the delta any more, see lclone_commit_busy().  The
 * bios do not keep the delta: they only keep the clone that they were sent to.
 */
void lclone_commit_end(struct lclone_commit *c, blk_status_t status);

/**
 * lclone_commit_take() - take a leaf off the uncommitted list
 * @c: the commit, whose busy flag belongs to the caller
 * @leaf: the leaf; it stays on the list if it is pinned or was changed just now
 *
 * Return: the groups in which the caller has to look for DIRTY entries; every entry that was
 * DIRTY before this call is in one of them.
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
 * lclone_commit_set_limits() - note how many leaves may be dirty
 * @c: the commit
 *
 * Called after the superblock was read, and after any change of size.
 */
void lclone_commit_set_limits(struct lclone_commit *c);

/**
 * lclone_commit_init() - make the commit
 * @c: zeroed by the caller, but for @c->super and @c->checkpoint
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
