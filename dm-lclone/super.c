// SPDX-License-Identifier: GPL-2.0-only
/*
 * The superblock of a delta and its mode.  Here are the one function that makes a delta in
 * use read-only, and the one funnel for metadata that can't be written or read.
 */
#include "super.h"
#include "trace.h"

/* Mode */

/* May be called in any context. */
static void enter_read_only(struct lclone_super *s)
{
	int i;

	if (xchg(&s->mode, LCLONE_READ_ONLY) == LCLONE_READ_ONLY)
		return;
	DMERR("%s: the delta is read-only now", s->dev->name);
	trace_lclone_mode(s->dev, false);
	for (i = 0; i < NR_WAITS; i++)
		lclone_unpark(s->queue, i);
	lclone_event_send(s->event);
}

void lclone_metadata_failed(struct lclone_super *s, const char *what, int err)
{
	DMERR_LIMIT("%s: could not %s: error %d", s->dev->name, what, err);
	WRITE_ONCE(s->degraded, true);
	enter_read_only(s);
}

void lclone_metadata_damaged(struct lclone_super *s, const char *what, int err)
{
	WRITE_ONCE(s->needs_check, true);
	queue_work(s->queue->wq, &s->check_work);
	lclone_metadata_failed(s, what, err);
}

static void needs_check_work(struct work_struct *work)
{
	struct lclone_super *s = container_of(work, struct lclone_super, check_work);
	struct lclone_sb sb;

	mutex_lock(&s->tree_lock);
	if (s->activated && !s->read_only && !(s->sb.state & LCLONE_STATE_NEEDS_CHECK)) {
		sb = s->sb;
		sb.state |= LCLONE_STATE_NEEDS_CHECK;
		lclone_sb_write(s, &sb);
	}
	mutex_unlock(&s->tree_lock);
}

/* Superblock */

static u64 sb_slot(u64 seq)
{
	return seq & 1 ? LCLONE_SB_SLOT_A : LCLONE_SB_SLOT_B;
}

/* The checksum of the superblock that is in the bounce buffer */
static u32 block_csum(const struct lclone_super *s)
{
	const struct lclone_sb_disk *d = s->bounce;

	return le32_to_cpu(d->csum);
}

int lclone_sb_write(struct lclone_super *s, struct lclone_sb *sb)
{
	int err;

	lockdep_assert_held(&s->tree_lock);
	sb->seq++;
	memset(s->bounce, 0, LCLONE_BLOCK_SIZE);
	lclone_sb_pack(sb, s->bounce);
	/* Flush and write are not one bio, for the reason that commit_step() gives. */
	err = blkdev_issue_flush(s->dev->bdev);
	if (!err)
		err = lclone_meta_write(s->dev, sb_slot(sb->seq), s->bounce, 1, REQ_FUA);
	/* What failed may have been written all the same */
	s->tried = err ? block_csum(s) : 0;
	if (!err) {
		mutex_lock(&s->index_lock);
		s->sb = *sb;
		mutex_unlock(&s->index_lock);
	}
	return err;
}

int lclone_sb_read(struct lclone_super *s, u64 block, struct lclone_sb_slot *slot)
{
	int err = lclone_meta_read(s->dev, block, s->bounce, 1);

	if (err) {
		DMERR("%s: can't read the superblock at block %llu: error %d", s->dev->name,
		      block, err);
		return err;
	}
	slot->zero = !memchr_inv(s->bounce, 0, LCLONE_BLOCK_SIZE);
	slot->err = lclone_sb_unpack(s->bounce, &slot->sb, &slot->fault);
	return 0;
}

int lclone_super_changed(struct lclone_super *s)
{
	static const u64 blocks[] = { LCLONE_SB_SLOT_A, LCLONE_SB_SLOT_B };
	struct lclone_sb_slot *slot = &s->look;
	bool is_there = false, newer = false;
	int err = 0;
	u32 i;

	mutex_lock(&s->tree_lock);
	for (i = 0; i < ARRAY_SIZE(blocks) && !err; i++) {
		err = lclone_sb_read(s, blocks[i], slot);
		if (err)
			break;
		if (slot->err == -EPROTONOSUPPORT)
			newer = true;
		else if (slot->err)
			continue;
		else if (slot->sb.seq > s->sb.seq)
			newer = newer || block_csum(s) != s->tried;
		else if (slot->sb.seq == s->sb.seq)
			is_there |= !memcmp(slot->sb.uuid, s->sb.uuid, sizeof(s->sb.uuid));
	}
	mutex_unlock(&s->tree_lock);
	return err ?: newer || !is_there;
}

/* Life */

int lclone_super_init(struct lclone_super *s)
{
	s->mode = LCLONE_READ_ONLY;
	mutex_init(&s->tree_lock);
	mutex_init(&s->index_lock);
	INIT_WORK(&s->check_work, needs_check_work);
	s->bounce = (void *)__get_free_page(GFP_KERNEL);
	return s->bounce ? 0 : -ENOMEM;
}

void lclone_super_exit(struct lclone_super *s)
{
	free_page((unsigned long)s->bounce);
}
