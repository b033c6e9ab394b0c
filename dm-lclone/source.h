/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where data are read from: in the delta, in one of the layers below it, in the base, or
 * nowhere.
 */
#ifndef LCLONE_SOURCE_H
#define LCLONE_SOURCE_H

#include "lclone.h"

/**
 * struct lclone_source - sectors that lie together somewhere
 * @bdev: where; NULL: they are zeros
 * @sector: the first one there
 * @sectors: at most to the end of the chunk
 */
struct lclone_source {
	struct block_device *bdev;
	sector_t sector;
	u32 sectors;
};

/**
 * lclone_source() - find the source of data
 * @d: the delta
 * @chunk: of the clone
 * @exc: its exception in the delta
 * @offset: of the data, into the chunk
 * @s: gets the source
 *
 * Under rcu_read_lock_sched().  Return: NULL, or the delta whose leaf is not in RAM.
 */
struct lclone_delta *lclone_source(struct lclone_delta *d, u64 chunk, u64 exc, u32 offset,
				   struct lclone_source *s);

/**
 * lclone_layer_exception() - the exception of a chunk in a layer
 * @layer: the layer
 * @chunk: the chunk
 * @exc: gets the exception
 *
 * Return: false: its leaf is not in RAM.
 */
bool lclone_layer_exception(struct lclone_delta *layer, u64 chunk, u64 *exc);

/**
 * lclone_chain_find() - find the one source of a read that the delta knows nothing of
 * @d: the delta
 * @bio: a read within one chunk; gets its sector there
 * @chunk: the chunk
 * @offset: of the read, into the chunk
 * @mask: the subchunks that it touches
 *
 * Under rcu_read_lock_sched().  Return: the device, for the caller to set, or NULL if there
 * is more than one source, or one that is not in RAM.
 */
struct block_device *lclone_chain_find(struct lclone_delta *d, struct bio *bio, u64 chunk,
				       u32 offset, u32 mask);

#endif /* LCLONE_SOURCE_H */
