// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <uuid/uuid.h>

#include "lclone.h"
#include "super.h"

/* -EADDRINUSE if something is on the device that a format would destroy. */
static int refuse_used(const struct lclone_file *file)
{
	struct lclone_delta delta;
	int err = lclone_delta_open_sb(&delta, &file->dev);

	if (err != -ENODATA && err != -EINVAL)	/* of any version and in any state */
		err = lclone_fail(-EADDRINUSE, "%s holds an lclone delta (--force: format all the same)",
				  file->path);
	else if (lclone_file_is_blank(file))
		err = lclone_fail(-EADDRINUSE, "%s (--force: format all the same)", lclone_why());
	else
		err = 0;
	lclone_delta_close(&delta);
	return err;
}

int format_delta(const char *base_path, const char *delta_path, const struct format_arguments *args)
{
	struct lclone_format_options options = {
		.virtual_sectors = args->virtual_sectors,
		.chunk_sectors = args->chunk_sectors,
		.label = args->label,
	};
	struct lclone_file delta, base_file, *base;
	char uuid[UUID_STR_LEN];
	struct lclone_sb sb;
	int err;

	err = open_base(base_path, &base_file, &base);
	if (err)
		goto out_base;
	if (!base && !args->virtual_sectors) {
		err = lclone_fail(-ERANGE, "a clone without a base needs --size");
		goto out_base;
	}
	err = lclone_file_open(&delta, delta_path, O_RDWR | O_EXCL);
	if (!err && !args->force)
		err = refuse_used(&delta);
	if (!err)
		err = lclone_format(&delta, base, &options, &sb);
	if (!err) {
		uuid_unparse(sb.uuid, uuid);
		printf("%s: formatted, %llu sectors in chunks of %u KiB, uuid %s\n", delta_path,
		       (unsigned long long)sb.virtual_sectors, sb.chunk_sectors / 2, uuid);
	}
	lclone_file_close(&delta);
out_base:
	close_base(base);
	return err;
}

static const struct option options[] = {
	{ "size", required_argument, NULL, 's' },
	{ "chunk-size", required_argument, NULL, 'c' },
	{ "label", required_argument, NULL, 'l' },
	{ "force", no_argument, NULL, 'f' },
	{ "help", no_argument, NULL, 'h' },
	{ }
};

static int run(int argc, char **argv)
{
	struct format_arguments args = { 0 };
	int option, ret = 0;
	u64 chunk = 0;

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
		case 'f':
			args.force = true;
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
	"  --label TEXT       a name to keep in the superblock\n"
	"  --force            overwrite what is on DELTA\n",
	.run = run,
};
