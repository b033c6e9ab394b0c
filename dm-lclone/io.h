/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The state of a bio from map to end_io.
 *
 * It is kept in the bio's bi_private, which is NULL when dm core hands a bio over.  Per-bio
 * data of the target would make dm core's bios a cache line larger.
 *
 *   leaf's index:32 | first subchunk in it:13 | subchunks:13 | flags:6
 *
 * While a layer loads a leaf for the bio, all but the flags is replaced by the address of the
 * delta to which the bio goes back.
 */
#ifndef LCLONE_IO_H
#define LCLONE_IO_H

#include <linux/bio.h>

#include "lclone_format.h"

#define IO_COUNTED		1	/* in flight to the delta, or in a merge to the base ... */
#define IO_EPOCH		2	/* ... in this epoch */
#define IO_COUNT_MASK		3
#define IO_FIRST		4	/* a first write: end_io publishes it and unpins its leaf */
#define IO_NEEDS_COMMIT		8	/* FUA, and the entry is not durable yet */
#define IO_FLAGS		63ull
#define IO_SUBS_SHIFT		6
#define IO_SUBS_BITS		13
#define IO_SUBCHUNK_SHIFT	(IO_SUBS_SHIFT + IO_SUBS_BITS)
#define IO_INDEX_SHIFT		32
static_assert(LCLONE_LEAF_EXCEPTIONS * LCLONE_SUBCHUNKS < 1 << IO_SUBS_BITS);
static_assert(sizeof(void *) == sizeof(u64));

static inline u64 lclone_io_state(const struct bio *bio)
{
	return (u64)bio->bi_private;
}

static inline void lclone_io_set(struct bio *bio, u64 state)
{
	bio->bi_private = (void *)state;
}

#endif /* LCLONE_IO_H */
