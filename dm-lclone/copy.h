/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copies data for a sweep, with a bounded number of copies in flight.
 *
 * Batches are copied in the order in which they come.  While one batch is copied, others wait
 * for their drain or their commit.
 */
#ifndef LCLONE_COPY_H
#define LCLONE_COPY_H

#include "lane.h"

/**
 * lclone_copier_create() - make the copier of a sweep
 * @s: the sweep
 *
 * Return: the copier, or NULL.
 */
struct lclone_copier *lclone_copier_create(const struct lclone_sweep *s);

/**
 * lclone_copier_destroy() - free the copier
 * @k: the copier; NULL does no harm
 *
 * No batch may be under way, and the workqueue has to be flushed before.
 */
void lclone_copier_destroy(struct lclone_copier *k);

/**
 * lclone_copy_batch() - copy the pieces that ops->piece() names
 * @l: the lane; when all is copied, the worker calls lane->copied(), with lane->error set
 */
void lclone_copy_batch(struct lclone_lane *l);

#endif /* LCLONE_COPY_H */
