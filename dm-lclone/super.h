/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The superblock of a delta and its mode.
 *
 * Locks: whoever writes nodes of the tree or a superblock holds tree_lock.  index_lock is held
 * while index nodes are looked at or changed, and never during a write.  A change of sb takes
 * both, in this order.
 */
#ifndef LCLONE_SUPER_H
#define LCLONE_SUPER_H

#include <linux/mutex.h>

#include "dev.h"
#include "event.h"
#include "queue.h"

enum lclone_mode {
	LCLONE_RW,
	LCLONE_READ_ONLY,	/* the table says so, or metadata have failed */
};

/**
 * struct lclone_sb_slot - what a slot of the superblock holds
 * @err: what lclone_sb_unpack() returned
 * @zero: the whole block is zero
 * @sb: the superblock, if @err is 0
 * @fault: why there is none, if it is not
 */
struct lclone_sb_slot {
	int err;
	bool zero;
	struct lclone_sb sb;
	struct lclone_fault fault;
};

/**
 * struct lclone_super - superblock and mode of a delta
 * @mode: set by preresume, before the first I/O, and by the failure funnel
 * @degraded: metadata have failed, so that the mode is never rw again
 * @needs_check: metadata are damaged
 * @activated: this incarnation is on disk; changed by preresume and postsuspend, tree_lock
 * @read_only: the active table says read_only; tree_lock
 * @noted: the owner note on disk is that of a table that was activated here; tree_lock
 * @tried: checksum of a superblock whose write has failed, after which no other was written;
 *	tree_lock
 * @look: what lclone_super_changed() reads, also in a resume, which may not wait for memory;
 *	tree_lock
 * @dev: the delta's device
 * @queue: the delta's queue
 * @event: the delta's event
 * @tree_lock: see above
 * @index_lock: see above
 * @sb: the superblock in force
 * @bounce: one block, a page of its own; tree_lock
 * @layer_label: the label that it gets when it is sealed; "": the one that it has; tree_lock
 * @incarnation: the largest number of an incarnation that is on disk; tree_lock
 * @check_work: notes in the superblock that a check is needed
 */
struct lclone_super {
	enum lclone_mode mode;
	bool degraded;
	bool needs_check;
	bool activated;
	bool read_only;
	bool noted;
	u32 tried;
	struct lclone_sb_slot look;
	struct lclone_dev *dev;
	struct lclone_queue *queue;
	struct lclone_event *event;
	/* Each write reads the members above: the locks have cache lines of their own. */
	struct mutex tree_lock ____cacheline_aligned_in_smp;	/* see above */
	struct mutex index_lock;	/* see above */
	struct lclone_sb sb;
	void *bounce;
	char layer_label[LCLONE_LABEL_SIZE];
	u64 incarnation;
	struct work_struct check_work;
};

/**
 * lclone_metadata_failed() - metadata could not be read or written
 * @s: the superblock
 * @what: what could not be done
 * @err: -errno
 *
 * The one funnel for failed metadata: the delta is read-only from then on.  Any context.
 */
void lclone_metadata_failed(struct lclone_super *s, const char *what, int err);

/**
 * lclone_metadata_damaged() - metadata are damaged
 * @s: the superblock
 * @what: what could not be done
 * @err: -errno
 *
 * Does what lclone_metadata_failed() does, and notes that the delta needs a check.  Only for
 * faults that a verify function has found: the error of a device, whatever its number, tells
 * nothing about the metadata.  Any context.
 */
void lclone_metadata_damaged(struct lclone_super *s, const char *what, int err);

/**
 * lclone_sb_write() - make a new superblock durable
 * @s: the superblock
 * @sb: the new one; its seq is raised
 *
 * Flushes, then writes @sb to the slot whose turn it is, and makes it the one in force if
 * that worked.  Sleeps; tree_lock.  Return: 0 or -errno.
 */
int lclone_sb_write(struct lclone_super *s, struct lclone_sb *sb);

/**
 * lclone_sb_read() - read a slot
 * @s: the superblock
 * @block: of the slot
 * @slot: gets what it holds
 *
 * Sleeps; tree_lock, or before others know the delta.  Return: 0, or -errno if it can't be
 * read.
 */
int lclone_sb_read(struct lclone_super *s, u64 block, struct lclone_sb_slot *slot);

/**
 * lclone_super_changed() - has somebody else written to the superblocks since this one was read?
 * @s: the superblock
 *
 * So it is if there is a newer one, or if this one is there no more: the delta was made anew, or
 * what it lay on holds something else.
 *
 * Sleeps.  Return: 1 if so, 0, or -errno.
 */
int lclone_super_changed(struct lclone_super *s);

/**
 * lclone_super_init() - make a superblock part
 * @s: zeroed by the caller, but for @dev, @queue and @event
 *
 * Return: 0 or -ENOMEM; lclone_super_exit() is called in both cases.
 */
int lclone_super_init(struct lclone_super *s);

/**
 * lclone_super_exit() - free what lclone_super_init() made
 * @s: the superblock
 */
void lclone_super_exit(struct lclone_super *s);

#endif /* LCLONE_SUPER_H */
