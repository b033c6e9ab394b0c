/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which tables have a delta.  All members belong to the registry, and are used under its lock
 * where nothing else is said.
 */
#ifndef LCLONE_OWNER_H
#define LCLONE_OWNER_H

#include <linux/completion.h>
#include <linux/device-mapper.h>
#include <linux/list.h>

/**
 * struct lclone_owner - which tables have a delta
 * @list: its place in the list of all deltas
 * @refs: number of tables that have it
 * @md: the mapped device whose delta it is; NULL if it is a layer
 * @table: the active table, which gets the events; NULL if there is none
 * @newest: the table with it that was loaded last
 * @opening: the table for which it was made is still being loaded
 * @changes_base: the delta is being merged, so that its base is written
 * @is_layer: the delta is sealed and lies below others; those that have it read this without
 *	the lock
 * @replaced: a newer superblock is on disk, so that new tables open the layer anew
 * @fresh: formatted for a table that was never resumed; used by whoever opens or resumes it
 * @opened: completed when a layer was opened, for tables that want to share it
 */
struct lclone_owner {
	struct list_head list;
	unsigned int refs;
	struct mapped_device *md;
	struct dm_table *table;
	struct dm_table *newest;
	bool opening;
	bool changes_base;
	bool is_layer;
	bool replaced;
	bool fresh;
	struct completion opened;
};

#endif /* LCLONE_OWNER_H */
