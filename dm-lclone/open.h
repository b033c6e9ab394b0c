/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Opening of a delta for a table.  All may sleep, set ti->error, and return 0 or -errno.
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
 * lclone_delta_check() - the same for a delta that another table of the mapped device has open
 * @t: the table
 */
int lclone_delta_check(struct lclone *t);

/**
 * lclone_delta_open_layer() - the same for a layer of a table's chain
 * @t: the table
 * @d: the layer
 * @dev: its device
 */
int lclone_delta_open_layer(struct lclone *t, struct lclone_delta *d, struct dm_dev *dev);

/**
 * lclone_delta_changed() - is another superblock on the device than the one that was read?
 * @d: the delta
 *
 * Return: 1 if so, 0, or -errno.
 */
int lclone_delta_changed(struct lclone_delta *d);

/**
 * lclone_delta_find_reserve() - find what a checkpoint may need on a full delta
 * @d: the delta
 * @load: a table is loaded, and the delta may be in use
 *
 * Before the first write: at the load of the table, where it may fail, and of one that is
 * not written yet.
 */
int lclone_delta_find_reserve(struct lclone_delta *d, bool load);

/**
 * lclone_sweep_wanted() - the sweep that a table wants
 * @t: the table
 *
 * Return: NULL: none.
 */
const struct lclone_sweep_ops *lclone_sweep_wanted(const struct lclone *t);

#endif /* LCLONE_OPEN_H */
