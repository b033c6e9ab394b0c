// SPDX-License-Identifier: GPL-2.0-only
/*
 * Opens a delta for a table: reads it, and checks that it is what the table says.
 */
#include <linux/slab.h>

#include "open.h"
#include "base.h"
#include "blank.h"
#include "blocksize.h"
#include "delta.h"
#include "flatten.h"
#include "link.h"
#include "merge.h"
#include "note.h"
#include "replay.h"
#include "sweep.h"

/*
 * Has the delta got the uuid of another one between these two superblocks?  The offline merge of
 * layers does that: the superblock before names the layer whose uuid it takes over.
 */
static bool takes_over(const struct lclone_sb *old, const struct lclone_sb *new)
{
	return new->seq == old->seq + 1 && lclone_is_half_merged(old) &&
	       lclone_merges_with(old, new);
}

/*
 * Takes the newer of two valid slots.  Both slots of a healthy delta are valid: each is written
 * as one sector, so that a crash can't leave half of it.
 */
static int pick_slot(struct lclone *t, const struct lclone_sb_slot *a,
		     const struct lclone_sb_slot *b)
{
	struct lclone_delta *d = t->delta;
	const struct lclone_sb_slot *bad = a->err ? a : b;

	if (!a->err && !b->err) {
		if (memcmp(a->sb.uuid, b->sb.uuid, sizeof(a->sb.uuid)) &&
		    !takes_over(&a->sb, &b->sb) && !takes_over(&b->sb, &a->sb)) {
			t->ti->error = "The two superblocks are of different deltas";
			return -EUCLEAN;
		}
		d->super.sb = a->sb.seq > b->sb.seq ? a->sb : b->sb;
		if (a->sb.seq != b->sb.seq + 1 && b->sb.seq != a->sb.seq + 1) {
			DMERR("%s: superblocks %llu and %llu: one between them was lost",
			      d->dev.name, a->sb.seq, b->sb.seq);
			d->super.needs_check = true;
		}
		return 0;
	}
	if (a->err && b->err) {
		lclone_report_fault(&d->dev, "superblock",
				    a == bad ? LCLONE_SB_SLOT_A : LCLONE_SB_SLOT_B, &bad->fault);
		t->ti->error = "Both superblocks are damaged";
		return -EUCLEAN;
	}
	lclone_report_fault(&d->dev, "superblock", bad == a ? LCLONE_SB_SLOT_A : LCLONE_SB_SLOT_B,
			    &bad->fault);
	d->super.sb = a->err ? b->sb : a->sb;
	d->super.needs_check = true;
	return 0;
}

/* Reads the superblock, or formats the device if it is blank. */
static int open_sb(struct lclone *t)
{
	struct lclone_delta *d = t->delta;
	struct lclone_sb_slot *a, *b;
	int err;

	a = kzalloc(2 * sizeof(*a), GFP_KERNEL);
	if (!a)
		return -ENOMEM;
	b = a + 1;
	/* On a device that does not have both slots, lclone_new_sb() says that it is too small. */
	err = bdev_nr_sectors(d->dev.bdev) < LCLONE_LOG_START * LCLONE_BLOCK_SECTORS ?
	      lclone_new_sb(t, &a->sb) : 0;
	if (err)
		goto out;
	err = lclone_sb_read(&d->super, LCLONE_SB_SLOT_A, a);
	if (!err)
		err = lclone_sb_read(&d->super, LCLONE_SB_SLOT_B, b);
	if (err) {
		t->ti->error = "Can't read the delta's superblocks";
		goto out;
	}

	if (a->err == -EPROTONOSUPPORT || b->err == -EPROTONOSUPPORT) {
		const struct lclone_sb_slot *s = a->err == -EPROTONOSUPPORT ? a : b;

		DMERR("%s: %s 0x%llx is not supported, 0x%llx is", d->dev.name, s->fault.what,
		      s->fault.found, s->fault.expected);
		t->ti->error = "The delta's format is newer than this module";
		err = -EPROTONOSUPPORT;
	} else if (a->zero && (b->err == -EINVAL || b->err == -EBADMSG ||
			       (!b->err && !b->sb.seq))) {
		err = lclone_delta_format(t);
	} else if (a->zero) {
		err = lclone_refuse(t, -EINVAL,
				    "The delta starts with zeros but its second superblock is valid: wipe it to use it anew");
	} else if (a->err == -EINVAL && b->err) {
		t->ti->error = "Not a delta, and not empty: the first 4 KiB are not zero";
		err = -EINVAL;
	} else {
		err = pick_slot(t, a, b);
	}
out:
	kfree(a);
	return err;
}

