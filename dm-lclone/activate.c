// SPDX-License-Identifier: GPL-2.0-only
/*
 * A table takes over its delta at resume, with a new incarnation, and gives it up at suspend,
 * with a checkpoint.  A delta that becomes a layer is sealed in between.
 */
#include "activate.h"
#include "base.h"
#include "basecache.h"
#include "grow.h"
#include "link.h"
#include "note.h"
#include "open.h"
#include "registry.h"
#include "sweep.h"
#include "trace.h"
#include "worker.h"

/* The base is not, or will not stay, what the tree says that it is. */
static void forget_tree(struct lclone_sb *sb)
{
	memset(sb->base_root, 0, sizeof(sb->base_root));
}

/* Makes a layer of the delta of a table that was suspended: it does not change any more. */
static int seal_delta(struct lclone_delta *d, const struct lclone *t)
{
	struct lclone_sb sb;
	int err = 0;

	mutex_lock(&d->super.tree_lock);
	sb = d->super.sb;
	if (d->super.degraded || d->super.needs_check || d->super.activated) {
		err = -EIO;
	} else if (sb.state & LCLONE_STATE_SEALED) {
		err = 0;
	} else if (d->super.mode != LCLONE_RW || d->commit.log_tail != d->super.sb.log_pos) {
		err = -EROFS;	/* it can't be written, or its log has commits, as no layer's may */
	} else {
		/*
		 * A merge that was given up has changed the base, which may also have been
		 * enlarged.  So the layer gets the size and fingerprint that it has now.
		 */
		if (sb.state & LCLONE_STATE_MERGING) {
			sb.base_sectors = t->base_fp_sectors;
			forget_tree(&sb);
		}
		sb.state &= ~LCLONE_STATE_MERGING;
		sb.state |= LCLONE_STATE_SEALED;
		sb.base_fp = t->base_fp;
		sb.generation++;
		sb.sealed_at = ktime_get_real_seconds();
		lclone_owner_clear(&sb);
		if (d->super.layer_label[0])
			memcpy(sb.label, d->super.layer_label, sizeof(sb.label));
		lclone_log_set_ended(&sb);
		err = lclone_sb_write(&d->super, &sb);
		WRITE_ONCE(d->super.noted, d->super.noted && err);
	}
	mutex_unlock(&d->super.tree_lock);
	if (err) {
		DMERR("%s: can't be sealed: error %d", d->dev.name, err);
		return err;
	}
	WRITE_ONCE(d->super.mode, LCLONE_READ_ONLY);
	trace_lclone_mode(&d->dev, false);
	d->below.chain = NULL;
	d->below.cached = NULL;
	lclone_registry_seal(d);
	return 0;
}

/*
 * A rebase: notes that the base and parent which the table names lie below the delta.  The user
 * answers for it that they read the same as before.
 */
static void name_parents(struct lclone *t, struct lclone_sb *sb)
{
	if (!t->base_dev || sb->base_sectors != t->base_fp_sectors || sb->base_fp != t->base_fp)
		forget_tree(sb);
	sb->base_sectors = t->base_fp_sectors;
	sb->base_fp_alg = t->base_dev ? LCLONE_FP_CRC32C_SAMPLES : LCLONE_FP_NONE;
	sb->base_fp = t->base_fp;
	lclone_chain_name(t, sb);
	sb->state &= ~LCLONE_STATE_MERGING;
}

/*
 * Another host may have opened a delta after this one has loaded the table, or may have taken
 * it over while it was suspended here.  With "owner" that is looked for.  "takeover" lets a
 * reader go on beside a writer.
 */
static int check_unchanged(const struct lclone *t, struct lclone_delta *d)
{
	int err;

	if (!t->owner[0] || (t->read_only && t->takeover) || d->super.degraded)
		return 0;
	err = lclone_super_changed(&d->super);
	if (err <= 0)
		return err;
	DMERR("%s: somebody else has written to it since it was loaded, or suspended: not resumed",
	      d->dev.name);
	return -ESTALE;
}

