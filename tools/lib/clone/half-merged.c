// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "basic/fail.h"
#include "clone/half-merged.h"
#include "format/dev.h"
#include "format/layer.h"
#include "format_user.h"

#define TELLING		2048	/* sectors of the delta that tell the base of a merge */

/* What of a delta is in a base */
struct shown {
	bool told;			/* some of it, and not zeros only, which are in many */
	bool differs;			/* some is not ... */
	u64 sector;			/* ... first here */
};

static int compare(struct lclone_delta *delta, const struct lclone_file *base,
		   const struct lclone_extent *e, u64 sectors, struct shown *shown)
{
	u8 ours[LCLONE_BLOCK_SIZE], theirs[LCLONE_BLOCK_SIZE];
	u64 done;
	u32 n;
	int err;

	for (done = 0; done < sectors; done += n) {
		n = min_u64(sectors - done, LCLONE_BLOCK_SECTORS);
		err = lclone_dev_read(delta->dev, ours, e->delta_sector + done, n);
		if (!err)
			err = lclone_dev_read(&base->dev, theirs, e->sector + done, n);
		if (err)
			return lclone_fail(err, "sector %" PRIu64 " cannot be read: %s",
					   e->sector + done, strerror(-err));
		if (!memcmp(ours, theirs, n * 512)) {
			shown->told |= ours[0] || memcmp(ours, ours + 1, n * 512 - 1);
		} else if (!shown->differs) {
			shown->differs = true;
			shown->sector = e->sector + done;
		}
	}
	return 0;
}

/* Compares the first that the delta has of the clone, as far as @end. */
static int look(struct lclone_delta *delta, const struct lclone_file *base, u64 end,
		struct shown *shown)
{
	struct lclone_extents x;
	struct lclone_extent e;
	u64 left = TELLING, n;
	int ret = 0, err;

	memset(shown, 0, sizeof(*shown));
	lclone_extents_init(&x, delta, 0, min_u64(end, base->dev.sectors));
	while (left && (ret = lclone_extents_next(&x, &e)) > 0) {
		if (e.source != LCLONE_FROM_DELTA)
			continue;
		n = min_u64(e.sectors, left);
		err = compare(delta, base, &e, n, shown);
		if (err)
			return err;
		left -= n;
	}
	return ret < 0 ? lclone_fail(ret, "%s", delta->why) : 0;
}

int lclone_merge_begun_in(struct lclone_delta *delta, const struct lclone_file *base)
{
	const struct lclone_sb *sb = &delta->sb;
	struct shown shown;
	int err;

	if (!lclone_merges_into_base(sb) || !sb->merge_cursor)
		return 0;
	err = look(delta, base, sb->merge_cursor * sb->chunk_sectors, &shown);
	if (!err && shown.differs)
		err = lclone_fail(-ESTALE, "%s is not the base that the merge was begun in, or was changed since: it has not what was merged already (sector %" PRIu64 ")",
				  base->path, shown.sector);
	return err ?: shown.told;
}

/* Is a half of the fingerprint what was recorded?  A half of zeros is that of many. */
static bool is_half_right(u64 fp, u64 recorded)
{
	const struct lclone_dev nothing = { .sectors = 0 };
	u64 zeros;

	lclone_fingerprint(&nothing, &zeros);
	return fp == recorded ||
	       (fp >> 32 == recorded >> 32 && fp >> 32 != zeros >> 32) ||
	       ((u32)fp == (u32)recorded && (u32)fp != (u32)zeros);
}

int lclone_refuse_doubtful(struct lclone_delta *delta, struct lclone_file *base)
{
	const struct lclone_sb *sb = &delta->sb;
	const u64 sectors = base->dev.sectors;
	struct shown shown;
	u64 fp;
	int err;

	if (!lclone_merges_into_base(sb) || sb->merge_cursor || sectors <= sb->base_sectors)
		return 0;
	base->dev.sectors = sb->base_sectors;
	err = lclone_fingerprint(&base->dev, &fp);
	base->dev.sectors = sectors;
	if (err)
		return lclone_fail(err, "%s: cannot be read: %s", base->path, strerror(-err));
	if (is_half_right(fp, sb->base_fp))
		return 0;
	err = look(delta, base, sb->virtual_sectors, &shown);
	if (err || shown.told)
		return err;
	return lclone_fail(-ESTALE, "%s can't be told to be the base that the merge was begun in: it is larger, and looks like another (if you know that it is that one: lclone merge --into-base ends the merge)",
			   base->path);
}
