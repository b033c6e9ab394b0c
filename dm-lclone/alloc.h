/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The allocator: chunks and metadata blocks of the delta.
 *
 * A chunk that was taken belongs to its taker until an entry names it or it is given back.
 */
#ifndef LCLONE_ALLOC_H
#define LCLONE_ALLOC_H

#include "extent.h"
#include "geometry.h"
#include "super.h"

/* Can a chunk be had?  SCAN: the search, which is under way or has to begin, may find one. */
enum lclone_room { LCLONE_ROOM_OK, LCLONE_ROOM_SCAN, LCLONE_ROOM_NONE };

/* Chunks handed to map(): taken without a lock, refilled by the worker. */
#define LCLONE_SLOTS		8

/**
 * struct lclone_alloc - the allocator of a delta
 * @slot: chunks for map(), each slot packed as start:32 | len:32 and changed by cmpxchg
 * @reserve: chunks kept back for the nodes of the next checkpoint; written under tree_lock
 * @scanning: a scan is under way, so that chunks are taken under @lock only, and marked in
 *	@used; changed under @lock
 * @full: the user was told that the delta is full; set by the worker, cleared by the worker
 *	and by preresume
 * @came: chunks may have become free since the worker last refilled the slots
 * @super: the delta's superblock
 * @lock: protects all members below; interrupts stay on
 * @end: number of the first chunk that lies beyond the end of the device
 * @hwm: high-water mark: chunks from here on are free, but for those that are in slots
 * @freed: number of free chunks below @hwm that are known
 * @new_leaves: leaves made since the last checkpoint; their nodes need room in the next one
 * @used: a bit per chunk, set if it is in use; there from the start of the first scan on
 * @nr_used: number of bits in @used
 * @hint: where the search for a clear bit in @used goes on
 * @freed_in_scan: chunks that were freed while the scan is under way (lclone_extent)
 * @scanned: a scan has ended, so that @used is complete
 * @scan_failed: a scan met damage; there is no other before the device grows
 * @exact: @freed counts all free chunks below @hwm, so that a scan would find no more
 * @nodes: free metadata blocks, sorted (lclone_extent)
 * @nr_nodes: number of blocks in @nodes
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
 * Any context, no lock.  Return: how many were taken; 0 if the slots are empty and the worker
 * has to refill them.
 */
u32 lclone_alloc_chunks(struct lclone_alloc *a, u32 want, u32 *phys);

/**
 * lclone_alloc_giveback() - give back chunks that were taken and that no entry names
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
 * Worker only.  Return: OK if a slot holds chunks now; else whether a scan may find some.
 */
enum lclone_room lclone_alloc_refill(struct lclone_alloc *a);

/**
 * lclone_alloc_pending() - keep the search off a chunk that is about to be freed
 * @a: the allocator
 * @phys: the chunk; 0 if there is none
 *
 * Worker only.  Has to be called before the entry that names the chunk is cleared: a search
 * that sees the cleared entry would take the chunk for free, before the commit is durable.
 */
void lclone_alloc_pending(struct lclone_alloc *a, u32 phys);

/**
 * lclone_alloc_free() - free chunks that no entry names any more, neither in RAM nor on disk
 * @a: the allocator
 * @phys: the first one
 * @count: how many
 *
 * Process context.
 */
void lclone_alloc_free(struct lclone_alloc *a, u32 phys, u32 count);

/**
 * lclone_space_came() - let the worker look for free chunks again
 * @a: the allocator
 *
 * Any context; called after the change that may have freed some.
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
 * lclone_alloc_new_leaf() - set aside room for the node of a new leaf
 * @a: the allocator
 *
 * Worker only.  Return: OK if there was room outside the reserve; else the leaf may not be
 * made, and a scan may find room or not.
 */
enum lclone_room lclone_alloc_new_leaf(struct lclone_alloc *a);

/**
 * lclone_alloc_reserve_short() - does a scan have to find the reserve of the next checkpoint?
 * @a: the allocator
 *
 * Return: true if the chunks that are known to be free do not suffice for a checkpoint, and a
 * scan may find others.
 */
bool lclone_alloc_reserve_short(struct lclone_alloc *a);

