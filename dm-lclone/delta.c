// SPDX-License-Identifier: GPL-2.0-only
/*
 * The state of a delta: opened for a table, started and stopped with it; its
 * superblock and its mode.
 */
#include <linux/mempool.h>
#include <linux/random.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/uuid.h>
#include <linux/vmalloc.h>

#include "lclone.h"

#define READ_BLOCKS	16		/* of the log at a time */

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

/* What a slot holds */
struct slot {
	int err;		/* of lclone_sb_unpack(), or of the read */
	bool zero;		/* the whole block */
	struct lclone_sb sb;
	struct lclone_fault fault;
};

static int read_slot(struct lclone_delta *d, u64 block, struct slot *slot)
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

/*
 * What leaves the first 4 KiB of a device free, and would be lost by an automatic format:
 * lclone(8) knows many more.
 */
static const struct {
	u32 block, offset, len;
	const char *magic, *what;
} foreign[] = {
	{ 1, 0, 4, "\xfc\x4e\x2b\xa9", "a member of an md array" },
	{ 1, 24, 16, "\xc6\x85\x73\xf6\x4e\x1a\x45\xca\x82\x65\xf5\x7f\x48\xba\x6d\x81",
	  "bcache" },
	{ 8, 0, 4, "JFS1", "jfs" },
	{ 8, 1, 5, "CD001", "iso9660" },
	{ 16, 0, 4, "\x01\x16\x19\x70", "gfs2" },
	{ 16, 52, 6, "ReIsEr", "reiserfs" },
	{ 16, 64, 8, "_BHRfS_M", "btrfs" },
};

static int refuse_foreign(struct lclone *t)
{
	struct lclone_delta *d = t->delta;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(foreign); i++) {
		int err = lclone_meta_read(d->bdev, foreign[i].block, d->bounce, 1);

		if (err)
			return lclone_refuse(t, err, "Can't read the delta");
		if (memcmp(d->bounce + foreign[i].offset, foreign[i].magic, foreign[i].len))
			continue;
		DMERR("%s: holds %s", d->name, foreign[i].what);
		return lclone_refuse(t, -EINVAL,
			"Not a delta, and not empty: it holds something else behind its first 4 KiB");
	}
	return 0;
}

/* Base identity */

static int fingerprint(struct block_device *bdev, u64 sectors, u64 *fp)
{
	void *buf = kmalloc(LCLONE_BLOCK_SIZE, GFP_KERNEL);
	u32 i;
	int err = 0;

	if (!buf)
		return -ENOMEM;
	*fp = 0;
	for (i = 0; !err && i < LCLONE_FP_SAMPLES; i++) {
		u64 sector = lclone_fp_sample(sectors, i);
		u64 n = sector < sectors ? min_t(u64, sectors - sector, LCLONE_BLOCK_SECTORS) : 0;

		memset(buf, 0, LCLONE_BLOCK_SIZE);
		if (n)
			err = lclone_read_sectors(bdev, sector, buf, n);
		*fp = lclone_fp_update(*fp, i, buf);
	}
	kfree(buf);
	return err;
}

static u64 base_sectors(const struct lclone *t)
{
	return t->base_dev ? bdev_nr_sectors(t->base_dev->bdev) : 0;
}

/* One that was enlarged while it was half merged: the clone has nothing of what is new. */
static bool base_size_fits(const struct lclone *t, const struct lclone_sb *sb,
			   const struct lclone_sb *of)
{
	if (of == sb && of->state & LCLONE_STATE_MERGING &&
	    of->base_sectors >= sb->virtual_sectors)
		return base_sectors(t) >= of->base_sectors;
	return base_sectors(t) == of->base_sectors;
}

