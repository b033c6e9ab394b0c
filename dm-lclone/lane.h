/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The lanes of a sweep: what works on the chunks of a clone, one batch after the other.
 */
#ifndef LCLONE_LANE_H
#define LCLONE_LANE_H

#include "lclone.h"

#define LCLONE_BATCH		512	/* chunks of a batch at most */

enum lclone_sweep_state { SWEEP_RUNS, SWEEP_DONE, SWEEP_FAILED };

struct lclone_copier;
struct lclone_lane;

/**
 * struct lclone_swept - a chunk of a batch
 * @leaf: pinned for each of its chunks
 * @slot: in the leaf
 * @written: flatten: the subchunks with data that the delta takes over
 * @zero: flatten: those that read as zeros
 */
struct lclone_swept {
	struct lclone_leaf *leaf;
	u32 slot;
	u16 written, zero;
};

static inline u64 lclone_swept_chunk(const struct lclone_swept *swept)
{
	return (u64)swept->leaf->index * LCLONE_LEAF_EXCEPTIONS + swept->slot;
}

/**
 * struct lclone_run - data that go from one place to another in one piece
 * @from_bdev: NULL: zeros
 * @to_bdev: where they go
 * @from: sector there
 * @to: sector there
 * @sectors: their number
 */
struct lclone_run {
	struct block_device *from_bdev;
	struct block_device *to_bdev;
	sector_t from, to;
	u32 sectors;
};

/**
 * struct lclone_sweep_ops - what a merge or a flatten does, in the worker
 * @name: for messages
 * @states: for the status line, by enum lclone_sweep_state
 * @gather: takes chunks of a leaf, pinned or the empty one (then it may be replaced), from
 *	sweep->slot on.  Returns 1 at its end, 0 if the lane is full, -EAGAIN (the delta needs
 *	time), -EINPROGRESS (lclone_lane_again() will be called) or another error.
 * @piece: what is next to be copied, from lane->at and ->offset on, which it moves; at most
 *	the rest of a chunk.  False: no more.  Nobody changes the chunks or their entries.
 * @lacks: flatten: what the delta lacks of a chunk, or -EAGAIN: a leaf for the offset, sectors
 *	into the chunk, is not in RAM.
 * @copied: all is copied: at the end it calls lclone_lane_done() or _failed().
 */
struct lclone_sweep_ops {
	const char *name;
	const char *states[3];
	int (*gather)(struct lclone_lane *l, struct lclone_leaf **leaf);
	bool (*piece)(struct lclone_lane *l, struct lclone_run *piece);
	int (*lacks)(struct lclone_delta *d, u64 chunk, u64 exc, u32 *offset);
	void (*copied)(struct lclone_lane *l);
};

/**
 * struct lclone_lane - one batch after the other
 * @task: its place in the worker's lists
 * @step: what comes next
 * @copied: the step behind the copies, set by sweep.c
 * @sweep: whose lane it is
 * @pause: until the next batch
 * @active: a batch is under way, or will be
 * @error: -errno, or 0
 * @begun: ns
 * @nr: chunks of the batch
 * @gathered: sectors, roughly
 * @chunk: the chunks
 * @bio: for one I/O at a time
 * @bvec: of @bio
 * @batch: while it is copied, the copier's, like all below
 * @at: the chunk whose pieces are next
 * @offset: sectors into it
 * @ahead: a piece that was looked at
 * @copies: in flight, and one while there are more
 * @sectors: that it took over
 */
struct lclone_lane {
	struct lclone_task task;
	void (*step)(struct lclone_lane *l);
	void (*copied)(struct lclone_lane *l);
	struct lclone_sweep *sweep;
	struct delayed_work pause;
	int active;
	int error;
	u64 begun;
	u32 nr;
	u32 gathered;
	struct lclone_swept chunk[LCLONE_BATCH];
	struct bio bio;
	struct bio_vec bvec;

	struct list_head batch;
	u32 at, offset;
	struct lclone_run ahead;
	u32 copies;
	u64 sectors;
};

/**
 * struct lclone_sweep - a merge or a flatten
 * @delta: the delta
 * @ops: what it does
 * @state: whether it runs
 * @found: any chunk to work on in this pass
 * @taken: one of them was taken
 * @index: the leaf where the pass goes on
 * @slot: the entry where it goes on
 * @chunks: done
 * @sectors: done
 * @limited: by rate, not by the time that batches take
 * @idle_only: while the guest does nothing; not limited
 * @rate: KiB/s, 0: no limit
 * @guest: the clone; its statistics
 * @guest_ios: which it had
 * @guest_seen: jiffies, when it last did something
 * @lane: the lanes
 * @copier: copies for them
 *
 * Worker only but for what status and messages use.
 */
struct lclone_sweep {
	struct lclone_delta *delta;
	const struct lclone_sweep_ops *ops;
	enum lclone_sweep_state state;
	bool found, taken;
	u32 index, slot;
	u64 chunks, sectors;
	bool limited;
	bool idle_only;
	u32 rate;
	struct block_device *guest;
	unsigned long guest_ios, guest_seen;
	struct lclone_lane *lane;
	struct lclone_copier *copier;
};

/**
 * lclone_lane_go() - go on with a step in the worker
 * @l: the lane
 * @step: the step
 *
 * Any context.
 */
void lclone_lane_go(struct lclone_lane *l, void (*step)(struct lclone_lane *l));

/**
 * lclone_lane_subchunk() - the next subchunk of a chunk that is to be copied
 * @l: the lane; its offset is moved behind the subchunk
 * @mask: the subchunks that there are
 * @offset: gets where it begins
 *
 * For ops->piece().  Return: false: there is none from lane->offset on.
 */
bool lclone_lane_subchunk(struct lclone_lane *l, u32 mask, u32 *offset);

/**
 * lclone_lane_init() - make a lane
 * @l: the lane, zeroed
 * @s: its sweep
 */
void lclone_lane_init(struct lclone_lane *l, struct lclone_sweep *s);

#endif /* LCLONE_LANE_H */
