/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The allocator: chunks and metadata blocks of the delta.
 *
 * A chunk that was taken belongs to who took it, until it is in an entry or is given back.
 */
#ifndef LCLONE_ALLOC_H
#define LCLONE_ALLOC_H

#include "extent.h"
#include "geometry.h"
#include "super.h"

/* Can a chunk be had? SCAN: perhaps, the search has to find it. */
enum lclone_room { LCLONE_ROOM_OK, LCLONE_ROOM_SCAN, LCLONE_ROOM_NONE };

/* Chunks handed to map(): taken without a lock, refilled by the worker. */
#define LCLONE_SLOTS		8

/**
 * struct lclone_alloc - the allocator of a delta
 * @slot: start:32 | len:32
 * @reserve: chunks that a checkpoint may need; tree_lock
 * @scanning: chunks are taken under the lock only, and marked; changed under @lock
 * @full: it was said that the delta is full; set by the worker, cleared by it and by preresume
 * @came: there may be free chunks where there were none
 * @super: the delta's superblock
 * @lock: all below; irqs on
 * @end: of the device: no phys from here on
 * @hwm: every phys >= hwm is free, but for the slots'
 * @freed: free chunks below hwm
 * @new_leaves: leaves made since the last checkpoint
 * @used: a bit per phys, from the start of the scan on
 * @nr_used: bits in it
 * @hint: where the search for a clear bit goes on
 * @freed_in_scan: chunks (lclone_extent)
 * @scanned: @used is complete
 * @scan_failed: not tried again before the device grows
 * @exact: no free chunk below hwm but those that @freed counts
 * @nodes: free metadata blocks (lclone_extent)
 * @nr_nodes: their number
 */
struct lclone_alloc {
	atomic64_t slot[LCLONE_SLOTS];
	u32 reserve;
	bool scanning;
	bool full;
	bool came;
	struct lclone_super *super;
	spinlock_t lock;	/* see above */
	u32 end;
	u32 hwm;
	u32 freed;
	u32 new_leaves;
	unsigned long *used;
	u32 nr_used;
	u32 hint;
	struct list_head freed_in_scan;
	bool scanned;
	bool scan_failed;
	bool exact;
	struct list_head nodes;
	u64 nr_nodes;
};

/* Chunks */

/**
 * lclone_alloc_chunks() - take contiguous chunks
 * @a: the allocator
 * @want: how many at most
 * @phys: gets the first one
 *
 * Any context, no lock.  Return: how many; 0: the worker has to refill.
 */
u32 lclone_alloc_chunks(struct lclone_alloc *a, u32 want, u32 *phys);

/**
 * lclone_alloc_giveback() - give back what was taken and is in no entry
 * @a: the allocator
 * @phys: the first chunk
 * @count: how many
 *
 * Process context.
 */
void lclone_alloc_giveback(struct lclone_alloc *a, u32 phys, u32 count);

/**
 * lclone_alloc_refill() - fill the slots
 * @a: the allocator
 *
 * Worker only.
 */
enum lclone_room lclone_alloc_refill(struct lclone_alloc *a);

/**
 * lclone_alloc_pending() - keep the search off a chunk that is about to be freed
 * @a: the allocator
 * @phys: the chunk, 0: none
 *
 * Worker only, before the entry that has it is cleared: a search beside it would else take
 * the chunk for free.
 */
void lclone_alloc_pending(struct lclone_alloc *a, u32 phys);

/**
 * lclone_alloc_free() - free chunks that nothing refers to any more, durably
 * @a: the allocator
 * @phys: the first one
 * @count: how many
 *
 * Process context.
 */
void lclone_alloc_free(struct lclone_alloc *a, u32 phys, u32 count);

/**
 * lclone_space_came() - there may be free chunks where there were none
 * @a: the allocator
 *
 * Any context; behind the change.
 */
void lclone_space_came(struct lclone_alloc *a);

/**
 * lclone_alloc_available() - how many chunks are free, without the reserve
 * @a: the allocator
 *
 * Process context.
 */
u32 lclone_alloc_available(struct lclone_alloc *a);

/**
 * lclone_alloc_used() - how many chunks are in use, by data and nodes
 * @a: the allocator
 *
 * Process context.
 */
u32 lclone_alloc_used(struct lclone_alloc *a);

