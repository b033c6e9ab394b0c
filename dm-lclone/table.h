/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A table: the devices that it names, the features that it wants, and its delta.
 */
#ifndef LCLONE_TABLE_H
#define LCLONE_TABLE_H

#include <linux/device-mapper.h>

#include "lclone_format.h"

struct lclone_base_cache;
struct lclone_chain;
struct lclone_delta;
struct lclone_sweep;

/**
 * struct lclone_parent - a layer that a table names
 * @name: its name in the table's line; only valid while the table is constructed
 * @dev: its device
 */
struct lclone_parent {
	const char *name;
	struct dm_dev *dev;
};

/**
 * struct lclone - a table; ti->private points to it
 * @list: its place in the list of all tables; registry lock
 * @delta: its delta, from lclone_delta_get() on
 * @ti: the target
 * @base_dev: the base, or NULL
 * @cache: the cache of the base, or NULL
 * @delta_dev: the delta's device
 * @parents: the layers that it names, bottom to top
 * @nr_parents: number of parents
 * @chain: the parents as an opened chain, or NULL
 * @sweep: the merge or flatten that it wants, until it is resumed; or NULL
 * @read_only: the delta is not written; a feature, as all members up to @chunk_size_given
 * @error_if_no_space: writes do not wait for space
 * @no_discard_passdown: freed chunks are not discarded on the device
 * @base_cache: the base is read through the page cache of its device
 * @merge: the delta is merged into the base
 * @flatten: the delta takes over all that lies below it
 * @flatten_layer: the delta takes over what the layer right below it has
 * @rebase: the parents and the base that the table names become those of the delta
 * @takeover: the delta is opened even if another host has it open by its note
 * @no_space_timeout_given: if false, @no_space_timeout is the default
 * @low_water_mark_given: if false, @low_water_mark is the default
 * @commit_interval_given: if false, @commit_interval is the default
 * @chunk_size_given: if false, the size is that of the delta or of its parent, or the default
 * @no_space_timeout: in seconds
 * @low_water_mark: in chunks
 * @commit_interval: in milliseconds
 * @chunk_sectors: chunk size, for a delta that has to be formatted
 * @owner: the note of this host, for a delta that is written; "": none
 * @base_fp_sectors: the size of the base when @base_fp was read
 * @base_fp: fingerprint of the base, for a format, a rebase or a seal
 * @block_size: of the clone, in bytes: the largest logical block size of all its devices
 */
struct lclone {
	struct list_head list;
	struct lclone_delta *delta;
	struct dm_target *ti;
	struct dm_dev *base_dev;
	struct lclone_base_cache *cache;
	struct dm_dev *delta_dev;
	struct lclone_parent *parents;
	u32 nr_parents;
	struct lclone_chain *chain;
	struct lclone_sweep *sweep;

	bool read_only;
	bool error_if_no_space;
	bool no_discard_passdown;
	bool base_cache;
	bool merge;
	bool flatten;
	bool flatten_layer;
	bool rebase;
	bool takeover;
	bool no_space_timeout_given;
	bool low_water_mark_given;
	bool commit_interval_given;
	bool chunk_size_given;
	u32 no_space_timeout;
	u32 low_water_mark;
	u32 commit_interval;
	u32 chunk_sectors;
	char owner[LCLONE_OWNER_SIZE];
	u64 base_fp_sectors;
	u64 base_fp;
	u32 block_size;
};

/**
 * lclone_refuse() - refuse a table
 * @t: the table, while it is parsed or opened
 * @err: -errno
 * @why: a sentence for the user, which becomes ti->error
 *
 * Return: @err.
 */
static inline int lclone_refuse(struct lclone *t, int err, char *why)
{
	t->ti->error = why;
	return err;
}

#endif /* LCLONE_TABLE_H */
