/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Discard and write-zeroes.
 */
#ifndef LCLONE_DISCARD_H
#define LCLONE_DISCARD_H

#include "lclone.h"

/**
 * lclone_discard() - work on a discard or a write-zeroes
 * @d: the delta
 * @bio: ends when it is done; deferred again for a part of it
 *
 * Worker only, behind lclone_look().
 */
void lclone_discard(struct lclone_delta *d, struct bio *bio);

#endif /* LCLONE_DISCARD_H */