/**
 * lclone_alloc_nodes() - take contiguous metadata blocks, also from the reserve
 * @a: the allocator
 * @want: how many at most
 * @block: gets the first one
 *
 * May sleep; tree_lock.  Return: how many were taken; 0 if there are none.
 */
u32 lclone_alloc_nodes(struct lclone_alloc *a, u32 want, u64 *block);

/**
 * lclone_free_nodes() - free metadata blocks that the tree on disk does not name any more
 * @a: the allocator
 * @block: the first one
 * @count: how many
 *
 * May sleep; tree_lock.
 */
void lclone_free_nodes(struct lclone_alloc *a, u64 block, u32 count);

/* The scan is what the search (search.h) does with the allocator. */

/**
 * lclone_alloc_bitmap() - allocate the bitmap of a scan
 * @a: the allocator
 * @bits: gets the number of bits
 *
 * Process context.  Return: a bitmap with all bits clear, to be freed by kvfree(), or NULL.
 */
unsigned long *lclone_alloc_bitmap(struct lclone_alloc *a, u32 *bits);

/**
 * lclone_alloc_scan_begin() - begin a scan
 * @a: the allocator, which owns the bitmap from now on
 * @used: the bitmap, in which the caller has marked the chunks that are on their way to be
 *	free; that is the worker, because only the worker brings them to the allocator
 * @bits: number of bits in @used
 *
 * From here on chunks that are freed are noted, and chunks that are taken are marked, under
 * the lock.  Next the caller waits for a drain: chunks that were taken before are then in an
 * entry or back in a slot.  Then it marks all chunks that it finds in use, and calls
 * lclone_alloc_scan_end() or lclone_alloc_scan_abort().
 *
 * Return: false if the bitmap has the wrong size because the device has grown; nothing was
 * begun then.
 */
bool lclone_alloc_scan_begin(struct lclone_alloc *a, unsigned long *used, u32 bits);

/**
 * lclone_alloc_scan_mark() - mark chunks that were found in use
 * @a: the allocator
 * @phys: the chunks; 0 does no harm
 * @nr: number of elements of @phys
 */
void lclone_alloc_scan_mark(struct lclone_alloc *a, const u64 *phys, u32 nr);

/**
 * lclone_alloc_scan_end() - end a scan that has seen all: chunks that are not marked are free
 * @a: the allocator
 *
 * tree_lock.
 */
void lclone_alloc_scan_end(struct lclone_alloc *a);

/**
 * lclone_alloc_scan_abort() - give up a scan
 * @a: the allocator
 * @failed: there is to be no other scan before the device grows
 */
void lclone_alloc_scan_abort(struct lclone_alloc *a, bool failed);

/**
 * lclone_alloc_wants_scan() - is it time for a scan?
 * @a: the allocator
 *
 * Return: true if the space above the high-water mark gets short, and there may be free
 * chunks below it that are not known yet.
 */
bool lclone_alloc_wants_scan(struct lclone_alloc *a);

/* Life */

/**
 * lclone_alloc_settle() - give back the slots, and note in a superblock what is free
 * @a: the allocator, from which nobody takes chunks any more
 * @sb: the superblock that is written when the delta is stopped
 */
void lclone_alloc_settle(struct lclone_alloc *a, struct lclone_sb *sb);

/**
 * lclone_alloc_set_limits() - note how large the reserve has to be
 * @a: the allocator
 *
 * Called after the superblock was read, and after any change of size.
 */
void lclone_alloc_set_limits(struct lclone_alloc *a);

/**
 * lclone_alloc_grow() - use the device up to the size that the superblock on disk has
 * @a: the allocator
 *
 * May sleep; tree_lock.
 */
void lclone_alloc_grow(struct lclone_alloc *a);

/**
 * lclone_alloc_init() - make the allocator
 * @a: zeroed, but for @a->super and @a->nodes, which is an empty list
 *
 * Called once the log was read, because commits in it may name chunks above the high-water
 * mark of the superblock.
 */
void lclone_alloc_init(struct lclone_alloc *a);

/**
 * lclone_alloc_exit() - free what the allocator has
 * @a: the allocator; lclone_alloc_init() need not have been called
 */
void lclone_alloc_exit(struct lclone_alloc *a);

#endif /* LCLONE_ALLOC_H */
