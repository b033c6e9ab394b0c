/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Opens a delta for a table.  Functions may sleep.  Those that take a table set ti->error, and
 * return 0 or -errno, where nothing else is said.
 */
#ifndef LCLONE_OPEN_H
#define LCLONE_OPEN_H

#include "lane.h"
#include "lclone.h"
#include "table.h"

/**
 * lclone_delta_open() - read, or format, the delta of a new table
 * @t: the table
 */
int lclone_delta_open(struct lclone *t);

/**
 * lclone_delta_check() - check a table whose delta another table of the mapped device has open
 * @t: the table
 */
int lclone_delta_check(struct lclone *t);

/**
 * lclone_delta_open_layer() - read a layer of a table's chain
 * @t: the table
 * @d: the layer
 * @dev: its device
 */
int lclone_delta_open_layer(struct lclone *t, struct lclone_delta *d, struct dm_dev *dev);

/**
 * lclone_delta_find_reserve() - search for free chunks if the reserve is short
 * @d: the delta
 * @load: called while a table is loaded, so that the delta may be in use
 *
 * A checkpoint must find its reserve before the first write.  So it is searched for when a
 * table is loaded, where that may fail, and once more when the delta is resumed.
 * Return: 0 or -errno.
 */
int lclone_delta_find_reserve(struct lclone_delta *d, bool load);

/**
 * lclone_sweep_wanted() - which sweep does a table want?
 * @t: the table
 *
 * Return: its operations, or NULL if the table wants none.
 */
const struct lclone_sweep_ops *lclone_sweep_wanted(const struct lclone *t);

#endif /* LCLONE_OPEN_H */
