// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "basic/fail.h"
#include "basic/text.h"
#include "clone/base.h"
#include "clone/half-merged.h"
#include "clone/seal.h"
#include "format/dev.h"
#include "format_user.h"

int lclone_open_base(const char *path, struct lclone_file *file, struct lclone_file **base)
{
	int err;

	*base = NULL;
	if (!strcmp(path, "-"))
		return 0;
	*base = file;
	err = lclone_file_open_ready(file, path, O_RDONLY);
	if (!err)
		err = lclone_lock(file, LCLONE_LOCK_SHARED);
	return err ?: lclone_file_not_mounted_rw(file);
}

void lclone_close_base(struct lclone_file *base)
{
	if (base)
		lclone_file_close(base);
}

/* The clone has read zeros there till now. */
static int check_zero(struct lclone_file *base, u64 sector, u64 end)
{
	static u8 buf[1 << 20];
	const u64 first = sector;
	u64 n;
	int err;

	for (; sector < end; sector += n) {
		n = min_u64(end - sector, sizeof(buf) / 512);
		err = lclone_dev_read(&base->dev, buf, sector, n);
		if (err)
			return lclone_fail(err, "%s: cannot be read: %s", base->path,
					   strerror(-err));
		if (buf[0] || memcmp(buf, buf + 1, n * 512 - 1))
			return lclone_fail(-ESTALE, "%s has data beyond the end of the delta's base, where the clone reads zeros (blkdiscard --force --zeroout --offset %llu %s)",
					   base->path, (unsigned long long)first * 512, base->path);
	}
	return 0;
}

int lclone_same_but_larger(struct lclone_file *base, const struct lclone_sb *sb)
{
	u64 sectors = base->dev.sectors;
	char why[LCLONE_WHY_SIZE];
	int err;

	if (sectors < sb->base_sectors)
		return lclone_fail(-ESTALE, "%s has %s, the delta's base has %s", base->path,
				   LCLONE_SIZE(sectors), LCLONE_SIZE(sb->base_sectors));
	base->dev.sectors = sb->base_sectors;
	err = lclone_base_verify(sb, &base->dev, why);
	base->dev.sectors = sectors;
	if (err)
		return lclone_fail(err, "%s: %s", base->path, why);
	return check_zero(base, sb->base_sectors, min_u64(sectors, sb->virtual_sectors));
}

int lclone_set_base_of(struct lclone_sb *sb, const struct lclone_file *base)
{
	int err;

	sb->base_fp_alg = LCLONE_FP_CRC32C_SAMPLES;
	sb->base_sectors = base->dev.sectors;
	err = lclone_fingerprint(&base->dev, &sb->base_fp);
	if (err)
		return lclone_fail(err, "%s: cannot be read: %s", base->path, strerror(-err));
	return lclone_seal_root(base, sb->base_root);
}

bool lclone_base_has_grown(const struct lclone_file *base, const struct lclone_sb *sb)
{
	return sb->base_fp_alg != LCLONE_FP_NONE && base->dev.sectors > sb->base_sectors &&
	       !(sb->state & LCLONE_STATE_MERGING);
}

int lclone_verify_base_of_merge(struct lclone_delta *delta, struct lclone_file *base)
{
	char why[LCLONE_WHY_SIZE];
	int err = lclone_base_verify(&delta->sb, base ? &base->dev : NULL, why);

	if (err == -ESTALE && base && lclone_base_has_grown(base, &delta->sb) &&
	    !lclone_same_but_larger(base, &delta->sb))
		return lclone_fail(err, "%s was enlarged since (lclone rebase --base %s DELTA)",
				   base->path, base->path);
	if (err)
		return lclone_fail(err, "%s: %s", base ? base->path : "-", why);
	return base ? lclone_merge_begun_in(delta, base) : 0;
}

int lclone_verify_base(struct lclone_delta *delta, struct lclone_file *base)
{
	int ret = lclone_verify_base_of_merge(delta, base);

	if (!ret && base)
		ret = lclone_refuse_doubtful(delta, base);
	return ret < 0 ? ret : 0;
}
