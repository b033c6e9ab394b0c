// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "basic/dry.h"
#include "basic/fail.h"
#include "clone/inventory.h"
#include "clone/snapshot.h"
#include "cmd/commands.h"
#include "host/device.h"
#include "offline/remove.h"
#include "online/by-name.h"
#include "online/drop.h"
#include "ui/confirm.h"
#include "ui/lost.h"
#include "ui/online.h"
#include "ui/options.h"
#include "ui/output.h"
#include "ui/volumes.h"

static int refuse_open_clone(const char *name)
{
	static struct lclone_clone clone;
	char delta[PATH_MAX];
	int err = lclone_dm_get(name, &clone);

	if (err)
		return err;
	lclone_name_of(clone.table.delta, delta);
	return lclone_fail(-EBUSY, "%s is active, with the delta %s: close it first", name, delta);
}

static int ask(const struct lclone_named *named, const struct lclone_layers *below)
{
	struct lclone_names names;

	tell_lost(stderr, below, below->count, &names);
	return confirm("remove %s, and what was written to it, with %s%s%s", named->name,
		       named->delta, names.count ? ", and " : "", names.count ? names.text : "");
}

/*
 * Before its name is forgotten, by which another run would find them.  Those that tags have led to
 * are in no order: what another one lies on goes behind that.
 */
static void remove_below(const char *clone, struct lclone_layers *below)
{
	bool gone[LCLONE_LAYERS_MAX] = { false }, more = true;
	u32 i;
	int ret;

	while (more) {
		more = false;
		for (i = 0; i < below->count; i++) {
			if (gone[i])
				continue;
			gone[i] = !lclone_volume_free(below->layer[i].path, clone);
			more |= gone[i];
			if (gone[i])
				tell_volume(NULL, below->layer[i].path, NULL);
		}
	}
	for (i = 0; i < below->count; i++) {
		ret = gone[i] ? 0 : lclone_volume_free(below->layer[i].path, clone);
		if (ret < 0)
			tell_volume(NULL, below->layer[i].path, lclone_why());
	}
}

static int remove_found(struct lclone_named *named, bool yes, bool dry_run)
{
	static struct lclone_layers below;
	struct lclone_names names;
	int err = lclone_volumes_below(named->name, named->delta, &below);

	if (!err && !yes && !dry_run)
		err = ask(named, &below);
	err = err ?: lclone_wipe_named(named);
	if (err == -LCLONE_DRY) {
		tell_lost(stdout, &below, below.count, &names);
		err = 0;
	} else if (!err) {
		remove_below(named->name, &below);
		err = lclone_forget_named(named);
	}
	if (!err)
		say("%s: %s, with %s%s\n", named->name,
		    dry_run ? "would be removed" : "removed", named->delta,
		    named->entry ? ", and its line in lclonetab" : "");
	lclone_layers_free(&below);
	return err;
}

/* What was made for a clone goes with it; what was not is not ours to remove by a name. */
static int remove_name(const char *name, bool yes, bool dry_run)
{
	static struct lclone_named named;
	int err;

	err = lclone_name_find(name, &named);
	if (!err && !named.entry && !named.has_lv)
		err = named.active ? refuse_open_clone(name) :
		      lclone_fail(-ENOENT, "%s has no volume that was made for it: \"lclone remove %s\" removes its delta",
				  name, named.delta);
	if (!err && !named.active)
		err = lclone_named_activate(&named);
	err = err ?: remove_found(&named, yes, dry_run);
	lclone_named_free(&named);
	return err;
}

/* A snapshot */

static int merging(struct lclone_merge *merge, u64 done, u64 total)
{
	meter_show(merge->ctx, "merging", done, total, done == total);
	return interrupted();
}

static void goes_on(void *ctx, const char *clone, double pause_ms)
{
	meter_hide(ctx);
	if (lclone_is_dry())
		return;
	say("%s: goes on without it; it stood still for %.1f ms\n", clone, pause_ms);
}

static void leaves(void *ctx, const char *clone, const char *names)
{
	(void)ctx;
	if (names)
		say("%s: does not need %s any more\n", clone, names);
}

