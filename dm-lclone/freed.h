/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Chunks that a durable commit has freed, until they are the allocator's.  They wait for a
 * drain, and are discarded on the device if that is wanted.  Worker only.
 */
#ifndef LCLONE_FREED_H
#define LCLONE_FREED_H

#include "alloc.h"

/**
 * struct lclone_freed - chunks between their commit and the allocator
 * @passdown: chunks are discarded on the device; changed in preresume only
 * @draining: chunks that wait for the drain under way; worker only
 * @lock: protects @discarding and @discarded
 * @discarding: chunks that are still to be discarded
 * @discarded: chunks that have been discarded; a scan takes the chunks of all three lists for
 *	used
 * @work: discards chunks, which may take a while
 * @alloc: the delta's allocator, to which the chunks go
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
 * lclone_freed_drained() - the drain has ended: no I/O uses the chunks any more that waited
 * @f: the freed chunks
 */
void lclone_freed_drained(struct lclone_freed *f);

/**
 * lclone_freed_finish() - give chunks to the allocator that have been discarded
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
 * @f: zeroed by the caller, but for its pointers to other parts
 */
void lclone_freed_init(struct lclone_freed *f);

#endif /* LCLONE_FREED_H */