static int check_base(struct lclone *t, const struct lclone_sb *sb)
{
	struct lclone_delta *d = t->delta;
	const struct lclone_sb *of = sb;	/* whose base it must be; NULL: of none */
	bool baseless;
	int err;

	if (t->rebase)
		of = t->chain ? &t->chain->layer[0]->sb : NULL;
	baseless = of && of->base_fp_alg == LCLONE_FP_NONE;
	if (of && baseless != !t->base_dev) {
		t->ti->error = t->base_dev ? "The delta was made without a base" :
					     "The delta was made with a base";
		return -EINVAL;
	}
	if (!t->base_dev)
		return 0;
	if (t->merge && bdev_read_only(t->base_dev->bdev)) {
		t->ti->error = "The base is a read-only device: nothing can be merged into it";
		return -EROFS;
	}
	if (t->merge && base_sectors(t) < sb->virtual_sectors) {
		t->ti->error = "The base is smaller than the clone: nothing can be merged into it";
		return -EFBIG;
	}
	if (of && !base_size_fits(t, sb, of)) {
		DMERR("%s: the base has %llu sectors, that of the delta had %llu", d->name,
		      base_sectors(t), of->base_sectors);
		t->ti->error = "Not the delta's base: the size differs";
		return -EINVAL;
	}
	if (of && of->state & LCLONE_STATE_MERGING)
		of = NULL;		/* it is being changed */
	if (!of && !t->rebase)
		return 0;
	err = fingerprint(t->base_dev->bdev, base_sectors(t), &t->base_fp);
	if (err) {
		t->ti->error = "Can't read the base";
		return err;
	}
	if (of && t->base_fp != of->base_fp) {
		DMERR("%s: the base's fingerprint is %016llx, that of the delta's base was %016llx",
		      d->name, t->base_fp, of->base_fp);
		t->ti->error = "Not the delta's base, or the base was changed";
		return -EINVAL;
	}
	return 0;
}

/* Opening */

static u32 block_size_of(const struct lclone *t)
{
	u32 size = bdev_logical_block_size(t->delta_dev->bdev), i;

	for (i = 0; i < t->nr_parents; i++)
		size = max(size, bdev_logical_block_size(t->parents[i].dev->bdev));
	return t->base_dev ? max(size, bdev_logical_block_size(t->base_dev->bdev)) : size;
}

static int check_block_size(struct lclone *t, u32 chunk_sectors)
{
	t->block_size = block_size_of(t);
	if (t->block_size > LCLONE_BLOCK_SIZE) {
		t->ti->error = "Logical block size of a device is above 4 KiB";
		return -EINVAL;
	}
	if (chunk_sectors << SECTOR_SHIFT < LCLONE_SUBCHUNKS * t->block_size) {
		t->ti->error = "chunk_size is below 16 logical blocks";
		return -EINVAL;
	}
	return 0;
}

/* Of the mapped device, if a table of it is or was active; 0: none yet, nobody relies on it */
static u32 block_size_in_use(const struct lclone *t)
{
	struct gendisk *disk = dm_disk(dm_table_get_md(t->ti->table));

	return get_capacity(disk) ? queue_logical_block_size(disk->queue) : 0;
}

/*
 * The least that the clone was ever used with; until it was, the same of what it was
 * made from.  0: not recorded.
 */
static u32 block_size_recorded(const struct lclone *t, const struct lclone_sb *sb)
{
	u32 size = sb->block_size, i;

	for (i = 0; !size && t->chain && i < t->chain->nr; i++)
		size = t->chain->layer[i]->sb.block_size;
	return size;
}

/* Who uses the clone can't follow if its blocks get larger; and it consists of whole ones. */
static int check_clone_blocks(struct lclone *t, const struct lclone_sb *sb)
{
	u32 used = block_size_in_use(t), recorded = block_size_recorded(t, sb);
	const char *name = t->delta->name;

	if (used && t->block_size > used) {
		DMERR("%s: the logical blocks would be of %u bytes, in use are such of %u", name,
		      t->block_size, used);
		return lclone_refuse(t, -EINVAL,
			"The clone is in use with smaller logical blocks than these devices have");
	}
	if (recorded && t->block_size > recorded) {
		DMERR("%s: the logical blocks would be of %u bytes, they were of %u", name,
		      t->block_size, recorded);
		return lclone_refuse(t, -EINVAL,
			"The clone was used with smaller logical blocks than these devices have");
	}
	if (t->ti->len & ((t->block_size >> SECTOR_SHIFT) - 1)) {
		DMERR("%s: the table has %llu sectors: for logical blocks of %u bytes %llu do",
		      name, (u64)t->ti->len, t->block_size,
		      round_up((u64)t->ti->len, t->block_size >> SECTOR_SHIFT));
		t->ti->error = "The clone's size is not a multiple of the logical block size";
		return -EINVAL;
	}
	return 0;
}

