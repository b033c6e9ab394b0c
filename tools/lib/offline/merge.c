// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "basic/fail.h"
#include "basic/text.h"
#include "clone/owner.h"
#include "clone/super.h"
#include "host/machine.h"
#include "offline/check.h"
#include "offline/copy.h"
#include "offline/merge.h"

#define SLICE_MS	5000	/* between two barriers that record how far a merge is */

static void ignore_finding(const struct lclone_finding *finding, void *ctx)
{
	(void)finding;
	(void)ctx;
}

int lclone_refuse_damaged(const struct lclone_file *delta)
{
	struct lclone_usage usage;
	char why[LCLONE_WHY_SIZE];
	long ret = lclone_check(&delta->dev, NULL, ignore_finding, NULL, &usage, why);

	if (ret < 0)
		return lclone_fail(ret, "%s: %s", delta->path, why);
	return ret ? lclone_fail(-EUCLEAN, "%s is damaged: see lclone check", delta->path) : 0;
}

int lclone_merge_to(struct lclone_merge *merge)
{
	struct lclone_copy *copy;
	int ret;

	ret = lclone_copy_new(&copy, merge, merge->first, false);
	if (!ret) {
		do {
			ret = lclone_copy_run(copy, SLICE_MS);
		} while (ret > 0);
	}
	lclone_copy_free(copy);
	return ret ?: lclone_file_sync(merge->target);
}

/* All below the cursor is durable in the base: a next run starts there. */
static int record_cursor(struct lclone_merge *merge, struct lclone_sb *sb, u64 sector)
{
	int err = lclone_file_sync(merge->target);

	if (err)
		return err;
	sb->merge_cursor = sector / sb->chunk_sectors;
	return lclone_super_write(merge->chain->file[0], sb);
}

static int copy_into_base(struct lclone_merge *merge, struct lclone_sb *sb)
{
	struct lclone_copy *copy;
	int ret;

	ret = lclone_copy_new(&copy, merge, sb->merge_cursor * sb->chunk_sectors, true);
	while (!ret) {
		ret = lclone_copy_run(copy, SLICE_MS);
		if (ret <= 0)
			break;
		ret = record_cursor(merge, sb, lclone_copy_sector(copy));
	}
	lclone_copy_free(copy);
	return ret;
}

/* The base has it all: the delta becomes empty, in one superblock write. */
static int empty_delta(struct lclone_merge *merge, struct lclone_sb *sb)
{
	int err;

	sb->base_sectors = merge->target->dev.sectors;	/* it may have grown meanwhile */
	err = lclone_fingerprint(&merge->target->dev, &sb->base_fp);
	if (err)
		return lclone_fail(err, "%s: cannot be read: %s", merge->target->path,
				   strerror(-err));
	sb->checkpoint++;
	sb->log_pos = sb->log_pos ? 0 : sb->log_blocks / 2;
	sb->log_commit = merge->chain->delta[0]->scan.next_commit;
	sb->root_block = 0;
	sb->root_level = 0;
	sb->root_csum = 0;
	sb->hwm = sb->first_chunk;
	sb->freed = 0;
	memset(sb->spare, 0, sizeof(sb->spare));
	sb->state &= ~LCLONE_STATE_MERGING;
	sb->state |= LCLONE_STATE_CLEAN;
	sb->merge_cursor = 0;
	lclone_log_set_ended(sb);
	lclone_owner_clear(sb);
	return lclone_super_write(merge->chain->file[0], sb);
}

/*
 * It is noted that this host writes to the delta: another one that opened it meanwhile would lose
 * what it writes at the end.
 */
static int begin(struct lclone_merge *merge, struct lclone_sb *sb)
{
	const bool begun = sb->state & LCLONE_STATE_MERGING;
	char owner[LCLONE_OWNER_SIZE];
	int err;

	err = lclone_refuse_owned(merge->chain->file[0]->path, sb);
	if (err)
		return err;
	if (!begun)
		sb->merge_cursor = 0;
	memset(sb->base_root, 0, sizeof(sb->base_root));	/* its tree is that no more */
	sb->state |= LCLONE_STATE_MERGING;
	if (lclone_this_host(owner))
		lclone_owner_note(sb, owner, time(NULL));
	else if (begun)
		return 0;
	return lclone_super_write(merge->chain->file[0], sb);
}

int lclone_merge_into_base(struct lclone_merge *merge)
{
	struct lclone_delta *delta = merge->chain->delta[0];
	struct lclone_sb sb = delta->slot[delta->newest].sb;
	int err;

	if (merge->target->dev.sectors < sb.virtual_sectors)
		return lclone_fail(-EFBIG, "%s has %s, less than the clone's %s",
				   merge->target->path, LCLONE_SIZE(merge->target->dev.sectors),
				   LCLONE_SIZE(sb.virtual_sectors));
	err = begin(merge, &sb);
	if (err)
		return err;
	err = copy_into_base(merge, &sb);
	if (!err)
		err = lclone_file_sync(merge->target);
	return err ?: empty_delta(merge, &sb);
}
