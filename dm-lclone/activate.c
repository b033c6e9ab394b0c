// SPDX-License-Identifier: GPL-2.0-only
/*
 * A table takes over and gives up its delta: started with a new incarnation, stopped with a
 * checkpoint, sealed when it becomes a layer.
 */
#include "lclone.h"

/* What the table names lies below the delta from now on: its user says that it reads the same. */
static void rebase(struct lclone *t, struct lclone_sb *sb)
{
	sb->base_sectors = lclone_base_sectors(t);
	sb->base_fp_alg = t->base_dev ? LCLONE_FP_CRC32C_SAMPLES : LCLONE_FP_NONE;
	sb->base_fp = t->base_fp;
	lclone_chain_name(t, sb);
	sb->state &= ~LCLONE_STATE_MERGING;
}

int lclone_delta_start(struct lclone *t)
{
	struct lclone_delta *d = t->delta;
	struct lclone_sb sb;
	int err;

	if (d->degraded && t->rebase) {
		DMERR("%s: has met an error and is not written any more: no rebase", d->name);
		return -EROFS;
	}
	err = lclone_chain_start(t);
	if (err)
		return err;
	d->fresh = false;
	lclone_sweep_set(t, lclone_sweep_wanted(t));
	lclone_registry_start(t);
	d->merge = t->merge;
	d->chain = t->chain;
	d->base_sectors = lclone_base_sectors(t);
	d->plain_sectors = d->chain ? 0 : d->base_sectors;
	d->block_sectors = t->block_size >> SECTOR_SHIFT;
	d->error_if_no_space = t->error_if_no_space;
	/* what is merged is free as a whole in the end */
	d->discard_passdown = !t->no_discard_passdown && !t->merge;
	d->no_space_timeout = t->no_space_timeout;
	d->commit_interval = t->commit_interval;
	d->low_water_mark = t->low_water_mark;
	d->full = false;
	d->space_expired = false;
	d->alloc.scan_failed = false;
	mutex_lock(&d->tree_lock);
	d->read_only = t->read_only;
	mutex_unlock(&d->tree_lock);
	if (d->degraded)
		return 0;
	WRITE_ONCE(d->mode, t->read_only ? LCLONE_READ_ONLY : LCLONE_RW);
	if (t->read_only)
		return 0;

	err = lclone_delta_take_size(d);
	if (err)
		return err;
	/* a growth of the clone may have raised the reserve; the worker tries again */
	if (lclone_delta_find_reserve(d, false))
		DMWARN("%s: could not look for free space", d->name);
	mutex_lock(&d->tree_lock);
	sb = d->sb;
	sb.incarnation = ++d->incarnation;
	sb.state &= ~LCLONE_STATE_CLEAN;
	if (t->rebase)
		rebase(t, &sb);
	if (d->merge)
		sb.state |= LCLONE_STATE_MERGING;
	sb.merge_cursor = 0;
	sb.block_size = t->block_size;
	err = lclone_sb_write(d, &sb);
	d->activated = !err;
	mutex_unlock(&d->tree_lock);
	if (err)
		DMERR("%s: can't write the superblock: error %d", d->name, err);
	return err;
}

int lclone_delta_flush_base(struct lclone_delta *d)
{
	int err = d->merge ? blkdev_issue_flush(d->base) : 0;

	if (err)
		DMERR("%s: can't flush the base that is merged into: error %d", d->name, err);
	return err;
}

void lclone_delta_stop(struct lclone_delta *d)
{
	struct lclone_sb sb;
	int err;

	cancel_delayed_work_sync(&d->space_timer);
	cancel_delayed_work_sync(&d->commit_timer);
	lclone_sweep_stop(d);
	/* the next table's flushes may not reach it */
	err = lclone_delta_flush_base(d);
	if (err)
		lclone_metadata_failed(d, "flush the base", err);
	/* what others have read of it is old: our bios went past its page cache */
	if (d->merge)
		invalidate_bdev(d->base);
	if (d->activated && d->mode == LCLONE_RW)
		lclone_commit_sync(d, true);
	wait_event(d->idle, lclone_io_idle(d));
	flush_work(&d->worker);		/* a pass that has not seen "stopping" may begin a search */
	lclone_search_stop(d);
	cancel_delayed_work_sync(&d->commit_timer);
	flush_workqueue(d->wq);
	wait_event(d->idle, lclone_io_idle(d));	/* a load that the flushed worker began */
	flush_workqueue(d->wq);
	cancel_work_sync(&d->worker);		/* queued by what was flushed */
	if (!d->activated || d->mode != LCLONE_RW)
		return;

	mutex_lock(&d->tree_lock);
	sb = d->sb;
	lclone_alloc_settle(d, &sb);
	if (lclone_sb_write(d, &sb))
		DMWARN("%s: can't write the superblock: the next start takes longer", d->name);
	d->activated = false;
	mutex_unlock(&d->tree_lock);
}

int lclone_delta_seal(struct lclone_delta *d, u64 base_fp)
{
	struct lclone_sb sb;
	int err = 0;

	mutex_lock(&d->tree_lock);
	sb = d->sb;
	if (d->degraded || d->needs_check || d->activated) {
		err = -EIO;
	} else if (sb.state & LCLONE_STATE_SEALED) {
		err = 0;
	} else if (d->mode != LCLONE_RW || d->commit.log_tail != d->sb.log_pos) {
		err = -EROFS;		/* not ours to write, or it has a log: layers have none */
	} else {
		/* a merge that was given up has changed the base */
		sb.state &= ~LCLONE_STATE_MERGING;
		sb.state |= LCLONE_STATE_SEALED;
		sb.base_fp = base_fp;
		sb.generation++;
		err = lclone_sb_write(d, &sb);
	}
	mutex_unlock(&d->tree_lock);
	if (err) {
		DMERR("%s: can't be sealed: error %d", d->name, err);
		return err;
	}
	WRITE_ONCE(d->mode, LCLONE_READ_ONLY);
	d->chain = NULL;
	lclone_registry_seal(d);
	return 0;
}