static int zero_blocks(struct lclone_delta *d, u64 block, u64 blocks)
{
	return blkdev_issue_zeroout(d->bdev, block * LCLONE_BLOCK_SECTORS,
				    blocks * LCLONE_BLOCK_SECTORS, GFP_KERNEL, 0);
}

/* B and the log are wiped before A is written: till then it is no delta. */
static int write_format(struct lclone_delta *d, struct lclone_sb *sb)
{
	int err;

	err = zero_blocks(d, LCLONE_SB_SLOT_B, 1);
	if (!err)
		err = zero_blocks(d, sb->log_start, sb->log_blocks);
	if (err)
		return err;
	mutex_lock(&d->tree_lock);
	sb->seq = -1;
	err = lclone_sb_write(d, sb);
	if (!err)
		err = lclone_sb_write(d, sb);
	mutex_unlock(&d->tree_lock);
	return err;
}

/* Of a delta that is to be formatted */
static u32 new_chunk_sectors(const struct lclone *t)
{
	if (t->chunk_size_given)
		return t->chunk_sectors;
	return t->chain ? t->chain->layer[0]->sb.chunk_sectors : LCLONE_CHUNK_SECTORS_DEFAULT;
}

/* The superblock of a new delta, without its base. */
static int new_sb(struct lclone *t, struct lclone_sb *sb)
{
	u64 sectors = bdev_nr_sectors(t->delta_dev->bdev), min_sectors;
	int err;

	err = lclone_sb_init(sb, sectors, t->ti->len, new_chunk_sectors(t), &min_sectors);
	if (err == -EFBIG)
		t->ti->error = "The clone is too large for its chunk_size";
	if (err == -ENOSPC) {
		DMERR("%s: the delta has %llu sectors, it needs at least %llu", t->delta->name,
		      sectors, min_sectors);
		t->ti->error = "The delta is too small";
	}
	return err;
}

void lclone_delta_unformat(struct lclone_delta *d)
{
	int err;

	/* A first: with B alone it is a format that was interrupted */
	err = zero_blocks(d, LCLONE_SB_SLOT_A, 1);
	err = err ?: blkdev_issue_flush(d->bdev);
	err = err ?: zero_blocks(d, LCLONE_SB_SLOT_B, 1);
	err = err ?: blkdev_issue_flush(d->bdev);
	if (err)
		DMWARN("%s: formatted but never used, and can't be made blank again: error %d",
		       d->name, err);
	else
		DMINFO("%s: never used: the format is taken back", d->name);
}

static int format_delta(struct lclone *t)
{
	u32 chunk = new_chunk_sectors(t);
	struct lclone_delta *d = t->delta;
	struct lclone_sb sb = {};
	int err;

	if (t->read_only) {
		t->ti->error = "An unformatted delta can't be read_only";
		return -EINVAL;
	}
	err = check_block_size(t, chunk) ?: check_clone_blocks(t, &sb);
	if (!err && t->chain)
		err = check_base(t, &t->chain->layer[0]->sb);
	if (err)
		return err;
	err = new_sb(t, &sb);
	if (err)
		return err;
	generate_random_uuid(sb.uuid);
	lclone_chain_name(t, &sb);
	err = lclone_chain_check(t, &sb);
	if (err)
		return err;
	if (t->base_dev) {
		sb.base_sectors = base_sectors(t);
		sb.base_fp_alg = LCLONE_FP_CRC32C_SAMPLES;
		err = fingerprint(t->base_dev->bdev, sb.base_sectors, &t->base_fp);
		if (err) {
			t->ti->error = "Can't read the base";
			return err;
		}
		sb.base_fp = t->base_fp;
	}
	d->fresh = true;
	err = write_format(d, &sb);
	if (err)
		t->ti->error = "Can't write to the delta";
	else
		DMINFO("%s: formatted, %u KiB chunks", d->name, chunk / 2);
	return err;
}

