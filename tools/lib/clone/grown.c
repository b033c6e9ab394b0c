// SPDX-License-Identifier: GPL-2.0-only
/* A base that was enlarged since the delta was made on it */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "basic/fail.h"
#include "clone/base.h"
#include "clone/delta-file.h"
#include "clone/grown.h"
#include "clone/super.h"
#include "format_user.h"
#include "online/online.h"

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

int same_but_larger(struct lclone_file *base, const struct lclone_sb *sb)
{
	u64 sectors = base->dev.sectors;
	char why[LCLONE_WHY_SIZE];
	int err;

	if (sectors < sb->base_sectors)
		return lclone_fail(-ESTALE, "%s has %llu sectors, the delta's base has %llu",
				   base->path, (unsigned long long)sectors,
				   (unsigned long long)sb->base_sectors);
	base->dev.sectors = sb->base_sectors;
	err = lclone_base_verify(sb, &base->dev, why);
	base->dev.sectors = sectors;
	if (err)
		return lclone_fail(err, "%s: %s", base->path, why);
	return check_zero(base, sb->base_sectors, min_u64(sectors, sb->virtual_sectors));
}

int set_base_of(struct lclone_sb *sb, const struct lclone_file *base)
{
	int err;

	sb->base_fp_alg = LCLONE_FP_CRC32C_SAMPLES;
	sb->base_sectors = base->dev.sectors;
	err = lclone_fingerprint(&base->dev, &sb->base_fp);
	return err ? lclone_fail(err, "%s: cannot be read: %s", base->path, strerror(-err)) : 0;
}

bool base_has_grown(const struct lclone_file *base, const struct lclone_sb *sb)
{
	return sb->base_fp_alg != LCLONE_FP_NONE && base->dev.sectors > sb->base_sectors &&
	       !(sb->state & LCLONE_STATE_MERGING);
}

static int record(const char *path, struct lclone_file *base)
{
	struct lclone_delta delta;
	struct lclone_file file;
	struct lclone_sb sb;
	int err;

	err = open_delta(path, O_RDWR, &file, &delta);
	if (!err)
		err = check_writable(&delta, path);
	if (!err)
		err = same_but_larger(base, &delta.sb);
	if (!err) {
		sb = delta.slot[delta.newest].sb;
		err = set_base_of(&sb, base);
	}
	if (!err)
		err = lclone_super_write(&file, &sb);
	close_delta(&file, &delta);
	return err;
}

int accept_base(const char *delta_path, const char *base_path)
{
	struct lclone_file base_file, *base;
	struct lclone_sb sb;
	int err;

	err = open_base(base_path, &base_file, &base);
	if (!err && base) {
		err = lclone_sb_of(delta_path, &sb);
		if (!err && base_has_grown(base, &sb))
			err = record(delta_path, base);
	}
	close_base(base);
	return err;
}

static int accept(struct lclone_clone *clone, struct lclone_file *base)
{
	static struct lclone_table table;
	char delta[PATH_MAX], name[LCLONE_NAME_SIZE];
	struct lclone_sb sb;
	int err;

	strcpy(name, clone->name);
	name_of(clone->table.delta, delta);
	err = lclone_sb_of(delta, &sb);
	if (err || !base_has_grown(base, &sb))
		return err;
	err = same_but_larger(base, &sb);
	if (err)
		return err;
	if (clone->table.parents)
		return lclone_fail(-EBUSY, "%s was enlarged: close %s, and open it again, to make use of that",
				   base->path, clone->name);
	table = clone->table;
	table.features.rebase = true;
	err = change_table(clone, &table) ?: lclone_dm_get(name, clone);
	if (err)
		return err;
	/* it has had its effect: from now on the base is compared again */
	table.features.rebase = false;
	return change_table(clone, &table) ?: lclone_dm_get(name, clone);
}

int accept_base_online(struct lclone_clone *clone, struct lclone_file *base)
{
	struct lclone_file file;
	char path[PATH_MAX];
	int err;

	if (base)
		return accept(clone, base);
	name_of(clone->table.base, path);
	err = open_base(path, &file, &base);
	if (!err && base)
		err = accept(clone, base);
	close_base(base);
	return err;
}
