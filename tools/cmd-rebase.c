// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "lclone.h"
#include "super.h"

static u64 min_u64(u64 a, u64 b)
{
	return a < b ? a : b;
}

/* The clone has read zeros there till now. */
static int check_zero(struct lclone_file *base, u64 sector, u64 end)
{
	static u8 buf[1 << 20];
	u64 n;
	int err;

	for (; sector < end; sector += n) {
		n = min_u64(end - sector, sizeof(buf) / 512);
		err = lclone_dev_read(&base->dev, buf, sector, n);
		if (err)
			return lclone_fail(err, "%s: cannot be read: %s", base->path,
					   strerror(-err));
		if (buf[0] || memcmp(buf, buf + 1, n * 512 - 1))
			return lclone_fail(-ESTALE, "%s has data beyond the end of the delta's base, where the clone reads zeros",
					   base->path);
	}
	return 0;
}

/* The same content, on a device that may be larger. */
static int check_same(struct lclone_file *base, const struct lclone_sb *sb)
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

static int set_base(struct lclone_file *file, const struct lclone_delta *delta,
		    struct lclone_file *base)
{
	const struct lclone_sb *old = &delta->slot[delta->newest].sb;
	struct lclone_sb sb = *old;
	int err;

	sb.base_fp_alg = LCLONE_FP_CRC32C_SAMPLES;
	sb.base_sectors = base->dev.sectors;
	err = lclone_fingerprint(&base->dev, &sb.base_fp);
	if (err)
		return lclone_fail(err, "%s: cannot be read: %s", base->path, strerror(-err));
	if (sb.base_sectors == old->base_sectors && sb.base_fp == old->base_fp) {
		printf("%s: %s is its base already\n", file->path, base->path);
		return 0;
	}
	err = lclone_super_write(file, &sb);
	if (!err)
		printf("%s: its base is %s now, with %llu sectors\n", file->path, base->path,
		       (unsigned long long)sb.base_sectors);
	return err;
}

static int rebase(const char *path, const char *base_path, bool force)
{
	struct lclone_file file = { .fd = -1 }, base_file, *base;
	struct lclone_delta delta;
	int err;

	memset(&delta, 0, sizeof(delta));
	err = open_base(base_path, &base_file, &base);
	if (!err)
		err = open_delta(path, O_RDWR, &file, &delta);
	if (!err && lclone_delta_damaged_slot(&delta) >= 0)
		err = check_writable(&delta, path);
	if (!err && lclone_file_same(&file, base))
		err = lclone_fail(-EBUSY, "%s cannot be base and delta at once", path);
	if (!err && delta.sb.base_fp_alg == LCLONE_FP_NONE)
		err = lclone_fail(-ESTALE, "%s has no base (\"-\")", path);
	if (!err && delta.sb.state & LCLONE_STATE_MERGING)
		err = lclone_fail(-EBUSY, "%s is being merged into its base: end that first", path);
	if (!err && !force)
		err = check_same(base, &delta.sb);
	if (!err)
		err = set_base(&file, &delta, base);
	close_delta(&file, &delta);
	close_base(base);
	return err;
}

static const struct option options[] = {
	{ "base", required_argument, NULL, 'b' },
	{ "force", no_argument, NULL, 'f' },
	{ "help", no_argument, NULL, 'h' },
	{ }
};

static int run(int argc, char **argv)
{
	const char *base = NULL;
	bool force = false;
	int option, ret = 0;

	while ((option = next_option(&cmd_rebase, argc, argv, options, &ret)) != -1) {
		if (option == '?')
			return ret;
		if (option == 'b')
			base = optarg;
		else
			force = true;
	}
	if (argc - optind != 1 || !base || !strcmp(base, "-"))
		return usage_error(&cmd_rebase, "needs a delta, and --base with a device");
	return rebase(argv[optind], base, force);
}

const struct command cmd_rebase = {
	.name = "rebase",
	.summary = "record the identity of a base that was moved or copied",
	.usage =
	"rebase [--force] --base BASE DELTA\n\n"
	"Records in DELTA, which is not active, that BASE is its base. A copy on a device of\n"
	"the same size needs no rebase. BASE must hold what the base held; it may be larger,\n"
	"as long as the clone does not see more than zeros of that. No data are copied.\n\n"
	"  --base BASE  the base\n"
	"  --force      do not look at the content: you know that it is right. Else the clone\n"
	"               is garbage\n",
	.run = run,
};
