// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "basic/fail.h"
#include "clone/inventory.h"
#include "cmd/commands.h"
#include "host/device.h"
#include "offline/remove.h"
#include "online/by-name.h"
#include "ui/confirm.h"
#include "ui/options.h"

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
	if (!err && !yes && !dry_run)
		err = confirm("remove %s, and what was written to it, with %s", name, named.delta);
	if (!err && !dry_run)
		err = lclone_remove_named(&named);
	if (!err)
		printf("%s: %s, with %s%s\n", name, dry_run ? "would be removed" : "removed",
		       named.delta, named.entry ? ", and its line in lclonetab" : "");
	lclone_named_free(&named);
	return err;
}

static const struct option options[] = {
	{ "yes", no_argument, NULL, 'y' },
	{ "dry-run", no_argument, NULL, 'n' },
	ASSUME_OPTION,
	{ "help", no_argument, NULL, 'h' },
	{ }
};

static int run(int argc, char **argv)
{
	bool yes = false, dry_run = false;
	int option, ret = 0;

	lclone_can_assume_no_other_clones();
	while ((option = next_option(&cmd_remove, argc, argv, options, &ret)) != -1) {
		if (option == '?')
			return ret;
		if (option == 'A')
			lclone_assume_no_other_clones();
		yes |= option == 'y';
		dry_run |= option == 'n';
	}
	if (argc - optind != 1)
		return usage_error(&cmd_remove, "needs a delta, or a name");
	if (!strchr(argv[optind], '/'))
		return remove_name(argv[optind], yes, dry_run);
	if (yes || dry_run)
		return usage_error(&cmd_remove, "--yes and --dry-run go with a name");
	return lclone_remove_delta(argv[optind]);
}

const struct command cmd_remove = {
	.name = "remove",
	.summary = "destroy a delta: wipe its superblocks",
	.usage =
	"remove [--assume-no-other-clones] DELTA\n"
	"       lclone remove [--yes] [--dry-run] [--assume-no-other-clones] NAME\n\n"
	"Wipes both superblocks of DELTA, so that it is no delta any more. What the clone\n"
	"had written is lost. A clone that is active is refused: close it first; and so is a\n"
	"layer that others depend on, or may depend on. The second is for a clone that was made\n"
	"by its name (lclone create --from), or is in lclonetab: it is closed, and its line\n"
	"there and the logical volume that was made for it go, too.\n\n"
	"  --yes                    do not ask\n"
	"  --dry-run                only say what would be removed\n"
	ASSUME_USAGE,
	.run = run,
};