/* A merge of layers changes the uuid in one write: the slot before tells to which. */
static bool takes_over(const struct lclone_sb *old, const struct lclone_sb *new)
{
	return new->seq == old->seq + 1 && lclone_is_half_merged(old) &&
	       lclone_merges_with(old, new);
}

/* Both slots of a healthy delta are valid: each is one sector, so none can be torn. */
static int pick_slot(struct lclone *t, const struct slot *a, const struct slot *b)
{
	struct lclone_delta *d = t->delta;
	const struct slot *bad = a->err ? a : b;

	if (!a->err && !b->err) {
		if (memcmp(a->sb.uuid, b->sb.uuid, sizeof(a->sb.uuid)) &&
		    !takes_over(&a->sb, &b->sb) && !takes_over(&b->sb, &a->sb)) {
			t->ti->error = "The two superblocks are of different deltas";
			return -EUCLEAN;
		}
		d->sb = a->sb.seq > b->sb.seq ? a->sb : b->sb;
		if (a->sb.seq != b->sb.seq + 1 && b->sb.seq != a->sb.seq + 1) {
			DMERR("%s: superblocks %llu and %llu: one between them was lost", d->name,
			      a->sb.seq, b->sb.seq);
			d->needs_check = true;
		}
		return 0;
	}
	if (a->err && b->err) {
		lclone_report_fault(d, "superblock", a == bad ? LCLONE_SB_SLOT_A : LCLONE_SB_SLOT_B,
				    &bad->fault);
		t->ti->error = "Both superblocks are damaged";
		return -EUCLEAN;
	}
	lclone_report_fault(d, "superblock", bad == a ? LCLONE_SB_SLOT_A : LCLONE_SB_SLOT_B,
			    &bad->fault);
	d->sb = a->err ? b->sb : a->sb;
	d->needs_check = true;
	return 0;
}

