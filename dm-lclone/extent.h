/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Extents: runs of chunks, or of metadata blocks, in lists.  The owner of a list locks it.
 */
#ifndef LCLONE_EXTENT_H
#define LCLONE_EXTENT_H

#include <linux/list.h>
#include <linux/types.h>

/**
 * struct lclone_extent - a run of chunks or of metadata blocks
 * @list: the list that it is in, which owns it
 * @start: the first one
 * @len: their number
 */
struct lclone_extent {
	struct list_head list;
	u64 start;
	u64 len;
};

/**
 * lclone_extent_alloc() - memory for an extent
 *
 * Process context.  May wait for memory, but starts no I/O to get it.  Return: never NULL.
 */
struct lclone_extent *lclone_extent_alloc(void);

/**
 * lclone_extent_append() - append a run to a list
 * @list: the list
 * @new: an extent that is used unless the last one of the list only gets longer
 * @start: of the run
 * @len: of the run
 *
 * Return: @new if it was not used, else NULL.
 */
struct lclone_extent *lclone_extent_append(struct list_head *list, struct lclone_extent *new,
					   u64 start, u64 len);

/**
 * lclone_extents_mark() - set the bits of all chunks in a list
 * @list: the list
 * @used: a bit per chunk
 */
void lclone_extents_mark(const struct list_head *list, unsigned long *used);

/**
 * lclone_extents_free() - free the extents of a list that nobody uses any more
 * @list: the list; its head is not initialised anew
 */
void lclone_extents_free(struct list_head *list);

#endif /* LCLONE_EXTENT_H */
