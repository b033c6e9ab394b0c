/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The bio path: map and end_io.
 */
#ifndef LCLONE_MAP_H
#define LCLONE_MAP_H

#include <linux/device-mapper.h>

#include "lclone.h"
#include "source.h"

/* What became of a bio */
enum lclone_verdict {
	LCLONE_REMAPPED,	/* device and sector are set */
	LCLONE_NOT_OURS,	/* the bio has ended, or belongs to somebody else now */
	LCLONE_NO_LEAF,		/* not in RAM */
	LCLONE_NO_PIN,		/* the tree has no leaf yet, or it is being evicted */
	LCLONE_BUSY,
	LCLONE_THROTTLED,	/* too many dirty leaves */
	LCLONE_NO_SPACE,
	LCLONE_PARTIAL,		/* a subchunk has to be copied up first */
};

/**
 * struct lclone_write - a write on its way through map
 * @whole: in: the bio can't be cut
 * @run: sectors that the verdict holds for
 * @first: some of them are written for the first time
 * @dirty: or with a mapping that is not durable
 * @partial: LCLONE_PARTIAL: the subchunk
 * @spare_phys: the first chunk that was taken and not used yet
 * @spare: their number
 */
struct lclone_write {
	bool whole;
	u32 run;
	bool first;
	bool dirty;
	u32 partial;
	u32 spare_phys, spare;
};

/**
 * lclone_map() - the target's map
 * @ti: the target
 * @bio: the bio
 *
 * Never sleeps, takes no global lock and allocates nothing that can fail.
 */
int lclone_map(struct dm_target *ti, struct bio *bio);

/**
 * lclone_end_io() - the target's end_io
 * @ti: the target
 * @bio: the bio
 * @error: what it ended with
 *
 * Any context.
 */
int lclone_end_io(struct dm_target *ti, struct bio *bio, blk_status_t *error);

/**
 * lclone_map_read() - map a read, as far as its source goes
 * @d: the delta
 * @bio: the read
 * @s: gets what the verdict holds for
 * @missing: gets the delta whose leaf is missing (LCLONE_NO_LEAF)
 *
 * Never sleeps.
 */
enum lclone_verdict lclone_map_read(struct lclone_delta *d, struct bio *bio,
				    struct lclone_source *s, struct lclone_delta **missing);

/**
 * lclone_map_write() - map a write, as far as that can be done at once
 * @d: the delta
 * @bio: the write
 * @w: zeroed, but for @w->whole; gets what the verdict holds for
 *
 * Never sleeps.
 */
enum lclone_verdict lclone_map_write(struct lclone_delta *d, struct bio *bio,
				     struct lclone_write *w);

#endif /* LCLONE_MAP_H */
