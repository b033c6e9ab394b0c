/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The last part of a freed chunk's way, behind its drain: it is discarded on the device, if
 * that is wanted, and goes to the allocator.  Worker only.
 */
#ifndef LCLONE_FREED_H
#define LCLONE_FREED_H

#include "alloc.h"

/**
 * struct lclone_freed - chunks between their commit and the allocator
 * @passdown: they are discarded on the device; changed in preresume only
 * @draining: worker only: for the drain under way
 * @lock: both below
 * @discarding: behind it, those that are discarded first
 * @discarded: those that have been: for a scan all three are used
 * @work: discards
 * @alloc: where they go
 * @super: the delta's superblock
 * @geo: the delta's geometry
 */
struct lclone_freed {
	bool passdown;
	struct list_head draining;
	spinlock_t lock;	/* see above */
	struct list_head discarding;
	struct list_head discarded;
	struct work_struct work;
	struct lclone_alloc *alloc;
	struct lclone_super *super;
	const struct lclone_geometry *geo;
};

/**
 * lclone_freed_drained() - no I/O is on its way any more to the chunks that are draining
 * @f: the freed chunks
 */
void lclone_freed_drained(struct lclone_freed *f);

/**
 * lclone_freed_finish() - give the allocator what has been discarded
 * @f: the freed chunks
 */
void lclone_freed_finish(struct lclone_freed *f);

/**
 * lclone_freed_pending() - does any chunk wait for a drain or for its discard?
 * @f: the freed chunks
 *
 * Process context.
 */
bool lclone_freed_pending(struct lclone_freed *f);

/**
 * lclone_freed_mark() - set the bits of these chunks
 * @f: the freed chunks
 * @used: the bitmap of a scan that begins
 */
void lclone_freed_mark(struct lclone_freed *f, unsigned long *used);

/**
 * lclone_freed_init() - make the part
 * @f: zeroed, but for its pointers to other parts
 */
void lclone_freed_init(struct lclone_freed *f);

#endif /* LCLONE_FREED_H */
