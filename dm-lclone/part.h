/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Parts of a bio that the worker cuts, because its data lie in several places.
 */
#ifndef LCLONE_PART_H
#define LCLONE_PART_H

#include "lclone.h"

/**
 * lclone_part() - split off the first part of a bio
 * @d: the delta
 * @bio: the bio, mapped; what is left of it lies behind the part
 * @sectors: length of the part, which may be all that is left
 *
 * Worker only.  The part has the bio's state, and the bio has none any more; when the part ends,
 * what its state says is done, and its error becomes the bio's.  The bio ends when all its parts
 * have ended, and bio_endio() was called for itself.
 *
 * Return: the part, or NULL if there is no memory, and the caller has to park the bio
 * (WAIT_MEMORY).  The pool is empty then, so that another part is under way, whose end wakes it;
 * or what the bio carries could not be copied, and it is woken at once.
 */
struct bio *lclone_part(struct lclone_delta *d, struct bio *bio, u32 sectors);

/**
 * lclone_is_cut() - was a part split off a bio?
 * @bio: the bio
 *
 * Return: true if so.
 */
bool lclone_is_cut(struct bio *bio);

/**
 * lclone_part_pool_init() - make the pool of parts
 * @d: the delta
 *
 * Return: 0 or -ENOMEM.
 */
int lclone_part_pool_init(struct lclone_delta *d);

#endif /* LCLONE_PART_H */
