/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copies for a sweep, a bounded number in flight.
 *
 * Batches are copied in the order in which they come: while one is, the drain and
 * the commit of others are under way.
 */
#ifndef LCLONE_COPY_H
#define LCLONE_COPY_H

#include "lane.h"

/**
 * lclone_copier_create() - make what copies
 * @s: the sweep
 *
 * Return: the copier, or NULL.
 */
struct lclone_copier *lclone_copier_create(const struct lclone_sweep *s);

/**
 * lclone_copier_destroy() - free the copier
 * @k: the copier; NULL does no harm
 *
 * No batch may be under way, and the workqueue be flushed.
 */
void lclone_copier_destroy(struct lclone_copier *k);

/**
 * lclone_copy_batch() - copy what ops->piece() says
 * @l: the lane; then goes on with lane->copied() in the worker, lane->error set
 */
void lclone_copy_batch(struct lclone_lane *l);

#endif /* LCLONE_COPY_H */
