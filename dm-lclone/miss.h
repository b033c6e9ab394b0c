/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Bios that wait for a leaf which is not in RAM, of the delta or of a layer below it.
 */
#ifndef LCLONE_MISS_H
#define LCLONE_MISS_H

#include "lclone.h"

/* Defers a bio for which a leaf was loaded, to the delta that it was sent to. */
extern const struct lclone_cache_ops lclone_miss_ops;

/**
 * lclone_load_for() - load the leaf of a bio's first chunk
 * @d: the bio's delta
 * @missing: @d, or the layer below it whose leaf is not in RAM
 * @bio: is deferred in @d when the leaf is there
 *
 * Worker of @d only.
 */
void lclone_load_for(struct lclone_delta *d, struct lclone_delta *missing, struct bio *bio);

#endif /* LCLONE_MISS_H */
