// SPDX-License-Identifier: GPL-2.0-only
#include "clone/make.h"
#include "cmd/commands.h"
#include "ui/confirm.h"
#include "ui/format.h"
#include "ui/options.h"

static const struct option options[] = {
	{ "size", required_argument, NULL, 's' },
	{ "chunk-size", required_argument, NULL, 'c' },
	{ "label", required_argument, NULL, 'l' },
	PARENT_OPTION,
	{ "force", no_argument, NULL, 'f' },
	ASSUME_OPTION,
	TAKEOVER_OPTIONS,
	{ "help", no_argument, NULL, 'h' },
	{ }
};

static int run(int argc, char **argv)
{
	struct format_arguments args = { 0 };
	struct lclone_sb sb;
	struct takeover takeover = { .given = false };
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
			ret = lclone_add_parent(&args.parents, optarg);
			break;
		case 'f':
			args.force = true;
			break;
		case 'A':
			lclone_assume_no_other_clones();
			break;
		case 'T':
		case 'y':
			parse_takeover_option(&takeover, option);
			break;
		default:
			return ret;
		}
		if (ret)
			return ret;
	}
	take_over(&takeover, false);
	if (argc - optind != 2)
		return usage_error(&cmd_format, "needs a base (or -) and a delta");
	ret = lclone_format_delta(argv[optind], argv[optind + 1], &args, &sb);
	if (!ret)
		print_formatted(argv[optind + 1], &sb);
	return ret;
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
	"  --takeover         ... also if another host has it open by its note\n"
	"  --yes              do not ask before that\n"
	ASSUME_USAGE,
	.run = run,
};
