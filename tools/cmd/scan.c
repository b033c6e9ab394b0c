// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>

#include "cmd/commands.h"
#include "online/tags.h"
#include "ui/output.h"

static const struct option options[] = {
	{ "dry-run", no_argument, NULL, 'n' },
	{ "help", no_argument, NULL, 'h' },
	{ }
};

static void tell_changed(void *ctx, const struct lclone_lv *was, const struct lclone_lv *now)
{
	char changes[LCLONE_LV_CHANGES_SIZE];

	(void)ctx;
	lclone_lv_changes(was, now, changes);
	say("%s/%s:%s\n", was->vg, was->lv, changes);
}

static void tell_unclear(void *ctx, const char *path, const char *why)
{
	(void)ctx;
	say_to(stderr, "lclone scan: %s %s\n", path, why);
}

static int run(int argc, char **argv)
{
	const struct tags_told told = { .changed = tell_changed, .unclear = tell_unclear };
	bool dry_run = false;
	int option, ret = 0;

	while ((option = next_option(&cmd_scan, argc, argv, options, &ret)) != -1) {
		if (option == '?')
			return ret;
		dry_run = true;
	}
	if (argc != optind)
		return usage_error(&cmd_scan, "takes no arguments");
	return lclone_tags_mend(dry_run, &told);
}

const struct command cmd_scan = {
	.name = "scan",
	.summary = "put the tags of volumes right, by what is on them",
	.usage =
	"scan [--dry-run]\n\n"
	"Looks at all deltas, and gives the logical volumes that they are on the tags that their\n"
	"superblocks ask for: names are found by these where lclonetab does not have them. Prints\n"
	"what was changed. Tags are wrong when LVM's metadata were restored from a backup, or a\n"
	"volume was copied.\n\n"
	"  --dry-run  only print what would be changed\n",
	.run = run,
};
