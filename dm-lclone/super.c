// SPDX-License-Identifier: GPL-2.0-only
/*
 * The superblock of a delta and its mode.  Here is the one function that changes the
 * mode of a delta in use, and the one funnel for metadata that can't be written or read.
 */
#include "lclone.h"

/* Mode */

/* Any context */
static void degrade(struct lclone_delta *d)
{
	int i;

	if (xchg(&d->mode, LCLONE_READ_ONLY) == LCLONE_READ_ONLY)
		return;
	DMERR("%s: the delta is read-only now", d->name);
	for (i = 0; i < NR_WAITS; i++)
		lclone_unpark(d, i);
	lclone_event(d);
}

void lclone_metadata_failed(struct lclone_delta *d, const char *what, int err)
{
	DMERR_LIMIT("%s: could not %s: error %d", d->name, what, err);
	WRITE_ONCE(d->degraded, true);
	degrade(d);
}

void lclone_metadata_damaged(struct lclone_delta *d, const char *what, int err)
{
	WRITE_ONCE(d->needs_check, true);
	queue_work(d->wq, &d->check_work);
	lclone_metadata_failed(d, what, err);
}

static void check_work(struct work_struct *work)
{
	struct lclone_delta *d = container_of(work, struct lclone_delta, check_work);
	struct lclone_sb sb;

	mutex_lock(&d->tree_lock);
	if (d->activated && !d->read_only && !(d->sb.state & LCLONE_STATE_NEEDS_CHECK)) {
		sb = d->sb;
		sb.state |= LCLONE_STATE_NEEDS_CHECK;
		lclone_sb_write(d, &sb);
	}
	mutex_unlock(&d->tree_lock);
}

/* Superblock */

static u64 sb_slot(u64 seq)
{
	return seq & 1 ? LCLONE_SB_SLOT_A : LCLONE_SB_SLOT_B;
}

int lclone_sb_write(struct lclone_delta *d, struct lclone_sb *sb)
{
	int err;

	lockdep_assert_held(&d->tree_lock);
	sb->seq++;
	memset(d->bounce, 0, LCLONE_BLOCK_SIZE);
	lclone_sb_pack(sb, d->bounce);
	/* not as one bio: see commit_step() */
	err = blkdev_issue_flush(d->bdev);
	if (!err)
		err = lclone_meta_write(d->bdev, sb_slot(sb->seq), d->bounce, 1, REQ_FUA);
	if (!err) {
		mutex_lock(&d->index_lock);
		d->sb = *sb;
		mutex_unlock(&d->index_lock);
	}
	return err;
}

int lclone_sb_read(struct lclone_delta *d, u64 block, struct lclone_sb_slot *slot)
{
	int err = lclone_meta_read(d->bdev, block, d->bounce, 1);

	if (err) {
		DMERR("%s: can't read the superblock at block %llu: error %d", d->name, block, err);
		return err;
	}
	slot->zero = !memchr_inv(d->bounce, 0, LCLONE_BLOCK_SIZE);
	slot->err = lclone_sb_unpack(d->bounce, &slot->sb, &slot->fault);
	return 0;
}

void lclone_super_init(struct lclone_delta *d)
{
	INIT_WORK(&d->check_work, check_work);
}