/* Metadata blocks and the reserve that a checkpoint needs for them */

/**
 * lclone_alloc_new_leaf() - a new leaf wants room for its node
 * @a: the allocator
 *
 * Worker only.  Return: whether there is, outside the reserve.
 */
enum lclone_room lclone_alloc_new_leaf(struct lclone_alloc *a);

/**
 * lclone_alloc_reserve_short() - may a checkpoint find no room before a scan was made?
 * @a: the allocator
 */
bool lclone_alloc_reserve_short(struct lclone_alloc *a);

/**
 * lclone_alloc_nodes() - take contiguous metadata blocks, also from the reserve
 * @a: the allocator
 * @want: how many at most
 * @block: gets the first one
 *
 * May sleep; tree_lock.  Return: how many, 0: there are none.
 */
u32 lclone_alloc_nodes(struct lclone_alloc *a, u32 want, u64 *block);

/**
 * lclone_free_nodes() - free metadata blocks that nothing refers to any more, durably
 * @a: the allocator
 * @block: the first one
 * @count: how many
 *
 * May sleep; tree_lock.
 */
void lclone_free_nodes(struct lclone_alloc *a, u64 block, u32 count);

/* The scan: see search.h */

/**
 * lclone_alloc_bitmap() - memory for a scan
 * @a: the allocator
 * @bits: gets its size
 *
 * Process context.  Return: a bitmap, all clear, for kvfree(), or NULL.
 */
unsigned long *lclone_alloc_bitmap(struct lclone_alloc *a, u32 *bits);

/**
 * lclone_alloc_scan_begin() - begin a scan
 * @a: the allocator, which owns the bitmap from now on
 * @used: what is on its way to be free is marked in it already, by the worker, which alone
 *	brings it to the allocator
 * @bits: its size
 *
 * From here on what is freed is noted, and what is taken is marked, under the lock.  Then
 * comes a drain, so that what was taken before is in an entry or back in a slot; then all
 * that is found in use is marked, until lclone_alloc_scan_end() or _abort().
 *
 * Return: false: the bitmap has the wrong size, and nothing was begun.
 */
bool lclone_alloc_scan_begin(struct lclone_alloc *a, unsigned long *used, u32 bits);

/**
 * lclone_alloc_scan_mark() - mark what was found in use
 * @a: the allocator
 * @phys: the chunks; 0 does no harm
 * @nr: their number
 */
void lclone_alloc_scan_mark(struct lclone_alloc *a, const u64 *phys, u32 nr);

/**
 * lclone_alloc_scan_end() - what is not marked is free
 * @a: the allocator
 *
 * tree_lock.
 */
void lclone_alloc_scan_end(struct lclone_alloc *a);

/**
 * lclone_alloc_scan_abort() - the scan is given up
 * @a: the allocator
 * @failed: it is not to be tried again
 */
void lclone_alloc_scan_abort(struct lclone_alloc *a, bool failed);

/**
 * lclone_alloc_wants_scan() - the space above the mark gets short, below may be free chunks
 * @a: the allocator
 */
bool lclone_alloc_wants_scan(struct lclone_alloc *a);

/* Life */

/**
 * lclone_alloc_settle() - give back the slots, and note what is free
 * @a: the allocator, of which nobody takes anything any more
 * @sb: the last superblock of this life
 */
void lclone_alloc_settle(struct lclone_alloc *a, struct lclone_sb *sb);

/**
 * lclone_alloc_set_limits() - after the superblock was read, and after any change of size
 * @a: the allocator
 */
void lclone_alloc_set_limits(struct lclone_alloc *a);

/**
 * lclone_alloc_grow() - take in the size of the device, which the superblock on disk has
 * @a: the allocator
 *
 * May sleep; tree_lock.
 */
void lclone_alloc_grow(struct lclone_alloc *a);

/**
 * lclone_alloc_init() - make the allocator, once it is known what the log has
 * @a: zeroed, but for @a->super and @a->nodes, an empty list
 */
void lclone_alloc_init(struct lclone_alloc *a);

/**
 * lclone_alloc_exit() - free what the allocator has
 * @a: the allocator; lclone_alloc_init() need not have been called
 */
void lclone_alloc_exit(struct lclone_alloc *a);

#endif /* LCLONE_ALLOC_H */
