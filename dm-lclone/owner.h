/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who has a delta.  The registry's, under its lock, but for what is said to be otherwise.
 */
#ifndef LCLONE_OWNER_H
#define LCLONE_OWNER_H

#include <linux/completion.h>
#include <linux/device-mapper.h>
#include <linux/list.h>

/**
 * struct lclone_owner - who has a delta
 * @list: of all deltas
 * @refs: tables that have it
 * @md: whose delta it is; NULL: a layer
 * @table: of the active target, for events
 * @newest: the last table that was loaded
 * @opening: its table is still being loaded
 * @changes_base: it is merged into
 * @is_layer: sealed, and below others; also read without the lock by who has it
 * @replaced: changed on disk: tables open it anew
 * @fresh: formatted for a table that was never resumed; who opens or resumes it
 * @opened: for who wants to share a layer
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
