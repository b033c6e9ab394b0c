// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdio.h>

#include "lclone.h"

static const struct option options[] = {
	{ "help", no_argument, NULL, 'h' },
	{ }
};

static int run(int argc, char **argv)
{
	static struct lclone_pending pending;
	static struct lclone_clone clone;
	const char *name;
	int ret = 0;

	if (next_option(&cmd_close, argc, argv, options, &ret) != -1)
		return ret;
	if (argc - optind != 1)
		return usage_error(&cmd_close, "needs the name of a clone");
	name = argv[optind];
	ret = lclone_dm_settle(name, &pending);
	if (ret == 1 && !pending.after[0]) {	/* closed by a run that was killed */
		lclone_pending_drop(name);
		return 0;
	}
	if (ret >= 0)
		ret = lclone_dm_get(name, &clone);
	if (ret)
		return ret;
	if (clone.open_count)
		return lclone_fail(-EBUSY, "%s is in use (opened %d times)", name,
				   clone.open_count);
	ret = lclone_dm_begin(name, clone.sectors, clone.params, false);
	return ret ?: lclone_dm_remove(name);
}

const struct command cmd_close = {
	.name = "close",
	.summary = "deactivate a clone",
	.usage =
	"close NAME\n\n"
	"Deactivates the clone NAME. All that was written to it is durable afterwards.\n",
	.run = run,
};
