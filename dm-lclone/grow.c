// SPDX-License-Identifier: GPL-2.0-only
/*
 * Growth of the delta's device, and of the clone.
 */
#include <linux/sched/mm.h>

#include "grow.h"
#include "delta.h"

/* The superblock with the new size is durable before a commit names a chunk beyond the old. */
int lclone_delta_take_size(struct lclone_delta *d)
{
	struct lclone_sb sb;
	int err = 0;

	mutex_lock(&d->super.tree_lock);
	sb = d->super.sb;
	sb.device_sectors = bdev_nr_sectors(d->dev.bdev);
	if (sb.device_sectors > d->super.sb.device_sectors) {
		err = lclone_sb_write(&d->super, &sb);
		if (!err) {
			lclone_delta_set_limits(d);
			DMINFO("%s: the delta has grown to %llu sectors", d->dev.name,
			       sb.device_sectors);
		}
	}
	if (!err)
		lclone_alloc_grow(&d->alloc);
	mutex_unlock(&d->super.tree_lock);
	return err;
}

int lclone_delta_grow(struct lclone_delta *d)
{
	int err = lclone_delta_take_size(d);

	if (err)
		lclone_metadata_failed(&d->super, "write the superblock", err);
	else
		lclone_space_came(&d->alloc);
	return err;
}

int lclone_delta_resize(struct lclone *t, u64 virtual_sectors)
{
	struct lclone_delta *d = t->delta;
	struct lclone_sb sb;
	u64 min_sectors = 0;
	unsigned int noio;
	int err;

	mutex_lock(&d->super.tree_lock);
	noio = memalloc_noio_save();	/* reclaim may wait for I/O that needs the lock */
	if (READ_ONCE(d->super.mode) != LCLONE_RW) {
		DMERR("%s: can't be resized: it is not writable any more", d->dev.name);
		err = -EROFS;
		goto unlock;
	}
	if (d->sweep) {
		DMERR("%s: can't be resized while it is merged or flattened", d->dev.name);
		err = -EBUSY;
		goto unlock;
	}
	if (d->super.sb.state & LCLONE_STATE_MERGING &&
	    virtual_sectors > d->super.sb.base_sectors) {
		DMERR("%s: can't be resized beyond the base that it is half merged into",
		      d->dev.name);
		err = -EBUSY;
		goto unlock;
	}
	if (virtual_sectors < d->super.sb.virtual_sectors ||
	    virtual_sectors > LCLONE_CHUNKS_MAX * d->super.sb.chunk_sectors) {
		DMERR("%s: the virtual size can only grow, to %llu sectors at most", d->dev.name,
		      LCLONE_CHUNKS_MAX * d->super.sb.chunk_sectors);
		err = -EINVAL;
		goto unlock;
	}
	if (virtual_sectors & ((t->block_size >> SECTOR_SHIFT) - 1)) {
		DMERR("%s: the virtual size must be a multiple of %u sectors, a logical block",
		      d->dev.name, t->block_size >> SECTOR_SHIFT);
		err = -EINVAL;
		goto unlock;
	}
	if (lclone_sb_init(&sb, d->super.sb.device_sectors, virtual_sectors,
			   d->super.sb.chunk_sectors, &min_sectors)) {
		DMERR("%s: for that size the delta needs at least %llu sectors", d->dev.name,
		      min_sectors);
		err = -ENOSPC;
		goto unlock;
	}
	err = lclone_dir_resize(&d->cache, virtual_sectors);
	if (err)
		goto unlock;
	sb = d->super.sb;
	sb.virtual_sectors = virtual_sectors;
	err = lclone_sb_write(&d->super, &sb);
	if (err) {
		lclone_metadata_failed(&d->super, "write the superblock", err);
		goto unlock;
	}
	/* The tree comes first: leaves that the limits allow are looked for below its new root. */
	err = lclone_tree_grow(&d->tree);
	lclone_delta_set_limits(d);
unlock:
	memalloc_noio_restore(noio);
	mutex_unlock(&d->super.tree_lock);
	return err;
}
