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
 * @bio: is ended when all of it is done, and deferred again when a part of it is done
 *
 * Worker only, after lclone_look().
 */
void lclone_discard(struct lclone_delta *d, struct bio *bio);

#endif /* LCLONE_DISCARD_H */
