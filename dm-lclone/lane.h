/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The lanes of a sweep.  Each works on chunks of a clone, one batch after the other.
 */
#ifndef LCLONE_LANE_H
#define LCLONE_LANE_H

#include "lclone.h"

#define LCLONE_BATCH		512	/* a batch has this many chunks at most */

enum lclone_sweep_state { SWEEP_RUNS, SWEEP_DONE, SWEEP_FAILED };

struct lclone_copier;
struct lclone_lane;

/**
 * struct lclone_swept - a chunk of a batch
 * @leaf: its leaf, which has a pin for each chunk
 * @slot: of its entry in the leaf
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
 * @from_bdev: the device to read from; NULL if zeros are to be written
 * @to_bdev: the device to write to
 * @from: first sector on @from_bdev
 * @to: first sector on @to_bdev
 * @sectors: number of sectors
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
 * @gather: takes chunks of a leaf into the batch, from sweep->slot on.  The leaf is pinned, or
 *	it is the empty leaf, which the function may replace.  Returns 1 when it has come to
 *	the end of the leaf, 0 if the lane is full, -EAGAIN if it is to be called again later,
 *	-EINPROGRESS if lclone_lane_again() will be called, or another error.
 * @piece: says what is to be copied next, from lane->at and lane->offset on, and moves these.
 *	A piece ends with its chunk at the latest.  Nobody else changes the chunks or their
 *	entries meanwhile.  Returns false if there is no more.
 * @lacks: flatten only: says what the delta lacks of a chunk.  Returns -EAGAIN if the leaf of a
 *	layer is not in RAM that is needed for *@offset, in sectors from the chunk's start.
 * @copied: called when all is copied; has to end with lclone_lane_done() or
 *	lclone_lane_failed().
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
 * struct lclone_lane - a lane
 * @task: its place in the worker's lists
 * @step: what the worker calls next
 * @copied: the step that follows the copies; set by sweep.c
 * @sweep: the sweep that it belongs to
 * @pause: ends the pause between two batches
 * @active: a batch is under way or will begin
 * @error: -errno, or 0
 * @begun: when the batch was begun, in ns
 * @nr: number of chunks in the batch
 * @gathered: sectors of the batch that are to be copied, roughly
 * @chunk: the chunks of the batch
 * @bio: for one I/O at a time
 * @bvec: of @bio
 * @batch: its place in the copier's list; this and all members below belong to the copier
 *	while the batch is copied
 * @at: number of the chunk whose pieces are copied next
 * @offset: where in that chunk the next piece begins, in sectors
 * @ahead: the rest of a piece that ops->piece() returned
 * @copies: number of copies in flight, and one more while others may follow
 * @sectors: number of sectors that were copied
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
 * @found: this pass has found a chunk to work on
 * @taken: this pass has taken such a chunk into a batch
 * @index: index of the leaf where the pass goes on
 * @slot: entry of that leaf where it goes on
 * @chunks: number of chunks that are done
 * @sectors: number of sectors that were copied
 * @limited: @rate says how long lanes pause; if false, they pause as long as a batch took
 * @idle_only: work only while the guest does nothing, and then without pauses
 * @rate: limit in KiB/s; 0 if there is none
 * @guest: the clone, whose statistics tell what the guest does
 * @guest_ios: number of the clone's I/Os when it was last looked at
 * @guest_seen: when the guest was last seen to do something, in jiffies
 * @lane: the lanes
 * @copier: copies data for them
 *
 * Only the worker uses it, but for the members that status and messages read or set.
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
 * lclone_lane_go() - let the worker go on with a step of a lane
 * @l: the lane
 * @step: the step
 *
 * Any context.
 */
void lclone_lane_go(struct lclone_lane *l, void (*step)(struct lclone_lane *l));

/**
 * lclone_lane_subchunk() - find the next subchunk of a chunk that is to be copied
 * @l: the lane; its offset is moved behind the subchunk
 * @mask: the subchunks that are to be copied
 * @offset: gets where the subchunk begins, in sectors from the start of the chunk
 *
 * For ops->piece().  Return: false if there is none from lane->offset on.
 */
bool lclone_lane_subchunk(struct lclone_lane *l, u32 mask, u32 *offset);

/**
 * lclone_lane_init() - make a lane
 * @l: the lane, zeroed
 * @s: its sweep
 */
void lclone_lane_init(struct lclone_lane *l, struct lclone_sweep *s);

#endif /* LCLONE_LANE_H */
