// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "lclone.h"
#include "super.h"

/* The active clone: the kernel changes the delta, the tool the table. */
static int resize_active(const char *name, u64 sectors)
{
	static struct lclone_pending pending;
	static struct lclone_clone clone;
	char message[64];
	double pause_ms;
	int err;

	err = lclone_dm_settle(name, &pending);
	if (err >= 0)
		err = lclone_dm_get(name, &clone);
	if (err)
		return err;
	if (clone.suspended)
		return lclone_fail(-EBUSY, "%s is suspended: \"dmsetup resume %s\" lets it go on", name,
				   name);
	if (!sectors)
		return lclone_dm_message(name, "grow");
	if (sectors < clone.sectors)
		return lclone_fail(-ERANGE, "%s has %llu sectors: a clone cannot shrink", name,
				   (unsigned long long)clone.sectors);
	if (clone.table.features.merge)	/* its base would be too small */
		return lclone_fail(-EBUSY, "%s is being merged: end that first (lclone merge %s), or stop it",
				   name, name);
	err = size_fits_clone(sectors, name);
	if (err)
		return err;
	snprintf(message, sizeof(message), "resize %llu", (unsigned long long)sectors);
	err = lclone_dm_message(name, message);
	return err ?: lclone_dm_switch(&clone, LCLONE_TARGET, sectors, clone.params, &pause_ms);
}

static int grow_virtual(struct lclone_sb *sb, const char *path, u32 lbs, u64 sectors)
{
	if (sectors < sb->virtual_sectors)
		return lclone_fail(-ERANGE, "the clone of %s has %llu sectors: it cannot shrink",
				   path, (unsigned long long)sb->virtual_sectors);
	sb->virtual_sectors = sectors;
	return lclone_size_fits(sectors, lbs > sb->block_size ? lbs : sb->block_size);
}

/* The metadata of the larger clone must find its place, too. */
static int check_room(const struct lclone_sb *sb, const char *path)
{
	struct lclone_sb fresh;
	u64 min;
	int err;

	err = lclone_sb_init(&fresh, sb->device_sectors, sb->virtual_sectors, sb->chunk_sectors,
			     &min);
	if (!err)
		return 0;
	if (err == -EFBIG)
		return lclone_fail(-ERANGE, "%s, or the clone, would be too large for chunks of %u sectors",
				   path, sb->chunk_sectors);
	return lclone_fail(-ENOSPC, "%s is too small: it has %llu sectors, the least for such a clone is %llu",
			   path, (unsigned long long)sb->device_sectors, (unsigned long long)min);
}

static int resize_inactive(const char *path, u64 sectors)
{
	struct lclone_delta delta;
	struct lclone_file file;
	struct lclone_sb sb;
	int err;

	err = open_delta(path, O_RDWR, &file, &delta);
	if (err)
		goto out;
	err = check_writable(&delta, path);
	if (err)
		goto out;
	sb = delta.slot[delta.newest].sb;
	if (sectors)
		err = grow_virtual(&sb, path, file.block ? file.logical_block : 512, sectors);
	if (err)
		goto out;
	if (file.dev.sectors < sb.device_sectors) {
		err = lclone_fail(-ENOSPC, "%s has %llu sectors, it had %llu: a delta cannot shrink",
				  path, (unsigned long long)file.dev.sectors,
				  (unsigned long long)sb.device_sectors);
		goto out;
	}
	sb.device_sectors = file.dev.sectors;
	err = check_room(&sb, path);
	if (!err && memcmp(&sb, &delta.slot[delta.newest].sb, sizeof(sb)))
		err = lclone_super_write(&file, &sb);
	if (!err)
		printf("%s: the clone has %llu sectors, the delta %llu\n", path,
		       (unsigned long long)sb.virtual_sectors,
		       (unsigned long long)sb.device_sectors);
out:
	close_delta(&file, &delta);
	return err;
}

static const struct option options[] = {
	{ "size", required_argument, NULL, 's' },
	{ "help", no_argument, NULL, 'h' },
	{ }
};

static int run(int argc, char **argv)
{
	int option, ret = 0;
	u64 sectors = 0;

	while ((option = next_option(&cmd_resize, argc, argv, options, &ret)) != -1) {
		if (option != 's')
			return ret;
		ret = parse_size(optarg, &sectors);
		if (!ret && !sectors)
			ret = lclone_fail(-ERANGE, "the size of a clone must not be 0");
		if (ret)
			return ret;
	}
	if (argc - optind != 1)
		return usage_error(&cmd_resize, "needs the name of a clone, or a delta");
	if (strchr(argv[optind], '/'))
		return resize_inactive(argv[optind], sectors);
	return resize_active(argv[optind], sectors);
}

const struct command cmd_resize = {
	.name = "resize",
	.summary = "use a grown delta, or grow the clone",
	.usage =
	"resize [--size SIZE] NAME|DELTA\n\n"
	"Makes use of all of a delta's device that has grown. The clone is given by its NAME\n"
	"if it is active (it stays in use meanwhile), else by its DELTA (a path).\n\n"
	"  --size SIZE  grow the clone itself to SIZE; what is new reads as zeros beyond the\n"
	"               base's end\n",
	.run = run,
};
