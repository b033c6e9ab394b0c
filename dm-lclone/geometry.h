/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Geometry: how sectors, subchunks and chunks of a clone relate.  All functions are pure.
 *
 * Offsets and lengths are in sectors.  An offset is counted from the start of its chunk where
 * nothing else is said.
 */
#ifndef LCLONE_GEOMETRY_H
#define LCLONE_GEOMETRY_H

#include <linux/bio.h>

#include "lclone_format.h"

/**
 * struct lclone_geometry - the sizes of a clone and its delta
 * @chunk_shift: a chunk has 1 << @chunk_shift sectors
 * @sub_shift: a subchunk has 1 << @sub_shift sectors
 * @last_leaf: index of the last leaf; grows with the clone, under tree_lock
 * @total: chunks that data and nodes can have; grows with the device, under tree_lock
 *
 * Set while the delta is opened.
 */
struct lclone_geometry {
	u32 chunk_shift;
	u32 sub_shift;
	u32 last_leaf;
	u32 total;
};

static inline u32 lclone_chunk_len(const struct lclone_geometry *geo)
{
	return 1u << geo->chunk_shift;
}

static inline u32 lclone_sub_len(const struct lclone_geometry *geo)
{
	return 1u << geo->sub_shift;
}

static inline u64 lclone_bio_chunk(const struct lclone_geometry *geo, const struct bio *bio)
{
	return bio->bi_iter.bi_sector >> geo->chunk_shift;
}

static inline u32 lclone_chunk_offset(const struct lclone_geometry *geo, sector_t sector)
{
	return sector & ((1u << geo->chunk_shift) - 1);
}

static inline u32 lclone_sub_offset(const struct lclone_geometry *geo, sector_t sector)
{
	return sector & ((1u << geo->sub_shift) - 1);
}

/**
 * lclone_sub_mask() - the subchunks of a chunk that a range touches
 * @geo: the geometry
 * @offset: where the range begins
 * @sectors: its length, at least 1 and at most to the end of the chunk
 *
 * Return: a bit for each subchunk.
 */
static inline u32 lclone_sub_mask(const struct lclone_geometry *geo, u32 offset, u32 sectors)
{
	u32 first = offset >> geo->sub_shift, last = (offset + sectors - 1) >> geo->sub_shift;

	return (2u << last) - (1u << first);
}

static inline sector_t lclone_chunk_start(const struct lclone_geometry *geo, u64 chunk)
{
	return chunk << geo->chunk_shift;
}

static inline u32 lclone_blocks_per_chunk(const struct lclone_sb *sb)
{
	return sb->chunk_sectors / LCLONE_BLOCK_SECTORS;
}

#endif /* LCLONE_GEOMETRY_H */
