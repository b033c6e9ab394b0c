// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <string.h>

#include "basic/fail.h"
#include "clone/inventory.h"
#include "cmd/commands.h"
#include "host/device.h"
#include "offline/remove.h"
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

static const struct option options[] = {
	ASSUME_OPTION,
	{ "help", no_argument, NULL, 'h' },
	{ }
};

static int run(int argc, char **argv)
{
	int option, ret = 0;

	lclone_can_assume_no_other_clones();
	while ((option = next_option(&cmd_remove, argc, argv, options, &ret)) != -1) {
		if (option != 'A')
			return ret;
		lclone_assume_no_other_clones();
	}
	if (argc - optind != 1)
		return usage_error(&cmd_remove, "needs a delta");
	if (strchr(argv[optind], '/'))
		return lclone_remove_delta(argv[optind]);
	return refuse_open_clone(argv[optind]);
}

const struct command cmd_remove = {
	.name = "remove",
	.summary = "destroy a delta: wipe its superblocks",
	.usage =
	"remove [--assume-no-other-clones] DELTA\n\n"
	"Wipes both superblocks of DELTA, so that it is no delta any more. What the clone\n"
	"had written is lost. A clone that is active is refused: close it first; and so is a\n"
	"layer that others depend on, or may depend on.\n\n"
	ASSUME_USAGE,
	.run = run,
};
