// SPDX-License-Identifier: GPL-2.0-only
/*
 * Replay: reads the log when a delta is opened, and brings the commits in it into RAM.
 */
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "replay.h"

#define READ_BLOCKS	16		/* blocks of the log that are read at a time */

/* Feeds one half of the log to the scan, and keeps its blocks in @keep if that is not NULL. */
static int scan_half(struct lclone_delta *d, struct lclone_scan *scan, u32 first,
		     struct lclone_log_disk *keep, void *buf)
{
	const struct lclone_sb *sb = &d->super.sb;
	u32 half = sb->log_blocks / 2, pos, i, n;
	struct lclone_fault fault;
	bool whole;
	int err;

	for (pos = 0; pos < half; pos += n) {
		n = min_t(u32, READ_BLOCKS, half - pos);
		err = lclone_meta_read(&d->dev, sb->log_start + first + pos, buf, n);
		if (err) {
			DMERR("%s: can't read the log: error %d", d->dev.name, err);
			return err;
		}
		if (keep)
			memcpy(keep + pos, buf, n * LCLONE_BLOCK_SIZE);
		for (i = 0; i < n; i++) {
			struct lclone_log_disk *block = buf + i * LCLONE_BLOCK_SIZE;

			err = lclone_scan_block(scan, first + pos + i, block, &whole, &fault);
			if (err) {
				lclone_report_fault(&d->dev, "log", sb->log_start + first + pos + i,
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
	d->super.sb.hwm = max(d->super.sb.hwm, lclone_exc_phys(exc) + 1);
	return 0;
}

static int record_apply(struct lclone_delta *d, u64 chunk, u64 exc)
{
	struct lclone_leaf *leaf = lclone_leaf_get(&d->cache, chunk / LCLONE_LEAF_EXCEPTIONS, true,
						   GFP_KERNEL);

	if (IS_ERR(leaf))
		return PTR_ERR(leaf);
	leaf->exceptions[chunk % LCLONE_LEAF_EXCEPTIONS] = exc;
	lclone_commit_replayed(&d->commit, leaf);
	lclone_leaf_unpin(leaf);
	if (d->commit.nr_dirty > LCLONE_DIRTY_LEAVES_MAX) {
		DMERR("%s: the log has changes of too many leaves", d->dev.name);
		return -EUCLEAN;
	}
	return 0;
}

static int walk_records(struct lclone_delta *d, const struct lclone_log_disk *log, u32 blocks,
			record_fn fn)
{
	const struct lclone_sb *sb = &d->super.sb;
	struct lclone_fault fault;
	u64 chunk, exc;
	u32 i, j;
	int err;

	for (i = 0; i < blocks; i++) {
		for (j = 0; j < le32_to_cpu(log[i].count); j++) {
			err = lclone_record_unpack(sb, &log[i].records[j], &chunk, &exc, &fault);
			if (err) {
				lclone_report_fault(&d->dev, "log",
						    sb->log_start + sb->log_pos + i, &fault);
				return err;
			}
			err = fn(d, chunk, exc);
			if (err)
				return err;
		}
	}
	return 0;
}

/* Reads all of the log.  @log gets the half that is in use, and is to be freed in any case. */
static int read_log(struct lclone_delta *d, struct lclone_scan *scan, struct lclone_log_disk **log)
{
	u32 half = d->super.sb.log_blocks / 2;
	void *buf;
	int err = -ENOMEM;

	*log = vmalloc(array_size(half, LCLONE_BLOCK_SIZE));
	buf = kmalloc(READ_BLOCKS * LCLONE_BLOCK_SIZE, GFP_KERNEL);
	if (*log && buf)
		err = scan_half(d, scan, d->super.sb.log_pos, *log, buf);
	if (!err)
		err = scan_half(d, scan, half - d->super.sb.log_pos, NULL, buf);
	kfree(buf);
	if (err == -EUCLEAN) {
		/* Commits are lost.  What was committed before them can still be read. */
		d->super.needs_check = true;
		err = 0;
	}
	return err;
}

/* What the samples of the log have told so far */
struct probe {
	const struct lclone_sb *sb;
	bool later;
};

static void look_at_probe(void *ctx, const void *block)
{
	struct probe *probe = ctx;

	probe->later |= lclone_log_is_later(probe->sb, block);
}

/*
 * Is the log empty, as the superblock says, so that it need not be read?  Not if a slot is
 * damaged, or if there are signs that a later superblock was lost.  If in doubt, it is read.
 */
static bool log_is_ended(struct lclone_delta *d)
{
	const struct lclone_sb *sb = &d->super.sb;
	struct probe probe = { .sb = sb };
	u64 sector[2 * LCLONE_PROBES_MAX], block;
	u32 half = sb->log_blocks / 2, pos, n = 0;

	if (d->super.needs_check || !lclone_log_is_ended(sb))
		return false;
	for (pos = 0; pos < half; pos = lclone_probe_next(pos)) {
		block = sb->log_start + pos;
		sector[n++] = block * LCLONE_BLOCK_SECTORS;
		sector[n++] = (block + half) * LCLONE_BLOCK_SECTORS;
	}
	return !lclone_read_apart(d->dev.bdev, U64_MAX, sector, n, look_at_probe, &probe) &&
	       !probe.later;
}

int lclone_replay(struct lclone_delta *d)
{
	struct lclone_log_disk *log = NULL;
	struct lclone_scan scan;
	u32 blocks;
	int err = 0;

	lclone_scan_init(&scan, &d->super.sb);
	if (!log_is_ended(d))
		err = read_log(d, &scan, &log);
	if (err)
		goto out;

	blocks = scan.end - d->super.sb.log_pos;
	if (blocks)
		d->super.sb.state &= ~LCLONE_STATE_CLEAN;
	err = walk_records(d, log, blocks, record_hwm);
	lclone_alloc_init(&d->alloc);
	if (!err)
		err = walk_records(d, log, blocks, record_apply);
	d->commit.log_tail = scan.end;
	d->commit.next_commit = scan.next_commit;
	d->super.incarnation = scan.max_incarnation;
out:
	vfree(log);
	return err;
}