static int remove_snapshot(const char *clone, const char *snapshot, bool yes, bool dry_run)
{
	struct meter meter;
	struct online online = { .name = clone, .watch = &meter_watch, .ctx = &meter };
	struct flatten flatten = { .merge = { .online = &online }, .leaves = leaves };
	struct into_parent into = { .goes_on = goes_on, .ctx = &meter };
	struct lclone_merge merge = { .progress = merging, .ctx = &meter };
	struct drop drop = { .clone = clone, .snapshot = snapshot, .into = &into,
			     .merge = &merge, .flatten = &flatten, .told = tell_volume };
	int err = lclone_may_drop_snapshot(&drop);

	if (!err && !yes && !dry_run)
		err = confirm("remove the snapshot %s@%s", clone, snapshot);
	if (err)
		return err;
	meter_init(&meter, false);
	err = lclone_drop_snapshot(&drop);
	meter_end(&meter);
	if (err == -LCLONE_DRY) {
		say("%s@%s: would be removed\n", clone, snapshot);
		return 0;
	}
	if (!err)
		say("%s@%s: removed\n", clone, snapshot);
	return err;
}

/* device-mapper takes an @ in the name of a clone, too. */
static int remove_word(const char *word, bool yes, bool dry_run)
{
	static struct lclone_named named;
	char clone[LCLONE_NAME_SIZE];
	const char *snapshot = lclone_snapshot_split(word, clone);
	bool is_clone = snapshot && !lclone_name_find(word, &named);

	if (snapshot)
		lclone_named_free(&named);
	return snapshot && !is_clone ? remove_snapshot(clone, snapshot, yes, dry_run) :
				       remove_name(word, yes, dry_run);
}

static const struct option options[] = {
	{ "dry-run", no_argument, NULL, 'n' },
	ASSUME_OPTION,
	TAKEOVER_OPTIONS,
	{ "help", no_argument, NULL, 'h' },
	{ }
};

static int run(int argc, char **argv)
{
	struct takeover takeover = { .given = false };
	bool dry_run = false;
	int option, ret = 0;

	lclone_can_assume_no_other_clones();
	while ((option = next_option(&cmd_remove, argc, argv, options, &ret)) != -1) {
		if (option == '?')
			return ret;
		if (option == 'A')
			lclone_assume_no_other_clones();
		dry_run |= option == 'n';
		parse_takeover_option(&takeover, option);
	}
	if (argc - optind != 1)
		return usage_error(&cmd_remove, "needs a delta, or a name");
	take_over(&takeover, dry_run);
	if (dry_run)
		lclone_dry_run();
	if (!strchr(argv[optind], '/'))
		return remove_word(argv[optind], takeover.yes, dry_run);
	if (takeover.yes && !takeover.given)
		return usage_error(&cmd_remove, "--yes goes with a name, or with --takeover");
	ret = lclone_remove_delta(argv[optind]);
	if (ret != -LCLONE_DRY)
		return ret;
	say("%s: would be wiped, and be no delta any more\n", argv[optind]);
	return 0;
}

const struct command cmd_remove = {
	.name = "remove",
	.summary = "destroy a delta: wipe its superblocks",
	.usage =
	"remove [--dry-run] [--assume-no-other-clones] [--takeover [--yes]] DELTA\n"
	"       lclone remove [--yes] [--dry-run] [--assume-no-other-clones] [--takeover]\n"
	"                     NAME[@SNAPSHOT]\n\n"
	"Wipes both superblocks of DELTA, so that it is no delta any more. What the clone\n"
	"had written is lost. A clone that is active is refused: close it first; and so is a\n"
	"layer that others depend on, or may depend on. The second is for a clone that was made\n"
	"by its name (lclone create --from), or is in lclonetab: it is closed, and its line\n"
	"there and the logical volumes that were made for it and for its snapshots go, too, unless\n"
	"others lie on them. NAME@SNAPSHOT is a snapshot alone: what comes after it takes in what it\n"
	"has, and the clone, active or not, goes on with the same content.\n\n"
	"  --yes                    do not ask\n"
	"  --dry-run                only say what would be removed\n"
	"  --takeover               also what another host has open by its note\n"
	ASSUME_USAGE,
	.run = run,
};