/* Checks what must hold for a delta and for a layer. */
static int check_device(struct lclone *t, const struct lclone_sb *sb)
{
	struct lclone_delta *d = t->delta;
	u64 sectors = bdev_nr_sectors(d->dev.bdev);

	if ((u64)sb->hwm * sb->chunk_sectors > sectors) {
		DMERR("%s: the delta has %llu sectors, %llu are in use", d->dev.name, sectors,
		      (u64)sb->hwm * sb->chunk_sectors);
		t->ti->error = "The delta was shrunk below its high-water mark";
		return -EINVAL;
	}
	return lclone_check_block_size(t, sb->chunk_sectors);
}

static int check_sb(struct lclone *t, const struct lclone_sb *sb)
{
	struct lclone_delta *d = t->delta;
	int err;

	err = lclone_chain_check(t, sb);
	if (err)
		return err;
	if (lclone_is_half_merged(sb)) {
		t->ti->error = "A merge into this layer has begun: go on with it first";
		return -EUCLEAN;
	}
	if (sb->state & LCLONE_STATE_SEALED && !t->read_only) {
		t->ti->error = "The delta is sealed: it can only be read_only";
		return -EROFS;
	}
	err = lclone_note_check(t, sb);
	if (err)
		return err;
	if (sb->ro_compat & ~LCLONE_FEATURE_RO_COMPAT && !t->read_only) {
		t->ti->error = "The delta has features with which it can only be read_only";
		return -EROFS;
	}
	if (t->ti->len != sb->virtual_sectors) {
		DMERR("%s: the table has %llu sectors, the delta was formatted for %llu",
		      d->dev.name, (u64)t->ti->len, sb->virtual_sectors);
		t->ti->error = "Not the size that the delta was formatted for";
		return -EINVAL;
	}
	if (t->chunk_size_given && t->chunk_sectors != sb->chunk_sectors) {
		DMERR("%s: the delta's chunk_size is %u", d->dev.name, sb->chunk_sectors);
		t->ti->error = "Not the chunk_size that the delta was formatted with";
		return -EINVAL;
	}
	return check_device(t, sb) ?: lclone_check_clone_blocks(t, sb);
}

static int check_mode(struct lclone *t, const struct lclone_sb *sb)
{
	struct lclone_delta *d = t->delta;

	if (sb->state & LCLONE_STATE_NEEDS_CHECK)
		d->super.needs_check = true;
	if (d->super.needs_check && !t->read_only) {
		t->ti->error = "The delta is damaged and needs a check: it can only be read_only";
		return -EROFS;
	}
	if (READ_ONCE(d->super.degraded) && t->rebase) {
		t->ti->error = "The delta has met an error and is not written any more: no rebase";
		return -EROFS;
	}
	return 0;
}

