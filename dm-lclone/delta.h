/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A delta in RAM: it is made of its parts, and freed again.
 */
#ifndef LCLONE_DELTA_H
#define LCLONE_DELTA_H

#include "lclone.h"

/**
 * lclone_delta_create() - make a delta
 * @bdev: the device that it is on
 * @event: the work that sends its event
 *
 * Does not read the device.  Sleeps.  Return: the delta, or NULL if there is no memory.
 */
struct lclone_delta *lclone_delta_create(struct block_device *bdev, work_func_t event);

/**
 * lclone_delta_destroy() - free a delta
 * @d: the delta, which nobody uses any more
 *
 * Sleeps.
 */
void lclone_delta_destroy(struct lclone_delta *d);

/**
 * lclone_delta_set_limits() - note all limits that follow from the sizes of device and clone
 * @d: the delta; under tree_lock, or before others know it
 */
void lclone_delta_set_limits(struct lclone_delta *d);

#endif /* LCLONE_DELTA_H */
