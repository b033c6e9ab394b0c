/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A table's view of its delta: what it names, and what it wants.
 */
#ifndef LCLONE_TABLE_H
#define LCLONE_TABLE_H

#include <linux/device-mapper.h>

struct lclone_chain;
struct lclone_delta;
struct lclone_sweep;

/**
 * struct lclone_parent - a layer that a table names
 * @name: while the table is constructed
 * @dev: its device
 */
struct lclone_parent {
	const char *name;
	struct dm_dev *dev;
};

/**
 * struct lclone - a table's view, ti->private
 * @list: of all tables; registry lock
 * @delta: its delta, from lclone_delta_get() on
 * @ti: the target
 * @base_dev: the base, or NULL
 * @delta_dev: the delta's device
 * @parents: bottom to top
 * @nr_parents: their number
 * @chain: made of them, or NULL
 * @sweep: what it wants, until it is resumed; or NULL
 * @read_only: as given, like all up to @chunk_size_given
 * @error_if_no_space: writes do not wait for space
 * @no_discard_passdown: freed chunks are not discarded
 * @merge: into the base
 * @flatten: all below
 * @flatten_layer: the layer right below
 * @rebase: what the table names lies below the delta from now on
 * @no_space_timeout_given: else it is the default
 * @low_water_mark_given: else it is the default
 * @commit_interval_given: else it is the default
 * @chunk_size_given: else it is that of the delta, or the default
 * @no_space_timeout: s
 * @low_water_mark: chunks
 * @commit_interval: ms
 * @chunk_sectors: of a delta that is to be formatted
 * @base_fp_sectors: the size of the base when base_fp was taken
 * @base_fp: of the base, for a rebase or a seal
 * @block_size: of the clone: the largest of all devices, bytes
 */
struct lclone {
	struct list_head list;
	struct lclone_delta *delta;
	struct dm_target *ti;
	struct dm_dev *base_dev;
	struct dm_dev *delta_dev;
	struct lclone_parent *parents;
	u32 nr_parents;
	struct lclone_chain *chain;
	struct lclone_sweep *sweep;

	bool read_only;
	bool error_if_no_space;
	bool no_discard_passdown;
	bool merge;
	bool flatten;
	bool flatten_layer;
	bool rebase;
	bool no_space_timeout_given;
	bool low_water_mark_given;
	bool commit_interval_given;
	bool chunk_size_given;
	u32 no_space_timeout;
	u32 low_water_mark;
	u32 commit_interval;
	u32 chunk_sectors;
	u64 base_fp_sectors;
	u64 base_fp;
	u32 block_size;
};

/**
 * lclone_refuse() - refuse a table
 * @t: the table, while it is parsed or opened
 * @err: -errno
 * @why: a sentence for its user
 *
 * Return: @err.
 */
static inline int lclone_refuse(struct lclone *t, int err, char *why)
{
	t->ti->error = why;
	return err;
}

#endif /* LCLONE_TABLE_H */
