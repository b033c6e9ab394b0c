/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The bio path: the target's map and end_io functions.
 */
#ifndef LCLONE_MAP_H
#define LCLONE_MAP_H

#include <linux/device-mapper.h>

#include "lclone.h"
#include "source.h"

/* What was found out about a bio, or its first part */
enum lclone_verdict {
	LCLONE_REMAPPED,	/* device and sector are set */
	LCLONE_NOT_OURS,	/* the bio has ended, or belongs to somebody else now */
	LCLONE_NO_LEAF,		/* its leaf is not in RAM */
	LCLONE_NO_PIN,		/* the tree has no leaf yet, or it is being evicted */
	LCLONE_BUSY,		/* its entry is BUSY */
	LCLONE_THROTTLED,	/* too many leaves are dirty: a checkpoint has to come first */
	LCLONE_NO_SPACE,	/* no slot has a chunk */
	LCLONE_PARTIAL,		/* a subchunk has to be copied up first */
};

/**
 * struct lclone_write - a write on its way through map
 * @run: number of sectors that the verdict holds for
 * @first: some of them are written for the first time
 * @dirty: some of them have an entry that is not durable yet
 * @partial: with LCLONE_PARTIAL, the subchunk that has to be copied up
 * @spare_phys: the first chunk that was taken from a slot and is not used yet
 * @spare: number of such chunks
 */
struct lclone_write {
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
 * @error: what the bio has ended with
 *
 * Any context.
 */
int lclone_end_io(struct dm_target *ti, struct bio *bio, blk_status_t *error);

/**
 * lclone_end_any() - do what the state of a bio says, at its end
 * @d: the delta
 * @bio: the bio, which has no state afterwards
 * @error: what it has ended with
 *
 * Any context.  Return: DM_ENDIO_DONE; or DM_ENDIO_INCOMPLETE, and a commit ends the bio again.
 */
int lclone_end_any(struct lclone_delta *d, struct bio *bio, blk_status_t error);

/**
 * lclone_unmap() - take back that a bio was mapped
 * @d: the delta
 * @bio: the bio, which was not sent
 * @sector: its sector, as it was before
 * @opf: its flags, as they were before
 *
 * A place that its chunk was given in the delta stays, as it does after a write that has failed.
 * The device is set again by who maps the bio next.
 */
void lclone_unmap(struct lclone_delta *d, struct bio *bio, sector_t sector, blk_opf_t opf);

/**
 * lclone_map_read() - map a read, as far as its source goes
 * @d: the delta
 * @bio: the read
 * @s: gets the source, and for how many sectors the verdict holds
 * @missing: with LCLONE_NO_LEAF, gets the delta whose leaf is not in RAM
 *
 * Never sleeps.
 */
enum lclone_verdict lclone_map_read(struct lclone_delta *d, struct bio *bio,
				    struct lclone_source *s, struct lclone_delta **missing);

/**
 * lclone_map_write() - map a write, as far as that can be done at once
 * @d: the delta
 * @bio: the write
 * @w: zeroed by the caller; gets for how many sectors the verdict holds
 *
 * Never sleeps.
 */
enum lclone_verdict lclone_map_write(struct lclone_delta *d, struct bio *bio,
				     struct lclone_write *w);

#endif /* LCLONE_MAP_H */
