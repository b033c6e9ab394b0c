// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lists of runs of chunks, or of metadata blocks.
 */
#include <linux/slab.h>

#include "extent.h"

struct lclone_extent *lclone_extent_alloc(void)
{
	return kmalloc(sizeof(struct lclone_extent), GFP_NOIO | __GFP_NOFAIL);
}

struct lclone_extent *lclone_extent_append(struct list_head *list, struct lclone_extent *new,
					   u64 start, u64 len)
{
	struct lclone_extent *last;

	if (!list_empty(list)) {
		last = list_last_entry(list, struct lclone_extent, list);
		if (last->start + last->len == start) {
			last->len += len;
			return new;
		}
	}
	new->start = start;
	new->len = len;
	list_add_tail(&new->list, list);
	return NULL;
}

void lclone_extents_mark(const struct list_head *list, unsigned long *used)
{
	const struct lclone_extent *e;

	list_for_each_entry(e, list, list)
		bitmap_set(used, e->start, e->len);
}

void lclone_extents_free(struct list_head *list)
{
	struct lclone_extent *e, *next;

	list_for_each_entry_safe(e, next, list, list)
		kfree(e);
}
