// SPDX-License-Identifier: GPL-2.0-only
#include "cmd/commands.h"
#include "host/dm.h"
#include "online/close.h"

static const struct option options[] = {
	{ "help", no_argument, NULL, 'h' },
	{ }
};

static int run(int argc, char **argv)
{
	int ret = 0;

	if (next_option(&cmd_close, argc, argv, options, &ret) != -1)
		return ret;
	if (argc - optind != 1)
		return usage_error(&cmd_close, "needs the name of a clone");
	return lclone_close_clone(lclone_dm_name(argv[optind]));
}

const struct command cmd_close = {
	.name = "close",
	.summary = "deactivate a clone",
	.usage =
	"close NAME\n\n"
	"Deactivates the clone NAME, or the linear device that it became by a merge. All that\n"
	"was written to it is durable afterwards.\n",
	.run = run,
};
