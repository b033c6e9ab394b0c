// SPDX-License-Identifier: GPL-2.0-only
/*
 * Formats a blank device as a delta, and makes it blank again if it was never used.
 */
#include <linux/random.h>
#include <linux/uuid.h>

#include "blank.h"
#include "base.h"
#include "blocksize.h"
#include "link.h"

/*
 * Formats that leave the first 4 KiB of a device zero, so that a table would take it for blank
 * and overwrite it.  lclone(8) knows many more.
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
		int err = lclone_meta_read(&d->dev, foreign[i].block, d->super.bounce, 1);

		if (err)
			return lclone_refuse(t, err, "Can't read the delta");
		if (memcmp(d->super.bounce + foreign[i].offset, foreign[i].magic, foreign[i].len))
			continue;
		DMERR("%s: holds %s", d->dev.name, foreign[i].what);
		return lclone_refuse(t, -EINVAL,
			"Not a delta, and not empty: it holds something else behind its first 4 KiB");
	}
	return 0;
}

static int zero_blocks(struct lclone_delta *d, u64 block, u64 blocks)
{
	return blkdev_issue_zeroout(d->dev.bdev, block * LCLONE_BLOCK_SECTORS,
				    blocks * LCLONE_BLOCK_SECTORS, GFP_KERNEL, 0);
}

/* Slot B and the log are wiped first: the device is no delta until slot A is written. */
static int write_format(struct lclone_delta *d, struct lclone_sb *sb)
{
	int err;

	err = zero_blocks(d, LCLONE_SB_SLOT_B, 1);
	if (!err)
		err = zero_blocks(d, sb->log_start, sb->log_blocks);
	if (err)
		return err;
	mutex_lock(&d->super.tree_lock);
	sb->seq = -1;
	err = lclone_sb_write(&d->super, sb);
	lclone_log_set_ended(sb);
	if (!err)
		err = lclone_sb_write(&d->super, sb);
	mutex_unlock(&d->super.tree_lock);
	return err;
}

/* Returns the chunk size of a delta that is to be formatted. */
static u32 new_chunk_sectors(const struct lclone *t)
{
	if (t->chunk_size_given)
		return t->chunk_sectors;
	return t->chain ? t->chain->layer[0]->super.sb.chunk_sectors : LCLONE_CHUNK_SECTORS_DEFAULT;
}

int lclone_new_sb(struct lclone *t, struct lclone_sb *sb)
{
	u64 sectors = bdev_nr_sectors(t->delta_dev->bdev), min_sectors;
	int err;

	err = lclone_sb_init(sb, sectors, t->ti->len, new_chunk_sectors(t), &min_sectors);
	if (err == -EFBIG)
		t->ti->error = "The clone is too large for its chunk_size";
	if (err == -ENOSPC) {
		DMERR("%s: the delta has %llu sectors, it needs at least %llu", t->delta->dev.name,
		      sectors, min_sectors);
		t->ti->error = "The delta is too small";
	}
	return err;
}

/* Slot A goes first: slot B alone is what an interrupted format leaves. */
static void unformat(struct lclone_delta *d)
{
	int err;

	err = zero_blocks(d, LCLONE_SB_SLOT_A, 1);
	err = err ?: blkdev_issue_flush(d->dev.bdev);
	err = err ?: zero_blocks(d, LCLONE_SB_SLOT_B, 1);
	err = err ?: blkdev_issue_flush(d->dev.bdev);
	if (err)
		DMWARN("%s: formatted but never used, and can't be made blank again: error %d",
		       d->dev.name, err);
	else
		DMINFO("%s: never used: the format is taken back", d->dev.name);
}

void lclone_delta_unformat(struct lclone_delta *d)
{
	if (lclone_super_changed(&d->super))
		DMWARN("%s: was not used here, but it can't be told that nobody else has: it stays",
		       d->dev.name);
	else
		unformat(d);
}

int lclone_delta_format(struct lclone *t)
{
	u32 chunk = new_chunk_sectors(t);
	struct lclone_delta *d = t->delta;
	struct lclone_sb sb = {};
	int err = refuse_foreign(t);

	if (err)
		return err;
	if (t->read_only) {
		t->ti->error = "An unformatted delta can't be read_only";
		return -EINVAL;
	}
	err = lclone_check_block_size(t, chunk) ?: lclone_check_clone_blocks(t, &sb);
	if (!err && t->chain)
		err = lclone_base_check(t, &t->chain->layer[0]->super.sb);
	if (err)
		return err;
	err = lclone_new_sb(t, &sb);
	if (err)
		return err;
	generate_random_uuid(sb.uuid);
	lclone_chain_name(t, &sb);
	err = lclone_chain_check(t, &sb);
	if (err)
		return err;
	if (t->base_dev) {
		err = lclone_base_fingerprint(t);
		if (err)
			return err;
		sb.base_sectors = t->base_fp_sectors;
		sb.base_fp_alg = LCLONE_FP_CRC32C_SAMPLES;
		sb.base_fp = t->base_fp;
	}
	err = write_format(d, &sb);
	if (err) {
		t->ti->error = "Can't write to the delta";
		unformat(d);
		return err;
	}
	d->owner.fresh = true;
	DMINFO("%s: formatted, %u KiB chunks", d->dev.name, chunk / 2);
	return 0;
}