/* Reads the superblock, or formats. */
static int open_sb(struct lclone *t)
{
	struct lclone_delta *d = t->delta;
	struct slot *a, *b;
	int err;

	a = kzalloc(2 * sizeof(*a), GFP_KERNEL);
	if (!a)
		return -ENOMEM;
	b = a + 1;
	/* both slots lie in any device that a delta fits in */
	err = bdev_nr_sectors(d->bdev) < LCLONE_LOG_START * LCLONE_BLOCK_SECTORS ?
	      new_sb(t, &a->sb) : 0;
	if (err)
		goto out;
	err = read_slot(d, LCLONE_SB_SLOT_A, a);
	if (!err)
		err = read_slot(d, LCLONE_SB_SLOT_B, b);
	if (err) {
		t->ti->error = "Can't read the delta's superblocks";
		goto out;
	}

	if (a->err == -EPROTONOSUPPORT || b->err == -EPROTONOSUPPORT) {
		const struct slot *s = a->err == -EPROTONOSUPPORT ? a : b;

		DMERR("%s: %s 0x%llx is not supported, 0x%llx is", d->name, s->fault.what,
		      s->fault.found, s->fault.expected);
		t->ti->error = "The delta's format is newer than this module";
		err = -EPROTONOSUPPORT;
	} else if (a->zero && (b->err == -EINVAL || b->err == -EBADMSG ||
			       (!b->err && !b->sb.seq))) {
		err = refuse_foreign(t) ?: format_delta(t);
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

/* What holds for layers, too */
static int check_device(struct lclone *t, const struct lclone_sb *sb)
{
	struct lclone_delta *d = t->delta;
	u64 sectors = bdev_nr_sectors(d->bdev);

	if ((u64)sb->hwm * sb->chunk_sectors > sectors) {
		DMERR("%s: the delta has %llu sectors, %llu are in use", d->name, sectors,
		      (u64)sb->hwm * sb->chunk_sectors);
		t->ti->error = "The delta was shrunk below its high-water mark";
		return -EINVAL;
	}
	return check_block_size(t, sb->chunk_sectors);
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
	if (sb->ro_compat & ~LCLONE_FEATURE_RO_COMPAT && !t->read_only) {
		t->ti->error = "The delta has features with which it can only be read_only";
		return -EROFS;
	}
	if (t->ti->len != sb->virtual_sectors) {
		DMERR("%s: the table has %llu sectors, the delta was formatted for %llu", d->name,
		      (u64)t->ti->len, sb->virtual_sectors);
		t->ti->error = "Not the size that the delta was formatted for";
		return -EINVAL;
	}
	if (t->chunk_size_given && t->chunk_sectors != sb->chunk_sectors) {
		DMERR("%s: the delta's chunk_size is %u", d->name, sb->chunk_sectors);
		t->ti->error = "Not the chunk_size that the delta was formatted with";
		return -EINVAL;
	}
	return check_device(t, sb) ?: check_clone_blocks(t, sb);
}

static int check_mode(struct lclone *t, const struct lclone_sb *sb)
{
	struct lclone_delta *d = t->delta;

	if (sb->state & LCLONE_STATE_NEEDS_CHECK)
		d->needs_check = true;
	if (d->needs_check && !t->read_only) {
		t->ti->error = "The delta is damaged and needs a check: it can only be read_only";
		return -EROFS;
	}
	if (READ_ONCE(d->degraded) && t->rebase) {
		t->ti->error = "The delta has met an error and is not written any more: no rebase";
		return -EROFS;
	}
	return 0;
}

/* Replay */

/* Feeds one half of the log to the scan, and keeps it in @keep if there is one. */
static int scan_half(struct lclone_delta *d, struct lclone_scan *scan, u32 first,
		     struct lclone_log_disk *keep, void *buf)
{
	u32 half = d->sb.log_blocks / 2, pos, i, n;
	struct lclone_fault fault;
	bool whole;
	int err;

	for (pos = 0; pos < half; pos += n) {
		n = min_t(u32, READ_BLOCKS, half - pos);
		err = lclone_meta_read(d->bdev, d->sb.log_start + first + pos, buf, n);
		if (err) {
			DMERR("%s: can't read the log: error %d", d->name, err);
			return err;
		}
		if (keep)
			memcpy(keep + pos, buf, n * LCLONE_BLOCK_SIZE);
		for (i = 0; i < n; i++) {
			struct lclone_log_disk *block = buf + i * LCLONE_BLOCK_SIZE;

			err = lclone_scan_block(scan, first + pos + i, block, &whole, &fault);
			if (err) {
				lclone_report_fault(d, "log", d->sb.log_start + first + pos + i,
						    &fault);
				return err;
			}
		}
	}
	return 0;
}

typedef int (*record_fn)(struct lclone_delta *d, u64 chunk, u64 exc);

static int record_hwm(struct lclone_delta *d, u64 chunk, u64 exc)
{
	d->sb.hwm = max(d->sb.hwm, lclone_exc_phys(exc) + 1);
	return 0;
}

static int record_apply(struct lclone_delta *d, u64 chunk, u64 exc)
{
	struct lclone_leaf *leaf = lclone_leaf_get(d, chunk / LCLONE_LEAF_EXCEPTIONS, true);

	if (IS_ERR(leaf))
		return PTR_ERR(leaf);
	leaf->exceptions[chunk % LCLONE_LEAF_EXCEPTIONS] = exc;
	lclone_commit_replayed(d, leaf);
	lclone_leaf_unpin(leaf);
	if (d->commit.nr_dirty > LCLONE_DIRTY_LEAVES_MAX) {
		DMERR("%s: the log has changes of too many leaves", d->name);
		return -EUCLEAN;
	}
	return 0;
}

static int walk_records(struct lclone_delta *d, const struct lclone_log_disk *log, u32 blocks,
			record_fn fn)
{
	struct lclone_fault fault;
	u64 chunk, exc;
	u32 i, j;
	int err;

	for (i = 0; i < blocks; i++) {
		for (j = 0; j < le32_to_cpu(log[i].count); j++) {
			err = lclone_record_unpack(&d->sb, &log[i].records[j], &chunk, &exc,
						   &fault);
			if (err) {
				lclone_report_fault(d, "log",
						    d->sb.log_start + d->sb.log_pos + i, &fault);
				return err;
			}
			err = fn(d, chunk, exc);
			if (err)
				return err;
		}
	}
	return 0;
}

/* Reads the log, whatever the superblock says, and brings the commits in it into RAM. */
static int replay(struct lclone_delta *d)
{
	u32 half = d->sb.log_blocks / 2, blocks;
	struct lclone_log_disk *log;
	struct lclone_scan scan;
	void *buf;
	int err = -ENOMEM;

	log = vmalloc(array_size(half, LCLONE_BLOCK_SIZE));
	buf = kmalloc(READ_BLOCKS * LCLONE_BLOCK_SIZE, GFP_KERNEL);
	if (!log || !buf)
		goto out;
	lclone_scan_init(&scan, &d->sb);
	err = scan_half(d, &scan, d->sb.log_pos, log, buf);
	if (!err)
		err = scan_half(d, &scan, half - d->sb.log_pos, NULL, buf);
	if (err == -EUCLEAN) {
		/* commits are lost: what is before them may be looked at */
		d->needs_check = true;
		err = 0;
	}
	if (err)
		goto out;

	blocks = scan.end - d->sb.log_pos;
	if (blocks)
		d->sb.state &= ~LCLONE_STATE_CLEAN;
	err = walk_records(d, log, blocks, record_hwm);
	lclone_alloc_init(d);
	if (!err)
		err = walk_records(d, log, blocks, record_apply);
	d->commit.log_tail = scan.end;
	d->commit.next_commit = scan.next_commit;
	d->incarnation = scan.max_incarnation;
out:
	kfree(buf);
	vfree(log);
	return err;
}

/* What follows from the sizes of device and clone */
static void set_limits(struct lclone_delta *d)
{
	u64 chunks = lclone_chunks(d->sb.virtual_sectors, d->sb.chunk_sectors);

	WRITE_ONCE(d->total, lclone_phys_end(&d->sb) - d->sb.first_chunk);
	d->last_leaf = (chunks - 1) / LCLONE_LEAF_EXCEPTIONS;
	lclone_commit_set_limits(d);
	lclone_alloc_set_limits(d);
}

static int open_metadata(struct lclone *t)
{
	struct lclone_delta *d = t->delta;
	int err;

	d->chunk_shift = ilog2(d->sb.chunk_sectors);
	d->sub_shift = d->chunk_shift - ilog2(LCLONE_SUBCHUNKS);
	d->sb.device_sectors = bdev_nr_sectors(d->bdev);
	set_limits(d);
	err = lclone_tree_grow(d);
	if (!err)
		err = lclone_dir_create(d);
	if (!err)
		err = replay(d);
	if (err)
		t->ti->error = err == -ENOMEM ? "Out of memory" :
						"The delta's metadata are damaged or can't be read";
	return err;
}

/*
 * A full delta: what a checkpoint may need has to be found before the first write.
 * At the load of the table, where it may fail, and of one that is not written yet.
 */
static int find_reserve(struct lclone_delta *d, bool load)
{
	int err = 0;

	down_write(&d->messages);
	/* a resume sets the mode before it comes here: then there is I/O, and it has looked */
	if (!(load && READ_ONCE(d->mode) == LCLONE_RW) && lclone_alloc_reserve_short(d))
		err = lclone_search_now(d);
	up_write(&d->messages);
	return err;
}

static const struct lclone_sweep_ops *sweep_ops(const struct lclone *t)
{
	if (t->merge)
		return &lclone_merge_ops;
	if (t->flatten)
		return &lclone_flatten_ops;
	return t->flatten_layer ? &lclone_layer_ops : NULL;
}

/* What preresume needs and may not fail for: a clone that can't be resumed stands still. */
static int prepare(struct lclone *t)
{
	struct lclone_delta *d = t->delta;
	int err;

	if (sweep_ops(t)) {
		t->sweep = lclone_sweep_create(d, sweep_ops(t));
		if (!t->sweep) {
			t->ti->error = "Out of memory";
			return -ENOMEM;
		}
	}
	if (t->read_only || READ_ONCE(d->degraded) || READ_ONCE(d->mode) == LCLONE_RW)
		return 0;
	err = find_reserve(d, true);
	if (err)
		t->ti->error = err == -ENOMEM ? "Out of memory" :
						"The delta's metadata are damaged or can't be read";
	return err;
}

int lclone_delta_open(struct lclone *t)
{
	struct lclone_delta *d = t->delta;
	int err;

	if (!t->read_only && bdev_read_only(d->bdev)) {
		t->ti->error = "The delta is a read-only device";
		return -EROFS;
	}
	err = open_sb(t);
	if (!err)
		err = check_sb(t, &d->sb);
	if (!err)
		err = check_base(t, &d->sb);
	if (!err)
		err = open_metadata(t);
	if (!err)
		err = check_mode(t, &d->sb);
	return err ?: prepare(t);
}

int lclone_delta_check(struct lclone *t)
{
	struct lclone_delta *d = t->delta;
	struct lclone_sb sb;
	int err;

	mutex_lock(&d->tree_lock);
	sb = d->sb;
	mutex_unlock(&d->tree_lock);
	err = check_sb(t, &sb);
	if (!err)
		err = check_base(t, &sb);
	if (!err)
		err = check_mode(t, &sb);
	return err ?: prepare(t);
}

int lclone_delta_open_layer(struct lclone *t, struct lclone_delta *d, struct dm_dev *dev)
{
	/* read as a table of its own would read it */
	struct lclone view = { .delta = d, .ti = t->ti, .delta_dev = dev, .read_only = true };
	int err;

	err = open_sb(&view);
	if (!err && !(d->sb.state & LCLONE_STATE_SEALED)) {
		t->ti->error = "A parent is not sealed";
		err = -EINVAL;
	}
	if (!err)
		err = check_device(&view, &d->sb);
	if (!err)
		err = open_metadata(&view);
	view.read_only = t->read_only;
	if (!err)
		err = check_mode(&view, &d->sb);
	return err;
}

int lclone_delta_changed(struct lclone_delta *d)
{
	struct slot *a = kzalloc(2 * sizeof(*a), GFP_KERNEL), *b = a + 1;
	int err;

	if (!a)
		return -ENOMEM;
	mutex_lock(&d->tree_lock);
	err = read_slot(d, LCLONE_SB_SLOT_A, a);
	err = err ?: read_slot(d, LCLONE_SB_SLOT_B, b);
	if (!err)
		err = (!a->err && a->sb.seq > d->sb.seq) || (!b->err && b->sb.seq > d->sb.seq);
	mutex_unlock(&d->tree_lock);
	kfree(a);
	return err;
}

/* Life */

void lclone_delta_destroy(struct lclone_delta *d)
{
	if (d->wq)
		destroy_workqueue(d->wq);
	cancel_work_sync(&d->event_work);	/* queued by what ran there */
	lclone_dir_destroy(d);
	lclone_tree_exit(d);
	lclone_alloc_destroy(d);
	lclone_sweep_exit(d);
	lclone_commit_exit(d);
	mempool_exit(&d->job_pool);
	bioset_exit(&d->bios);
	lclone_leaf_exit(d);
	lclone_drain_destroy(d);
	kfree(d);
}

struct lclone_delta *lclone_delta_create(struct block_device *bdev)
{
	struct lclone_delta *d = kzalloc(sizeof(*d), GFP_KERNEL);
	int err;

	if (!d)
		return NULL;
	d->bdev = bdev;
	snprintf(d->name, sizeof(d->name), "%pg", bdev);
	d->mode = LCLONE_READ_ONLY;
	INIT_LIST_HEAD(&d->alloc.nodes);
	init_completion(&d->opened);
	init_rwsem(&d->messages);
	lclone_io_init(d);
	INIT_WORK(&d->event_work, lclone_event_work);
	INIT_WORK(&d->check_work, check_work);
	/* first what can't fail: lclone_delta_destroy() undoes whatever was done */
	lclone_commit_init(d);
	lclone_tree_init(d);
	lclone_search_init(d);
	err = lclone_drain_init(d);
	err = err ?: lclone_leaf_init(d);
	err = err ?: lclone_commit_alloc(d);
	err = err ?: lclone_tree_alloc(d);
	err = err ?: lclone_job_pool_init(d);
	err = err ?: bioset_init(&d->bios, 1, 0, 0);
	if (!err) {
		d->wq = alloc_workqueue("dm-lclone/%s", WQ_UNBOUND | WQ_MEM_RECLAIM, 0, d->name);
		if (!d->wq)
			err = -ENOMEM;
	}
	if (err) {
		lclone_delta_destroy(d);
		return NULL;
	}
	return d;
}

/* The superblock has the new size before a commit names a chunk in it. */
static int take_size(struct lclone_delta *d)
{
	struct lclone_sb sb;
	int err = 0;

	mutex_lock(&d->tree_lock);
	sb = d->sb;
	sb.device_sectors = bdev_nr_sectors(d->bdev);
	if (sb.device_sectors > d->sb.device_sectors) {
		err = lclone_sb_write(d, &sb);
		if (!err) {
			set_limits(d);
			DMINFO("%s: the delta has grown to %llu sectors", d->name,
			       sb.device_sectors);
		}
	}
	if (!err)
		lclone_alloc_grow(d);
	mutex_unlock(&d->tree_lock);
	return err;
}

/* What the table names lies below the delta from now on: its user says that it reads the same. */
static void rebase(struct lclone *t, struct lclone_sb *sb)
{
	sb->base_sectors = base_sectors(t);
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
	lclone_sweep_set(t, sweep_ops(t));
	lclone_registry_start(t);
	d->merge = t->merge;
	d->chain = t->chain;
	d->base_sectors = base_sectors(t);
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

	err = take_size(d);
	if (err)
		return err;
	/* a growth of the clone may have raised the reserve; the worker tries again */
	if (find_reserve(d, false))
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

int lclone_delta_grow(struct lclone_delta *d)
{
	int err = take_size(d);

	if (err)
		lclone_metadata_failed(d, "write the superblock", err);
	else
		lclone_space_came(d);
	return err;
}

int lclone_delta_resize(struct lclone *t, u64 virtual_sectors)
{
	struct lclone_delta *d = t->delta;
	struct lclone_sb sb;
	u64 min_sectors = 0;
	unsigned int noio;
	int err;

	mutex_lock(&d->tree_lock);
	noio = memalloc_noio_save();	/* the clone's own I/O may need the lock */
	if (READ_ONCE(d->mode) != LCLONE_RW) {
		DMERR("%s: can't be resized: it is not writable any more", d->name);
		err = -EROFS;
		goto unlock;
	}
	if (d->sweep) {
		DMERR("%s: can't be resized while it is merged or flattened", d->name);
		err = -EBUSY;
		goto unlock;
	}
	if (d->sb.state & LCLONE_STATE_MERGING && virtual_sectors > d->sb.base_sectors) {
		DMERR("%s: can't be resized beyond the base that it is half merged into", d->name);
		err = -EBUSY;
		goto unlock;
	}
	if (virtual_sectors < d->sb.virtual_sectors ||
	    virtual_sectors > LCLONE_CHUNKS_MAX * d->sb.chunk_sectors) {
		DMERR("%s: the virtual size can only grow, to %llu sectors at most", d->name,
		      LCLONE_CHUNKS_MAX * d->sb.chunk_sectors);
		err = -EINVAL;
		goto unlock;
	}
	if (virtual_sectors & ((t->block_size >> SECTOR_SHIFT) - 1)) {
		DMERR("%s: the virtual size must be a multiple of %u sectors, a logical block",
		      d->name, t->block_size >> SECTOR_SHIFT);
		err = -EINVAL;
		goto unlock;
	}
	if (lclone_sb_init(&sb, d->sb.device_sectors, virtual_sectors, d->sb.chunk_sectors,
			   &min_sectors)) {
		DMERR("%s: for that size the delta needs at least %llu sectors", d->name,
		      min_sectors);
		err = -ENOSPC;
		goto unlock;
	}
	err = lclone_dir_resize(d, virtual_sectors);
	if (err)
		goto unlock;
	sb = d->sb;
	sb.virtual_sectors = virtual_sectors;
	err = lclone_sb_write(d, &sb);
	if (err) {
		lclone_metadata_failed(d, "write the superblock", err);
		goto unlock;
	}
	/* the tree first: who finds more leaves looks for them below the new root */
	err = lclone_tree_grow(d);
	set_limits(d);
unlock:
	memalloc_noio_restore(noio);
	mutex_unlock(&d->tree_lock);
	return err;
}
