/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where data are read from: the delta, one of the layers below it, the base, or nowhere, where
 * they are zeros.
 */
#ifndef LCLONE_SOURCE_H
#define LCLONE_SOURCE_H

#include "lclone.h"

/**
 * struct lclone_source - a run of sectors on one device
 * @bdev: the device; NULL if they are zeros
 * @sector: the first sector there
 * @sectors: number of sectors, at most to the end of the chunk
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
 * @offset: of the data, from the start of the chunk
 * @s: gets the source
 *
 * Under rcu_read_lock_sched().  Return: NULL; or the layer whose leaf is not in RAM, and @s is
 * not set.
 */
struct lclone_delta *lclone_source(struct lclone_delta *d, u64 chunk, u64 exc, u32 offset,
				   struct lclone_source *s);

/**
 * lclone_layer_exception() - look up the exception of a chunk in a layer
 * @layer: the layer
 * @chunk: the chunk
 * @exc: gets the exception
 *
 * Return: false if the layer's leaf is not in RAM.
 */
bool lclone_layer_exception(struct lclone_delta *layer, u64 chunk, u64 *exc);

/**
 * lclone_chain_find() - find the source of a read of which the delta has nothing
 * @d: the delta
 * @bio: a read within one chunk; its sector is set to that on the device which is returned
 * @chunk: the chunk
 * @offset: of the read, from the start of the chunk
 * @mask: the subchunks that it touches
 *
 * Under rcu_read_lock_sched().  Return: the device, for the caller to set; or NULL if there is
 * more than one source, a leaf is not in RAM, or it is a base that has a cache.
 */
struct block_device *lclone_chain_find(struct lclone_delta *d, struct bio *bio, u64 chunk,
				       u32 offset, u32 mask);

#endif /* LCLONE_SOURCE_H */
