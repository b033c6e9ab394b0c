// SPDX-License-Identifier: GPL-2.0-only
/*
 * Parts of a bio that the worker cuts, because its data lie in several places.
 *
 * Each part is a read, an overwrite or a first write by itself, with a state of its own.  It may
 * have to wait for a commit, whose works are of the same queue: so the worker never waits for a
 * part.  What was cut is not sent itself, not even what is left of it: some drivers set the status
 * of a bio that has succeeded, and an error of another part would be forgotten.
 */
#include "part.h"
#include "map.h"

struct part {
	struct lclone_delta *delta;
	struct bio *whole;
	struct bio bio;
};

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
	bio_put(bio);
	lclone_unpark(&d->queue, WAIT_MEMORY);
	bio_endio(whole);
}

bool lclone_is_cut(struct bio *bio)
{
	return bio_flagged(bio, BIO_CHAIN);
}

struct bio *lclone_part(struct lclone_delta *d, struct bio *bio, u32 sectors)
{
	struct bio *new = bio_alloc_clone(bio->bi_bdev, bio, GFP_NOWAIT | __GFP_NOWARN, &d->bios);
	struct part *part;

	lclone_assert_worker(&d->queue);
	if (!new)
		return NULL;
	new->bi_iter.bi_size = sectors << SECTOR_SHIFT;
	bio_advance(bio, sectors << SECTOR_SHIFT);
	part = container_of(new, struct part, bio);
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
	return bioset_init(&d->bios, 1, offsetof(struct part, bio), 0);
}
