// SPDX-License-Identifier: GPL-2.0-only
/*
 * Bios that wait for a leaf which is not in RAM, of the delta or of a layer below it.
 */
#include "lclone.h"

void lclone_defer_back(struct lclone_delta *d, struct bio *bio)
{
	u64 state = lclone_io_state(bio);

	if (d->is_layer) {
		d = (struct lclone_delta *)(state & ~IO_FLAGS);
		lclone_io_set(bio, state & IO_FLAGS);
	}
	lclone_defer(d, bio);
}

void lclone_load_for(struct lclone_delta *d, struct lclone_delta *missing, struct bio *bio)
{
	if (missing == d) {
		lclone_leaf_load(d, lclone_bio_chunk(d, bio) / LCLONE_LEAF_EXCEPTIONS, bio);
		return;
	}
	lclone_io_set(bio, lclone_io_state(bio) | (u64)d);
	lclone_defer(missing, bio);
}
