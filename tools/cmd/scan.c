// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>

#include "basic/fail.h"
#include "cmd/commands.h"
#include "online/leftover.h"
#include "online/tags.h"
#include "online/volume.h"
#include "ui/confirm.h"
#include "ui/output.h"
#include "ui/volumes.h"

static const struct option options[] = {
	{ "yes", no_argument, NULL, 'y' },
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

/* That nobody has answered is no failure: the tags are right. */
static bool may_remove(const struct lclone_leftovers *l)
{
	struct lclone_names names = { .count = 0 };
	char path[LCLONE_LV_PATH_SIZE];
	size_t i;
	int err;

	for (i = 0; i < l->count; i++) {
		lclone_lv_path(&l->lv[i], path);
		say_to(stderr, "%s was a layer of %s, and nothing needs it any more\n", path,
		       l->lv[i].layer);
		lclone_add_name(&names, path);
	}
	err = confirm("remove %s", names.text);
	if (err)
		say_to(stderr, "lclone scan: %s\n", lclone_why());
	return !err;
}

static int remove_leftovers(bool yes, bool dry_run)
{
	struct lclone_leftovers l;
	char path[LCLONE_LV_PATH_SIZE];
	size_t i;
	int ret = lclone_leftovers_read(&l);

	if (!ret && l.count && (yes || dry_run || may_remove(&l)))
		for (i = 0; i < l.count; i++) {
			lclone_lv_path(&l.lv[i], path);
			if (dry_run) {
				say("%s: would be removed\n", path);
				continue;
			}
			ret = lclone_volume_free(path, l.lv[i].layer);
			tell_volume(NULL, path, ret < 0 ? lclone_why() : ret ? "" : NULL);
			ret = 0;
		}
	lclone_leftovers_free(&l);
	return ret;
}

static int run(int argc, char **argv)
{
	const struct tags_told told = { .changed = tell_changed, .unclear = tell_unclear };
	bool dry_run = false, yes = false;
	int option, ret = 0;

	while ((option = next_option(&cmd_scan, argc, argv, options, &ret)) != -1) {
		if (option == '?')
			return ret;
		dry_run |= option == 'n';
		yes |= option == 'y';
	}
	if (argc != optind)
		return usage_error(&cmd_scan, "takes no arguments");
	return lclone_tags_mend(dry_run, &told) ?: remove_leftovers(yes, dry_run);
}

const struct command cmd_scan = {
	.name = "scan",
	.summary = "put the tags of volumes right, by what is on them",
	.usage =
	"scan [--yes] [--dry-run]\n\n"
	"Looks at all deltas, and gives the logical volumes that they are on the tags that their\n"
	"superblocks ask for: names are found by these where lclonetab does not have them. Prints\n"
	"what was changed. Tags are wrong when LVM's metadata were restored from a backup, or a\n"
	"volume was copied. Volumes of layers that a flatten was to remove when the machine went\n"
	"down are asked for, and removed.\n\n"
	"  --yes      do not ask\n"
	"  --dry-run  only print what would be changed\n",
	.run = run,
};
