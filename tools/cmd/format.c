// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <uuid/uuid.h>

#include "basic/fail.h"
#include "clone/base.h"
#include "clone/disk.h"
#include "clone/super.h"
#include "cmd/commands.h"
#include "lclone.h"
#include "ui/options.h"

/* It may be a base: it is not known to be a delta.  A blank file is nothing yet. */
static int refuse_base(const struct lclone_file *file, int err, bool none, bool force,
		       struct lclone_inventory *inv)
{
	bool blank;

	if (!err || err == -ENOSPC || err == -EUCLEAN)
		return 0;
	blank = none && !lclone_file_is_blank(file);
	return (blank ? file->block : force) ? refuse_base_of_others(file, NULL, blank, inv) :
					       0;
}

int may_overwrite(const struct lclone_file *file, bool force, struct lclone_inventory *inv)
{
	struct lclone_delta delta;
	int err = lclone_delta_open_sb(&delta, &file->dev), depended;
	bool none = err == -ENODATA || err == -EINVAL;	/* of any version and in any state */

	/* it is as lost as a base is that others lie on */
	depended = lclone_refuse_loss(file->path, &delta, err, inv) ?:
		   refuse_base(file, err, none, force, inv);
	if (depended)
		err = depended;
	else if (force)
		err = 0;
	else if (!none)
		err = lclone_fail(-EADDRINUSE, "%s holds an lclone delta (--force: overwrite it)",
				  file->path);
	else if (lclone_file_is_blank(file))
		err = lclone_fail(-EADDRINUSE, "%s (--force: overwrite it)", lclone_why());
	else
		err = 0;
	lclone_delta_close(&delta);
	return err;
}

/*
 * The layer that a new delta is put on, which must be whole and of this base.  It stays open, and
 * locked, until the new delta has recorded it.
 */
static int look_at_parents(const struct lclone_file *file, struct lclone_file *base,
			   const struct lclone_parents *parents, struct disk *disk)
{
	struct lclone_parents below = *parents;
	u32 i;
	int err;

	below.count--;
	err = open_disk(parents->path[below.count], O_RDONLY, &below, disk);
	if (!err && !(disk->delta.sb.state & LCLONE_STATE_SEALED))
		err = lclone_fail(-ESTALE, "%s is not sealed: %s cannot lie on it",
				  disk->file.path, file->path);
	for (i = 0; !err && i < disk->chain.count; i++)
		if (lclone_file_same(file, disk->chain.file[i]))
			err = lclone_fail(-EBUSY, "%s cannot lie on itself", file->path);
		else
			err = refuse_common_sectors(file, disk->chain.file[i]);
	if (!err && base && base_has_grown(base, &disk->delta.sb))
		return same_but_larger(base, &disk->delta.sb);
	return err ?: verify_base(&disk->delta, base);
}

/* Logical, the largest of a layer and those below it */
static u32 block_size_of(const struct disk *disk)
{
	u32 size = disk->file.logical_block, i;

	for (i = 0; i < disk->chain.count; i++)
		if (disk->chain.file[i]->logical_block > size)
			size = disk->chain.file[i]->logical_block;
	return size;
}

int format_delta(const char *base_path, const char *delta_path, const struct format_arguments *args)
{
	struct lclone_format_options options = {
		.virtual_sectors = args->virtual_sectors,
		.chunk_sectors = args->chunk_sectors,
		.label = args->label,
	};
	struct lclone_file delta = { .fd = -1 }, base_file, *base;
	struct lclone_inventory inv = { .count = 0 };
	static struct disk parents = { .file = { .fd = -1 } };
	char uuid[UUID_STR_LEN];
	struct lclone_sb sb;
	int err;

	err = open_base(base_path, &base_file, &base);
	if (err)
		goto out_base;
	if (!base && !args->virtual_sectors && !args->parents.count) {
		err = lclone_fail(-ERANGE, "a clone without a base needs --size");
		goto out_base;
	}
	err = lclone_file_open_ready(&delta, delta_path, O_RDWR | O_EXCL);
	if (base && lclone_file_same(&delta, base))
		err = lclone_fail(-EBUSY, "%s cannot be base and delta at once", delta_path);
	if (!err && base)
		err = refuse_common_sectors(&delta, base);
	/* one look at all devices serves both, while both devices are locked */
	if (!err && base)
		err = refuse_as_base(base, "; if it is another: --assume-no-other-clones", &inv);
	if (!err)
		err = may_overwrite(&delta, args->force, &inv);
	if (!err && args->parents.count)
		err = look_at_parents(&delta, base, &args->parents, &parents);
	if (!err && args->parents.count) {
		options.parent = &parents.delta.sb;
		options.block_size = block_size_of(&parents);
	}
	if (!err)
		err = lclone_format(&delta, base, &options, &sb);
	if (!err) {
		uuid_unparse(sb.uuid, uuid);
		printf("%s: formatted, %llu sectors in chunks of %u KiB, uuid %s\n", delta_path,
		       (unsigned long long)sb.virtual_sectors, sb.chunk_sectors / 2, uuid);
	}
	if (args->parents.count)
		close_disk(&parents);
	lclone_file_close(&delta);
	lclone_inventory_free(&inv);
out_base:
	close_base(base);
	return err;
}

static const struct option options[] = {
	{ "size", required_argument, NULL, 's' },
	{ "chunk-size", required_argument, NULL, 'c' },
	{ "label", required_argument, NULL, 'l' },
	PARENT_OPTION,
	{ "force", no_argument, NULL, 'f' },
	ASSUME_OPTION,
	{ "help", no_argument, NULL, 'h' },
	{ }
};

static int run(int argc, char **argv)
{
	struct format_arguments args = { 0 };
	int option, ret = 0;
	u64 chunk = 0;

	lclone_can_assume_no_other_clones();
	while ((option = next_option(&cmd_format, argc, argv, options, &ret)) != -1) {
		switch (option) {
		case 's':
			ret = parse_size(optarg, &args.virtual_sectors);
			break;
		case 'c':
			ret = parse_size(optarg, &chunk);
			args.chunk_sectors = chunk > LCLONE_CHUNK_SECTORS_MAX ? UINT32_MAX : chunk;
			break;
		case 'l':
			args.label = optarg;
			break;
		case 'P':
			ret = add_parent(&args.parents, optarg);
			break;
		case 'f':
			args.force = true;
			break;
		case 'A':
			lclone_assume_no_other_clones();
			break;
		default:
			return ret;
		}
		if (ret)
			return ret;
	}
	if (argc - optind != 2)
		return usage_error(&cmd_format, "needs a base (or -) and a delta");
	return format_delta(argv[optind], argv[optind + 1], &args);
}

const struct command cmd_format = {
	.name = "format",
	.summary = "make a device the empty delta of a base",
	.usage =
	"format [OPTION]... BASE|- DELTA\n\n"
	"Makes DELTA the empty delta of a clone of BASE (-: of nothing).\n\n"
	"  --size SIZE        size of the clone, also beyond the base (default: the base's)\n"
	"  --chunk-size SIZE  unit of allocation, a power of two from 8K to 2M (64K)\n"
	"  --parent LAYER     put DELTA on this sealed layer; layers below it are looked for,\n"
	"                     or named before it\n"
	"  --label TEXT       a name to keep in the superblock\n"
	"  --force            overwrite what is on DELTA\n"
	ASSUME_USAGE,
	.run = run,
};
