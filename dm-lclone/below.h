/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What lies below a delta.  Changed in preresume only, so that I/O reads it without a lock.
 */
#ifndef LCLONE_BELOW_H
#define LCLONE_BELOW_H

#include <linux/blkdev.h>

struct lclone_base_cache;
struct lclone_delta;

#define LCLONE_LAYERS_MAX	255		/* a chain has this many layers at most */

/**
 * struct lclone_chain - the sealed layers between a delta and its base
 * @nr: their number
 * @layer: the layers, top to bottom
 */
struct lclone_chain {
	u32 nr;
	struct lclone_delta *layer[];
};

/**
 * struct lclone_below - what lies below a delta
 * @chain: the layers, or NULL
 * @base: the base, or NULL
 * @base_sectors: size of the base
 * @plain_sectors: the same if the base lies right below the delta; 0 if there are layers, or
 *	if it is read through a cache
 * @cached: the cache through which the base is read, or NULL
 * @block_sectors: size of the clone's logical blocks, in sectors
 * @merge: the delta is being merged, so that the base is written
 */
struct lclone_below {
	struct lclone_chain *chain;
	struct block_device *base;
	sector_t base_sectors;
	sector_t plain_sectors;
	struct lclone_base_cache *cached;
	u32 block_sectors;
	bool merge;
};

/**
 * lclone_has_below() - does something lie below the delta at a sector?
 * @below: what lies below
 * @sector: of the clone
 *
 * Return: false if nothing does, so that what the delta has not reads as zeros.
 */
static inline bool lclone_has_below(const struct lclone_below *below, sector_t sector)
{
	return below->chain || sector < below->base_sectors;
}

/**
 * lclone_is_cached() - is a device the base, and read through a cache?
 * @below: what lies below
 * @bdev: the device
 *
 * Return: true if reads of it are lclone_base_cache_read()'s.
 */
static inline bool lclone_is_cached(const struct lclone_below *below,
				    const struct block_device *bdev)
{
	return below->cached && bdev == below->base;
}

#endif /* LCLONE_BELOW_H */