static int open_metadata(struct lclone *t)
{
	struct lclone_delta *d = t->delta;
	int err;

	d->geo.chunk_shift = ilog2(d->super.sb.chunk_sectors);
	d->geo.sub_shift = d->geo.chunk_shift - ilog2(LCLONE_SUBCHUNKS);
	d->super.sb.device_sectors = bdev_nr_sectors(d->dev.bdev);
	lclone_delta_set_limits(d);
	err = lclone_tree_grow(&d->tree);
	if (!err)
		err = lclone_dir_create(&d->cache);
	if (!err)
		err = lclone_replay(d);
	if (err)
		t->ti->error = err == -ENOMEM ? "Out of memory" :
						"The delta's metadata are damaged or can't be read";
	return err;
}

int lclone_delta_find_reserve(struct lclone_delta *d, bool load)
{
	int err = 0;

	down_write(&d->messages);
	/*
	 * If a load finds the delta writable, a resume has been here before.  There may be I/O
	 * then, beside which only the worker may search.
	 */
	if (!(load && READ_ONCE(d->super.mode) == LCLONE_RW) &&
	    lclone_alloc_reserve_short(&d->alloc))
		err = lclone_search_now(&d->search);
	up_write(&d->messages);
	return err;
}

const struct lclone_sweep_ops *lclone_sweep_wanted(const struct lclone *t)
{
	if (t->merge)
		return &lclone_merge_ops;
	if (t->flatten)
		return &lclone_flatten_ops;
	return t->flatten_layer ? &lclone_layer_ops : NULL;
}

/*
 * Makes what preresume will need.  That may fail while the table is loaded, but should not in
 * preresume: a clone that can't be resumed stays suspended.
 */
static int prepare_resume(struct lclone *t)
{
	struct lclone_delta *d = t->delta;
	int err;

	if (lclone_sweep_wanted(t)) {
		t->sweep = lclone_sweep_create(d, lclone_sweep_wanted(t));
		if (!t->sweep) {
			t->ti->error = "Out of memory";
			return -ENOMEM;
		}
	}
	if (t->read_only || READ_ONCE(d->super.degraded) || READ_ONCE(d->super.mode) == LCLONE_RW)
		return 0;
	err = lclone_delta_find_reserve(d, true);
	if (err)
		t->ti->error = err == -ENOMEM ? "Out of memory" :
						"The delta's metadata are damaged or can't be read";
	return err;
}

int lclone_delta_open(struct lclone *t)
{
	struct lclone_delta *d = t->delta;
	int err;

	if (!t->read_only && bdev_read_only(d->dev.bdev)) {
		t->ti->error = "The delta is a read-only device";
		return -EROFS;
	}
	err = open_sb(t);
	if (!err)
		err = check_sb(t, &d->super.sb);
	if (!err)
		err = lclone_base_check(t, &d->super.sb);
	if (!err)
		err = open_metadata(t);
	if (!err)
		err = check_mode(t, &d->super.sb);
	return err ?: prepare_resume(t);
}

int lclone_delta_check(struct lclone *t)
{
	struct lclone_delta *d = t->delta;
	struct lclone_sb sb;
	int err;

	mutex_lock(&d->super.tree_lock);
	sb = d->super.sb;
	mutex_unlock(&d->super.tree_lock);
	err = check_sb(t, &sb);
	if (!err)
		err = lclone_base_check(t, &sb);
	if (!err)
		err = check_mode(t, &sb);
	return err ?: prepare_resume(t);
}

int lclone_delta_open_layer(struct lclone *t, struct lclone_delta *d, struct dm_dev *dev)
{
	/* The checks are those of a table that has the layer as its delta, read-only. */
	struct lclone view = { .delta = d, .ti = t->ti, .delta_dev = dev, .read_only = true };
	int err;

	err = open_sb(&view);
	if (!err && !(d->super.sb.state & LCLONE_STATE_SEALED)) {
		t->ti->error = "A parent is not sealed";
		err = -EINVAL;
	}
	if (!err)
		err = check_device(&view, &d->super.sb);
	if (!err)
		err = open_metadata(&view);
	view.read_only = t->read_only;
	if (!err)
		err = check_mode(&view, &d->super.sb);
	return err;
}