int lclone_delta_start(struct lclone *t)
{
	struct lclone_delta *d = t->delta, *top = lclone_chain_top(t);
	struct lclone_sb sb;
	int err;

	if (d->super.degraded && t->rebase) {
		DMERR("%s: has met an error and is not written any more: no rebase", d->dev.name);
		return -EROFS;
	}
	err = check_unchanged(t, d);
	if (!err && top && !top->owner.is_layer)
		err = check_unchanged(t, top) ?: seal_delta(top, t);
	if (err)
		return err;
	d->owner.fresh = false;
	lclone_sweep_set(t, lclone_sweep_wanted(t));
	lclone_registry_start(t);
	d->below.cached = lclone_base_cache_start(t->cache, d->below.merge);
	d->below.merge = t->merge;
	d->below.chain = t->chain;
	d->below.base_sectors = lclone_base_sectors(t);
	d->below.plain_sectors = d->below.chain || d->below.cached ? 0 : d->below.base_sectors;
	d->below.block_sectors = t->block_size >> SECTOR_SHIFT;
	d->space.error = t->error_if_no_space;
	/* No discards during a merge, at whose end the whole delta can be discarded. */
	d->freed.passdown = !t->no_discard_passdown && !t->merge;
	d->space.timeout = t->no_space_timeout;
	d->commit.interval = t->commit_interval;
	d->space.low_water_mark = t->low_water_mark;
	d->alloc.full = false;
	d->space.expired = false;
	d->alloc.scan_failed = false;
	mutex_lock(&d->super.tree_lock);
	d->super.read_only = t->read_only;
	mutex_unlock(&d->super.tree_lock);
	if (d->super.degraded)
		return 0;
	WRITE_ONCE(d->super.mode, t->read_only ? LCLONE_READ_ONLY : LCLONE_RW);
	trace_lclone_mode(&d->dev, !t->read_only);
	if (t->read_only)
		return 0;

	err = lclone_delta_take_size(d);
	if (err)
		return err;
	/* A resize may have raised the reserve.  If this fails the worker searches later. */
	if (lclone_delta_find_reserve(d, false))
		DMWARN("%s: could not look for free space", d->dev.name);
	mutex_lock(&d->super.tree_lock);
	sb = d->super.sb;
	sb.incarnation = ++d->super.incarnation;
	sb.state &= ~LCLONE_STATE_CLEAN;
	if (t->rebase)
		name_parents(t, &sb);
	if (d->below.merge) {
		sb.state |= LCLONE_STATE_MERGING;
		forget_tree(&sb);
	}
	sb.merge_cursor = 0;
	sb.ended = 0;
	sb.block_size = t->block_size;
	lclone_note_put(t, &sb);
	err = lclone_sb_write(&d->super, &sb);
	d->super.activated = !err;
	if (!err)
		WRITE_ONCE(d->super.noted, lclone_is_owned(&sb));
	mutex_unlock(&d->super.tree_lock);
	if (err)
		DMERR("%s: can't write the superblock: error %d", d->dev.name, err);
	return err;
}

int lclone_delta_flush_base(struct lclone_delta *d)
{
	int err = d->below.merge ? blkdev_issue_flush(d->below.base) : 0;

	if (err)
		DMERR("%s: can't flush the base that is merged into: error %d", d->dev.name, err);
	return err;
}

void lclone_delta_stop(struct lclone_delta *d)
{
	struct lclone_sb sb;
	int err;

	cancel_delayed_work_sync(&d->space.timer);
	cancel_delayed_work_sync(&d->commit.timer);
	lclone_sweep_stop(d);
	/* The next table may have another base, so that its flushes do not reach this one. */
	err = lclone_delta_flush_base(d);
	if (err)
		lclone_metadata_failed(&d->super, "flush the base", err);
	/* The bios did not go through the page cache of the base, which may hold old data. */
	if (d->below.merge)
		invalidate_bdev(d->below.base);
	if (d->super.activated && d->super.mode == LCLONE_RW)
		lclone_commit_sync(&d->commit, true);
	wait_event(d->queue.idle, lclone_worker_idle(d));
	/* Wait for a pass of the worker that has not seen "stopping": it may begin a search. */
	flush_work(&d->queue.work);
	lclone_search_stop(&d->search);
	cancel_delayed_work_sync(&d->commit.timer);
	flush_workqueue(d->queue.wq);
	/* The worker may have begun to load a leaf while it was flushed. */
	wait_event(d->queue.idle, lclone_worker_idle(d));
	flush_workqueue(d->queue.wq);
	cancel_work_sync(&d->queue.work);	/* works that were flushed may have queued it */
	if (!d->super.activated || d->super.mode != LCLONE_RW)
		return;

	mutex_lock(&d->super.tree_lock);
	sb = d->super.sb;
	lclone_alloc_settle(&d->alloc, &sb);
	if (d->commit.log_tail == sb.log_pos)
		lclone_log_set_ended(&sb);
	if (lclone_sb_write(&d->super, &sb))
		DMWARN("%s: can't write the superblock: the next start takes longer", d->dev.name);
	d->super.activated = false;
	mutex_unlock(&d->super.tree_lock);
}
