// SPDX-License-Identifier: GPL-2.0-only
/*
 * Parts of a bio that the worker cuts, because its data lie in several places.
 *
 * Each part is a read, an overwrite or a first write by itself, with a state of its own.  It may
 * have to wait for a commit, whose works are of the same queue: so the worker never waits for a
 * part.  What was cut is not sent itself, not even what is left of it: some drivers set the status
 * of a bio that has succeeded, and an error of another part would be forgotten.
 *
 * The pool is none of bios: since Linux 7.1 a set of bios has its reserve only for who can sleep.
 */
#include <linux/mempool.h>

#include "part.h"
#include "map.h"

struct part {
	struct lclone_delta *delta;
	struct bio *whole;
	struct bio bio;
};

static void free_part(struct lclone_delta *d, struct part *part)
{
	mempool_free(part, &d->part_pool);
	lclone_unpark(&d->queue, WAIT_MEMORY);
}

static void part_endio(struct bio *bio)
{
	struct part *part = container_of(bio, struct part, bio);
	struct lclone_delta *d = part->delta;
	struct bio *whole = part->whole;
	blk_status_t error = bio->bi_status;

	if (lclone_end_any(d, bio, error) == DM_ENDIO_INCOMPLETE)
		return;
	if (error)
		WRITE_ONCE(whole->bi_status, error);
	bio_uninit(bio);
	free_part(d, part);
	bio_endio(whole);
}

bool lclone_is_cut(struct bio *bio)
{
	return bio_flagged(bio, BIO_CHAIN);
}

struct bio *lclone_part(struct lclone_delta *d, struct bio *bio, u32 sectors)
{
	struct part *part = mempool_alloc(&d->part_pool, GFP_NOWAIT | __GFP_NOWARN);
	struct bio *new;

	lclone_assert_worker(&d->queue);
	if (!part)
		return NULL;
	new = &part->bio;
	if (bio_init_clone(bio->bi_bdev, new, bio, GFP_NOWAIT | __GFP_NOWARN)) {
		free_part(d, part);
		return NULL;
	}
	new->bi_iter.bi_size = sectors << SECTOR_SHIFT;
	bio_advance(bio, sectors << SECTOR_SHIFT);
	part->delta = d;
	part->whole = bio;
	new->bi_end_io = part_endio;
	lclone_io_set(new, lclone_io_state(bio));
	lclone_io_set(bio, 0);
	bio_inc_remaining(bio);
	return new;
}

int lclone_part_pool_init(struct lclone_delta *d)
{
	return mempool_init_kmalloc_pool(&d->part_pool, 1, sizeof(struct part));
}
