// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdio.h>

#include "basic/fail.h"
#include "clone/disk.h"
#include "clone/overlay.h"
#include "clone/word.h"
#include "cmd/commands.h"
#include "ui/options.h"

/* One at a time: there may be many millions. */
static int print_extents(struct disk *disk, u32 levels, bool json)
{
	static struct lclone_overlay overlay;
	struct lclone_chain_extent e;
	const char *separator = "";
	int ret;

	if (json)
		printf("[");
	lclone_overlay_start(&overlay, &disk->chain, levels);
	while ((ret = lclone_overlay_next(&overlay, &e)) > 0) {
		const char *kind = e.source == LCLONE_FROM_ZERO ? "zero" : "data";
		unsigned long long byte = e.sector * 512, bytes = e.sectors * 512;

		if (json)
			printf("%s\n  { \"kind\": \"%s\", \"byte\": %llu, \"bytes\": %llu }",
			       separator, kind, byte, bytes);
		else
			printf("%s %llu %llu\n", kind, byte, bytes);
		separator = ",";
	}
	if (json)
		printf("\n]\n");
	return ret;
}

static const struct option options[] = {
	{ "against", required_argument, NULL, 'a' },
	PARENT_OPTION,
	{ "json", no_argument, NULL, 'j' },
	{ "help", no_argument, NULL, 'h' },
	{ }
};

static int run(int argc, char **argv)
{
	struct lclone_parents parents = { 0 };
	const char *against = NULL;
	static struct disk disk;
	char path[PATH_MAX], layer[PATH_MAX];
	bool json = false;
	int option, ret = 0;
	u32 levels;

	while ((option = next_option(&cmd_diff, argc, argv, options, &ret)) != -1) {
		switch (option) {
		case 'a':
			against = optarg;
			break;
		case 'j':
			json = true;
			break;
		case 'P':
			ret = lclone_add_parent(&parents, optarg);
			if (ret)
				return ret;
			break;
		default:
			return ret;
		}
	}
	if (argc - optind != 1)
		return usage_error(&cmd_diff, "needs a delta, or a name");
	ret = lclone_delta_path(argv[optind], path);
	if (!ret && against)
		ret = lclone_delta_path(against, layer);
	if (ret)
		return ret;
	ret = lclone_open_disk_now(path, &parents, &disk);
	levels = disk.chain.count;
	if (!ret && against)
		ret = lclone_disk_levels_above(&disk, layer, &levels);
	if (!ret)
		ret = print_extents(&disk, levels, json);
	if (!ret)
		ret = lclone_chain_unchanged(&disk.chain);
	lclone_close_disk(&disk);
	return ret;
}

const struct command cmd_diff = {
	.name = "diff",
	.summary = "show which ranges a clone or a layer has changed",
	.usage =
	"diff [--against LAYER] [--parent LAYER]... [--json] NAME[@SNAPSHOT]|DELTA\n\n"
	"Shows the ranges of the disk that were written (data) or zeroed (zero), as\n"
	"\"KIND BYTE BYTES\": by DELTA and all layers below it, against the base. If DELTA is\n"
	"active this is what it had at one moment.\n\n"
	"  --against LAYER  only what was changed since LAYER, or NAME@SNAPSHOT, which DELTA\n"
	"                   lies on\n"
	"  --parent LAYER   a layer that DELTA lies on; those not named are looked for\n"
	"  --json           as a JSON array\n",
	.run = run,
};
